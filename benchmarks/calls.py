"""Calls a second and CPU a call of the service, beside SIPp's own callee at the same rate in the same run.

SIPp's built-in caller places calls for 45 s over UDP on loopback (server transactions linger for 32 s, so shorter runs
flatter); each is answered with SDP, takes RTP ports, and is hung up at once. CPU is that of all processes of the
service, as the kernel counts it. A second pass holds 1,000 calls up meanwhile.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.live import sipp  # noqa: E402 - after the path
from tests.live.service import Service, running  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Result:
    """One pass: who answered, at what rate, and what it cost."""

    name: str
    rate: float
    calls: int
    failed: int
    retransmissions: int
    cpu_ms_per_call: float
    cpu_by_process: dict[str, float]
    memory_mib: float


def cpu_seconds(pid: int) -> float:
    """User and system seconds that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def pss_mib(pid: int) -> float:
    """Proportional set size in MiB: shared pages counted once over all processes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def processes(service: Service) -> dict[str, int]:
    """The pids of the service by name: its children, the supervisor and the fork server."""
    found = {name: int(child["pid"]) for name, child in service.tree().items()}
    known = {*found.values(), service.process.pid}
    found["supervisor"] = service.process.pid
    for pid in descendants(service.process.pid):
        if pid not in known:
            found[f"helper-{pid}"] = pid
    return found


def descendants(pid: int) -> Iterator[int]:
    """Every process below `pid`."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for child in children.read_text(encoding="ascii").split() if children.exists() else ():
        yield int(child)
        yield from descendants(int(child))


def call_for(folder: Path, address: tuple[str, int], rate: float, seconds: float, name: str) -> sipp.Report:
    """Place calls at `rate` for `seconds`, saying now and then how it goes."""
    folder.mkdir(parents=True, exist_ok=True)
    total = int(rate * seconds)
    extra = ("-r", f"{rate:g}", "-m", str(total), "-l", "10000", "-timeout", f"{seconds + 60:.0f}s", "-mp", "30000")
    print(f"  {name}: {total} calls at {rate:g}/s ...", file=sys.stderr, flush=True)
    return sipp.call(folder, address, *extra, timeout=seconds + 120)


@contextmanager
def held_calls(folder: Path, address: tuple[str, int], number: int, seconds: float) -> Iterator[None]:
    """Keep `number` calls up for the time of the block."""
    if not number:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    port = sipp.free_port()
    words = ["sipp", "-sn", "uac", "-i", "127.0.0.1", "-p", str(port), "-nostdin", "-r", "200", "-m", str(number)]
    words += ["-l", str(number), "-d", str(int((seconds + 30) * 1000)), f"{address[0]}:{address[1]}"]
    words += ["-trace_stat", "-stf", str(folder / "stat.csv"), "-fd", "1", "-mp", "40000"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        wait_until_up(folder / "stat.csv", number, process)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_up(statistics: Path, number: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until SIPp counts `number` calls at once."""
    while process.poll() is None:
        if statistics.exists():
            with statistics.open(encoding="utf-8") as file:
                rows = list(csv.DictReader(file, delimiter=";"))
            if rows and int(rows[-1]["CurrentCall"] or 0) >= number:
                return
        time.sleep(0.5)
    raise SystemExit(f"the held calls ended early: sipp exited with {process.returncode}")


def measure_service(folder: Path, rate: float, seconds: float, held: int) -> Result:
    """One pass against the service."""
    with running("--answer", "echo", config="[media]\nports = [16384, 22383]\n") as service:
        address = service.addresses["udp"]
        with held_calls(folder / "held", address, held, seconds):
            pids = processes(service)
            before = {name: cpu_seconds(pid) for name, pid in pids.items()}
            began = time.monotonic()
            report = call_for(folder / "uac", address, rate, seconds, f"sipactors, {held} held")
            took = time.monotonic() - began
            spent = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
            memory = sum(pss_mib(pid) for pid in pids.values())
    return _result(f"sipactors, {held} calls held", report, took, spent, memory)


def measure_sipp(folder: Path, rate: float, seconds: float) -> Result:
    """The same pass against `sipp -sn uas`."""
    with sipp.answering(folder / "uas") as address:
        pid = sipp_pid(address[1])
        before = cpu_seconds(pid)
        began = time.monotonic()
        report = call_for(folder / "uac", address, rate, seconds, "sipp -sn uas")
        took = time.monotonic() - began
        spent = {"sipp": cpu_seconds(pid) - before}
        memory = pss_mib(pid)
    return _result("sipp -sn uas", report, took, spent, memory)


def sipp_pid(port: int) -> int:
    """The pid of the SIPp that listens on `port`."""
    found = subprocess.run(["pgrep", "-f", f"sipp .*-p {port}"], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0])


def _result(name: str, report: sipp.Report, took: float, spent: dict[str, float], memory: float) -> Result:
    calls = report.successful + report.failed
    by_process = {who: round(seconds * 1000 / calls, 4) for who, seconds in spent.items()}
    cpu = sum(spent.values()) * 1000 / calls
    return Result(
        name,
        round(calls / took, 1),
        calls,
        report.failed,
        report.retransmissions,
        round(cpu, 4),
        by_process,
        round(memory, 1),
    )


def main() -> None:
    """Measure, print a table or JSON, and exit 1 when a gate is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0, help="calls a second (default 500)")
    parser.add_argument("--seconds", type=float, default=45.0, help="length of each pass (default 45)")
    parser.add_argument(
        "--held", type=int, default=1000, help="calls held in the second pass (default 1000, 0: no second pass)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        folder = Path(made)
        results = [
            measure_sipp(folder / "sipp", options.rate, options.seconds),
            measure_service(folder / "service", options.rate, options.seconds, 0),
        ]
        if options.held:
            results.append(measure_service(folder / "held", options.rate, options.seconds, options.held))
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        for result in results:
            print(
                f"{result.name:32} {result.rate:8.1f} calls/s  failed {result.failed:5}"
                f"  retransmissions {result.retransmissions:5}  {result.cpu_ms_per_call:7.3f} ms CPU a call"
                f"  {result.memory_mib:7.1f} MiB"
            )
            print("    " + "  ".join(f"{who} {cost:.3f}" for who, cost in result.cpu_by_process.items()))
    sys.exit(judge(results))


def judge(results: list[Result]) -> int:
    """The gates: under 0.1 % failed, at most 10 times SIPp's CPU, and within 1.3 times of that with calls held."""
    base, service, *held = results
    ratio = service.cpu_ms_per_call / base.cpu_ms_per_call
    print(f"failed {100 * service.failed / service.calls:.3f} % (gate 0.1), CPU {ratio:.1f} times SIPp's (gate 10)")
    missed = service.failed > service.calls / 1000 or ratio > 10
    for result in held:
        more = result.cpu_ms_per_call / service.cpu_ms_per_call
        print(f"with calls held: failed {result.failed}, {more:.2f} times the CPU a call (gate 1.3)")
        missed = missed or more > 1.3 or result.failed > result.calls / 1000
    return int(missed)


if __name__ == "__main__":
    main()

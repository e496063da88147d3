"""Calls for as long as you like while actors are killed at random; what must stay flat is watched.

SIPp calls the service over UDP and over TCP at once; every few seconds a random actor gets kill -9. At the end no call
may have failed, and neither memory nor descriptors nor journals may have grown from the warm state. Exit code 1 else.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from actors.control.client import Client  # noqa: E402 - after the path
from tests.chaos.killing import ACTORS, kill, wait_restarted  # noqa: E402
from tests.live import sipp  # noqa: E402
from tests.live.service import Service, running  # noqa: E402

SETTLING = 40.0  # seconds: lingering transactions have ended, the first growth of heaps and journals is over
GROWTH = 1.25  # times the settled state, from which on something leaks
HOLD_MS = 2000


@dataclass
class State:
    """What must stay flat.

    Attributes:
        memory_mib: proportional set size of all processes.
        descriptors: open descriptors of all actors.
        disk_mib: what the run directory takes.
    """

    memory_mib: float
    descriptors: int
    disk_mib: float


def state(service: Service) -> State:
    """Look at the service now."""
    memory, descriptors = 0.0, 0
    for child in service.tree().values():
        proc = Path(f"/proc/{child['pid']}")
        for line in (proc / "smaps_rollup").read_text(encoding="ascii").splitlines():
            memory += int(line.split()[1]) / 1024 if line.startswith("Pss:") else 0
        descriptors += sum(1 for _ in (proc / "fd").iterdir())
    files = [path.stat() for path in service.run_dir.rglob("*") if path.is_file()]
    return State(round(memory, 1), descriptors, round(sum(each.st_blocks for each in files) / 2048, 1))


def calls(folder: Path, service: Service, transport: str, rate: float, seconds: float) -> sipp.Report:
    """Place calls until the time is over."""
    number = int(rate * seconds)
    limits = ("-r", str(rate), "-m", str(number), "-d", str(HOLD_MS), "-l", str(int(rate * 60)))
    return sipp.call(
        folder, service.addresses[transport], *limits, transport=transport, timeout=seconds + 120, local="127.0.0.1"
    )


def kill_now_and_then(service: Service, interval: float, end: float, done: threading.Event) -> int:
    """Kill a random actor every `interval` seconds and wait for it to be back; how often."""
    kills = 0
    with Client(service.run_dir) as client:
        while time.monotonic() + interval < end and not done.wait(interval):
            actor = random.choice(ACTORS)
            wait_restarted(client, actor, kill(client, actor)[0])
            kills += 1
            left = max(0.0, end - time.monotonic())
            print(f"\r  {kills} kills, {left:4.0f} s to go ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return kills


def soak(seconds: float, rate: float, interval: float) -> tuple[int, dict[str, sipp.Report], State, State]:
    """Run it; kills, what SIPp counted by transport, and the state after settling and at the end."""
    done = threading.Event()
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as made,
        running("--answer", "echo") as service,
        ThreadPoolExecutor(2) as pool,
    ):
        end = time.monotonic() + seconds
        placed: dict[str, Future[sipp.Report]] = {
            name: pool.submit(calls, Path(made) / name, service, name, rate / 2, seconds) for name in ("udp", "tcp")
        }
        try:
            done.wait(min(SETTLING, seconds / 2))
            before = state(service)
            kills = kill_now_and_then(service, interval, end, done)
            reports = {name: future.result() for name, future in placed.items()}
            after = state(service)
        finally:
            done.set()
    return kills, reports, before, after


def main() -> None:
    """Soak, print what was seen, and exit 1 when a call failed or something grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long calls are placed (default 600)")
    parser.add_argument("--rate", type=float, default=20.0, help="calls a second, half of them over TCP (default 20)")
    parser.add_argument("--interval", type=float, default=3.0, help="seconds between two kills (default 3)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    kills, reports, before, after = soak(options.seconds, options.rate, options.interval)
    faults = [f"{name}: {each.failed} of {each.failed + each.successful} calls failed: {each.errors[:300]}"
              for name, each in reports.items() if each.failed]  # fmt: skip
    was, now = asdict(before), asdict(after)
    faults += [f"{name} grew from {was[name]} to {now[name]}" for name in was if now[name] > was[name] * GROWTH + 8]
    if options.json:
        counted = {name: asdict(each) for name, each in reports.items()}
        print(json.dumps({"kills": kills, "calls": counted, "before": was, "after": now, "faults": faults}, indent=2))
    else:
        for name, each in reports.items():
            print(f"{name}: {each.successful} calls, {each.failed} failed, {each.retransmissions} retransmissions")
        print(f"kills {kills}; settled {was}; at the end {now}")
        print("\n".join(faults) or "nothing failed, nothing grew")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()

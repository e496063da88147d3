"""SIPp as a peer: run it and read what it counted."""

from __future__ import annotations

import csv
import random
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SCENARIOS = Path(__file__).parent / "scenarios"


@dataclass
class Report:
    """What SIPp counted over its whole run."""

    exit_code: int
    successful: int
    failed: int
    retransmissions: int
    unexpected: int
    errors: str


PORTS = range(10_000, 16_000)  # below the ephemeral ports, which anybody may get between our look and SIPp's bind
HELD = 256  # of one process at once: with each of a whole run held, select and a limit of 1,024 would fail
_held: deque[socket.socket] = deque()


def free_port(of: socket.SocketKind = socket.SOCK_DGRAM, family: socket.AddressFamily = socket.AF_INET) -> int:
    """A port that nobody has, and that no other test gets while it is among the last `HELD` of ours."""
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    for port in random.sample(PORTS, len(PORTS)):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0sipactors-test-port-{port}")  # an abstract name: free again when we end, however
            with socket.socket(family, of) as probe:
                probe.bind((host, port))
        except OSError:
            lock.close()
            continue
        _held.append(lock)
        if len(_held) > HELD:
            _held.popleft().close()
        return port
    raise AssertionError("no free port")


def port_of_both() -> int:
    """As `free_port`, over UDP and TCP."""
    while True:
        port = free_port(socket.SOCK_STREAM)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def kind(transport: str) -> socket.SocketKind:
    """The kind of socket a transport uses."""
    return socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM


def words(folder: Path, transport: str, scenario: str, host: str, port: int, extra: tuple[str, ...] = ()) -> list[str]:
    """SIPp's command line, but for the target and the number of calls."""
    named = SCENARIOS / f"{scenario}.xml"
    return [
        "sipp",
        *(("-sf", str(named)) if named.exists() else ("-sn", scenario)),
        *("-i", f"[{host}]" if ":" in host else host),
        *("-p", str(port)),
        *("-t", "u1" if transport == "udp" else "t1"),
        *("-nostdin", "-trace_err", "-error_file", str(folder / "errors.log")),
        *("-watchdog_interval", "0"),  # it writes of a machine that is busy among the errors, and ends the run of one
        *("-trace_stat", "-stf", str(folder / "stat.csv"), "-fd", "1"),
        *extra,
    ]


def report(folder: Path, exit_code: int) -> Report:
    """Read the last line of SIPp's statistics."""
    with (folder / "stat.csv").open(encoding="utf-8") as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    errors = folder / "errors.log"
    return Report(
        exit_code,
        int(last["SuccessfulCall(C)"]),
        int(last["FailedCall(C)"]),
        int(last["Retransmissions(C)"]),
        int(last["FailedUnexpectedMessage(C)"]),
        errors.read_text(encoding="utf-8", errors="replace")[:2000] if errors.exists() else "",
    )


def finished(folder: Path, calls: int) -> Report:
    """What became of so many calls, once SIPp is done with them: it writes its statistics each second.

    To be asked while both sides stand: our own side of a call is over before SIPp has read the last request of it, and
    SIPp calls a call failed whose connection ends before it has looked at it once more.
    """
    end = time.monotonic() + 30.0
    while time.monotonic() < end:
        # A line may be half written: what is not whole yet is read again.
        with suppress(OSError, IndexError, TypeError, ValueError):
            found = report(folder, 0)
            if found.successful + found.failed >= calls:
                return found
        time.sleep(0.05)
    raise AssertionError(f"SIPp did not finish {calls} calls")


def call(
    folder: Path,
    address: tuple[str, int],
    *extra: str,
    transport: str = "udp",
    scenario: str = "uac",
    local: str = "127.0.0.1",
    timeout: float = 120.0,
) -> Report:
    """Run SIPp as a caller until its calls are done."""
    folder.mkdir(parents=True, exist_ok=True)
    family = socket.AF_INET6 if ":" in local else socket.AF_INET
    host, port = address
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    command = [*words(folder, transport, scenario, local, free_port(kind(transport), family), extra), target]
    done = subprocess.run(command, capture_output=True, timeout=timeout, check=False, cwd=folder)
    return report(folder, done.returncode)


@contextmanager
def answering(
    folder: Path, *extra: str, transport: str = "udp", scenario: str = "uas", local: str = "127.0.0.1"
) -> Iterator[tuple[str, int]]:
    """SIPp as a callee; yields its address once its socket is bound."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port(kind(transport))
    process = subprocess.Popen(
        words(folder, transport, scenario, local, port, extra),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        _wait_bound(transport, port, process)
        yield local, port
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def playing(
    folder: Path, scenario: str, *extra: str, target: tuple[str, int] | None = None, patience: int = 60
) -> Iterator[tuple[str, int]]:
    """SIPp with one call of a scenario, as a callee or, given a `target`, as a caller; yields its address.

    At the end the call must have gone as the scenario says, within `patience` seconds of its begin.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = words(folder, "udp", scenario, "127.0.0.1", port, ("-m", "1", "-timeout", f"{patience}s", *extra))
    command += [f"{target[0]}:{target[1]}"] if target else []
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        if target is None:
            _wait_bound("udp", port, process)
        yield "127.0.0.1", port
        code = process.wait(timeout=patience + 15)
    finally:
        process.kill()
        process.wait()
    done = report(folder, code)
    assert (done.successful, done.failed, code) == (1, 0, 0), done.errors


def _wait_bound(transport: str, port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the kernel lists the port as bound; SIPp prints nothing that says so."""
    tables = [Path(f"/proc/net/{transport}"), Path(f"/proc/net/{transport}6")]
    wanted = f":{port:04X} "
    while process.poll() is None:
        if any(wanted in table.read_text(encoding="ascii") for table in tables):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
    raise AssertionError(f"sipp ended with {process.returncode} before it listened")

"""A real service of test actors in processes of its own, and what it says."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.sipp import port_of_both

SERVICE = Path(__file__).parent / "supervised" / "service.py"
ROOT = Path(__file__).parents[2]
PATIENCE = 30  # seconds after which a test that waits for an event is lost


class Service:
    """A running service. `pids` has the last known pid of each child."""

    def __init__(self, run_dir: Path, state_dir: Path, given: dict[str, Any]) -> None:
        self.run_dir = run_dir
        self.pids: dict[str, int] = {}
        self.addresses: dict[str, str] = {}
        self.seen: list[dict[str, Any]] = []
        self._unread = b""
        self._process = subprocess.Popen(
            [sys.executable, str(SERVICE), str(run_dir), str(state_dir), json.dumps(given)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if given.get("quiet", True) else None,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.pid = self._process.pid

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
            assert ready, f"nothing happens any more after {self.seen}"
            data = os.read(self._process.stdout.fileno(), 65536)
            assert data, f"it ended after {self.seen}: {self.errors()}"
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        event: dict[str, Any] = json.loads(line)
        self.seen.append(event)
        assert event["event"] != "two alive", event
        if event["event"] == "born":
            self.pids[event["name"]] = event["pid"]
        return event

    def expect(self, event: str, **fields: Any) -> dict[str, Any]:
        """The next event of that kind with these fields; others are passed over."""
        while True:
            got = self._next()
            if got["event"] == event and all(got[name] == value for name, value in fields.items()):
                return got

    def expect_ready(self) -> Service:
        self.addresses = self.expect("ready")["addresses"]
        return self

    def errors(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read().decode()

    def expect_error(self, text: str) -> None:
        """Wait until a line with `text` stands on stderr."""
        assert self._process.stderr is not None
        while line := self._process.stderr.readline():
            if text.encode() in line:
                return
        raise AssertionError(f"it ended without {text!r}")

    def tell(self, token: str, text: str) -> None:
        """Send a datagram to the child that serves `token`."""
        host, _, port = self.addresses[token].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), (host, int(port)))

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        os.kill(self.pids[name], number)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until the supervisor has ended; pass over what is still said."""
        code = self._process.wait(PATIENCE)
        while True:
            assert self._process.stdout is not None
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                break
            self._unread += data
        while b"\n" in self._unread:
            self._next()
        return code

    def fork_server(self) -> int:
        """The pid of the process the children are forked from."""
        for child in children_of(self.pid):
            proc = Path(f"/proc/{child}")
            # Orphans of a killed one have its command line, but a name of their own.
            forks = b"multiprocessing.forkserver" in (proc / "cmdline").read_bytes()
            if forks and child not in self.pids.values() and (proc / "comm").read_text().startswith("python"):
                return child
        raise AssertionError("there is no fork server")

    def helpers(self) -> list[int]:
        """What runs besides the supervisor and its actors."""
        return children_of(self.pid)

    def kill_fork_server(self) -> None:
        os.kill(self.fork_server(), signal.SIGKILL)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        for pid in self.pids.values():
            await_death(pid)
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def await_death(pid: int) -> None:
    """Wait until `pid` has ended; a process that was not our child any more needs no wait."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = select.select([pidfd], [], [], PATIENCE)
        assert ready, f"{pid} lives on"
    finally:
        os.close(pidfd)


Start = Callable[..., Service]


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what is temporary would be; a short path, for a socket."""
    return tmp_path_factory.mktemp("s")


@pytest.fixture
def start_service(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a service: positional arguments are the specs, as mappings."""
    monkeypatch.setenv("TMPDIR", str(scratch))
    services: list[Service] = []

    def start(*specs: dict[str, Any], placement: str = "process", intensity: tuple[int, float] = (5, 10.0)) -> Service:
        given = {"specs": specs, "placement": placement, "intensity": intensity}
        services.append(Service(tmp_path / "run", tmp_path / "state", given))
        return services[-1]

    yield start
    for service in services:
        service.close()


@pytest.fixture
def death_of() -> Callable[[int], None]:
    """Wait for the end of a process, by pid."""
    return await_death


@pytest.fixture
def free_port() -> int:
    """A port that is free for both UDP and TCP."""
    return port_of_both()

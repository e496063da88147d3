"""One service a module of hostile tests; after each test a normal call must work, and nothing may have died."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.control.client import Client
from tests.hostile.wire import Wire
from tests.live import sipp
from tests.live.service import Service, running

Connect = Callable[..., Wire]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service that answers every call with an echo."""
    with running("--answer", "echo") as started:
        yield started
        judge(started)


@pytest.fixture(scope="module")
def ringing() -> Iterator[Service]:
    """A service that lets every call ring."""
    with running("--answer", "ring") as started:
        yield started
        judge(started)


def judge(service: Service) -> None:
    """No child of a service has died, no step of an actor raised, no call is left, and it stops in order."""
    wait_for_no_calls(service)
    restarts = {name: child["restarts"] for name, child in service.tree().items()}
    code = service.stop()
    said = [line for line in service.lines if "step_failed" in line or "Traceback" in line]
    assert said == [], "\n".join(service.lines)
    assert restarts == dict.fromkeys(restarts, 0), "\n".join(service.lines)
    assert code == 0


def wait_for_no_calls(service: Service, timeout: float = 60.0) -> None:
    """Wait until the service has no call any more; one that has ended may still wait for the answer to its BYE."""
    end = time.monotonic() + timeout
    with Client(service.run_dir) as client, client.events() as stream:
        while calls := client.calls():
            assert time.monotonic() < end, f"{len(calls)} calls do not end: {calls[:3]}"
            stream.receive(0.2)


@pytest.fixture(autouse=True)
def _a_normal_call_works_next(service: Service, tmp_path: Path) -> Iterator[None]:
    yield
    report = sipp.call(tmp_path / "next", service.addresses["udp"], "-m", "1", "-d", "0", "-timeout", "30s")
    assert (report.successful, report.failed, report.unexpected) == (1, 0, 0), report.errors


@pytest.fixture
def connect(service: Service) -> Iterator[Connect]:
    """Open sockets towards the service, closed at the end: ``connect()`` for UDP, ``connect("tcp")``."""
    opened: list[Wire] = []

    def wire(transport: str = "udp") -> Wire:
        opened.append(Wire(service.addresses[transport], transport))
        return opened[-1]

    yield wire
    for each in opened:
        each.socket.close()

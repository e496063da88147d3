"""Bad input for 20 seconds over UDP and TCP: nothing dies, memory and descriptors stay, a normal call works next."""

from __future__ import annotations

import os
import random
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.conftest import judge, wait_for_no_calls
from tests.hostile.mutate import Mutator, corpus
from tests.live import sipp
from tests.live.processes import descriptors, memory
from tests.live.service import Service, running

pytestmark = pytest.mark.live

SECONDS = 20.0
WARM_UP = 4.0
RATE = 200.0  # pieces of bad input a second
STREAMS = 8
MIB = 1 << 20

# Calls that a mutated INVITE began end by themselves after 64*T1, so that the test sees them end.
CONFIG = "[sip]\nt1 = 0.05\n"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running("--answer", "echo", config=CONFIG) as started:
        yield started
        judge(started)


class Attacker:
    """Sends bad input at a bounded rate, over a UDP socket and some TCP connections, and throws all answers away."""

    def __init__(self, service: Service, mutator: Mutator, chance: random.Random) -> None:
        self._addresses = service.addresses
        self._mutator = mutator
        self._chance = chance
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._udp.connect(self._addresses["udp"])
        self._streams: list[socket.socket] = []
        self._poll = select.poll()
        self._poll.register(self._udp, select.POLLIN)
        self.sent = self.answered = self.closed = 0

    def attack(self, seconds: float) -> None:
        """Go on for so long; what comes back is read while it waits for its next turn."""
        now = time.monotonic()
        end = now + seconds
        due = now
        while now < end:
            if now >= due:
                due += 1 / RATE
                self._send(self._mutator.make())
            self._read(max(0.0, due - time.monotonic()))
            now = time.monotonic()

    def _send(self, data: bytes) -> None:
        self.sent += 1
        if self.sent % 2:
            self._udp.send(data)
            return
        stream = self._stream()
        try:
            # In two parts now and then; what follows on the same stream is framed as well as may be.
            cut = self._chance.randrange(len(data) + 1) if self._chance.random() < 0.3 else len(data)
            for part in (data[:cut], data[cut:]):
                stream.send(part)
        except BlockingIOError:
            self._drop(stream)
        except (ConnectionResetError, BrokenPipeError):
            self._drop(stream)

    def _stream(self) -> socket.socket:
        """A connection: one of those there are, or a new one in place of the oldest."""
        if self._streams and self._chance.random() < 0.8:
            return self._chance.choice(self._streams)
        if len(self._streams) >= STREAMS:
            self._drop(self._streams[0])
        stream = socket.create_connection(self._addresses["tcp"])
        stream.setblocking(False)
        self._streams.append(stream)
        self._poll.register(stream, select.POLLIN)
        return stream

    def _read(self, timeout: float) -> None:
        for fd, _ in self._poll.poll(timeout * 1000):
            source = next(each for each in (self._udp, *self._streams) if each.fileno() == fd)
            try:
                data = source.recv(65_536)
            except (ConnectionResetError, ConnectionRefusedError):
                data = b""
            self.answered += bool(data)
            if not data and source is not self._udp:
                self.closed += 1
                self._drop(source)

    def _drop(self, stream: socket.socket) -> None:
        self._poll.unregister(stream)
        self._streams.remove(stream)
        stream.close()

    def close(self) -> None:
        """Close every socket."""
        for stream in list(self._streams):
            self._drop(stream)
        self._udp.close()


def own(held: dict[str, int], pid: int) -> dict[str, int]:
    """Of the descriptors of all those of one process."""
    return {name: held[name] for name in held if name.endswith(f" {pid}")}


def wait_for_descriptors(service: Service, wanted: dict[str, int], timeout: float = 30.0) -> dict[str, int]:
    """Wait until no process of those named holds more descriptors than wanted; what all hold then."""
    end = time.monotonic() + timeout
    while True:
        held = descriptors(service.process.pid)
        if all(held.get(name, 0) <= wanted[name] for name in wanted) or time.monotonic() > end:
            return held


def normal_call(service: Service, folder: Path, transport: str) -> None:
    report = sipp.call(folder, service.addresses[transport], "-m", "5", "-d", "100", transport=transport)
    assert (report.successful, report.failed, report.unexpected) == (5, 0, 0), report.errors


def test_bad_input_for_twenty_seconds_leaves_the_service_as_it_was(service: Service, tmp_path: Path) -> None:
    seed = int(os.environ.get("SIPACTORS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"SIPACTORS_SEED={seed} makes the same input again")  # noqa: T201 - shown when it fails
    root = service.process.pid
    store = own(descriptors(root), root)  # the supervisor's, which keeps a duplicate of every connection
    for transport in ("udp", "tcp"):
        normal_call(service, tmp_path / f"before-{transport}", transport)
    wait_for_no_calls(service)
    held_before = wait_for_descriptors(service, store)  # a tester's connection may outlive its calls by a moment
    assert own(held_before, root) == store
    attacker = Attacker(service, Mutator(seed, corpus()), random.Random(seed))
    try:
        attacker.attack(WARM_UP)
        memory_before = memory(root)
        attacker.attack(SECONDS - WARM_UP)
        memory_after = memory(root)
        sent, answered, closed = attacker.sent, attacker.answered, attacker.closed
    finally:
        attacker.close()
    print(f"{sent} sent, {answered} answered, {closed} closed; PSS {memory_before} then {memory_after}")  # noqa: T201
    assert sent > 200
    assert answered, "nothing was answered, so nothing was read"
    assert closed
    restarts = {name: child["restarts"] for name, child in service.tree().items()}
    assert restarts == dict.fromkeys(restarts, 0), "\n".join(service.lines)
    assert memory_after <= max(memory_before * 1.3, memory_before + 30 * MIB)
    for transport in ("udp", "tcp"):
        normal_call(service, tmp_path / f"after-{transport}", transport)
    wait_for_no_calls(service)
    held = wait_for_descriptors(service, held_before)
    assert {name: held[name] for name in held if held[name] > held_before.get(name, 0)} == {}, held_before
    assert [line for line in service.lines if "step_failed" in line] == [], "\n".join(service.lines)

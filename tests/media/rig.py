"""An engine over real loopback sockets with a clock of the test's, the phones it talks with, and the corpora."""

from __future__ import annotations

import os
import random
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from actors.media import rtp
from actors.media.disk import Disk
from actors.media.engine import Engine
from actors.media.events import Format, StartSession
from actors.media.facts import Facts
from actors.media.filters import Filter
from actors.media.lane import Lane
from actors.media.loader import Loader
from actors.media.network import Network
from actors.media.record import Records
from actors.media.session import TICKS
from actors.media.snapshot import ROW
from actors.media.sockets import Ports
from actors.runtime.machine import Event

PCMU = Format(0, "PCMU", 8000)
PCMA = Format(8, "PCMA", 8000)
EVENTS = Format(101, "telephone-event", 8000, "0-15")
WALL = 1_700_000_000.0


def corpus(*parts: str) -> Path:
    """A file or folder of the shared corpora; skips the test where they are not."""
    beside = Path(__file__).parents[2].parent / "shared" / "corpora"
    path = Path(os.environ.get("SIPACTORS_CORPORA", beside)).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there; set SIPACTORS_CORPORA")
    return path


def udp(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if host == "::":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setblocking(False)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def pair(host: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
    """Two sockets on an even port and the odd one after it."""
    for _ in range(1000):
        first = udp(host)
        port = first.getsockname()[1]
        if port % 2 == 0:
            try:
                return first, udp(host, port + 1)
            except OSError:
                pass  # somebody else has it: the next try finds another
        first.close()
    raise AssertionError("no free pair of ports")


class Phone:
    """The other end: a pair of sockets that speaks RTP as the test wants."""

    def __init__(self, host: str = "127.0.0.1", *, ssrc: int = 0xBEEF) -> None:
        self.rtp, self.rtcp = pair(host)
        self.host, self.port = self.rtp.getsockname()[:2]
        self.ssrc = ssrc
        self.sequence = 65_530
        self.timestamp = 0xFFFFFF00

    def start(self, session: str, form: Format = PCMU, *, direction: str = "sendrecv", ptime: int = 20) -> StartSession:
        receive = (PCMU, PCMA, EVENTS)
        return StartSession(session, self.host, self.port, form, receive, direction, ptime)

    def say(self, payload: bytes, to: int, *, payload_type: int = 0, host: str = "127.0.0.1") -> None:
        packet = rtp.Packet(payload_type, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc, payload)
        self.rtp.sendto(rtp.build(packet), (host, to))
        self.sequence += 1
        self.timestamp += len(payload)

    def heard(self) -> list[rtp.Packet]:
        return [rtp.parse(data) for data in received(self.rtp)]

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


def received(sock: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(sock.recv(65536))
        except BlockingIOError:
            return found


class Rig:
    """An engine, its ports and phones, and a clock that only `step` moves."""

    def __init__(
        self,
        tmp_path: Path,
        *,
        pairs: int = 4,
        host: str = "127.0.0.1",
        seed: int = 1,
        folder: str = "",
        network: Network | None = None,
        process: Filter | None = None,
        talk: bool = False,
        suppress: bool = False,
    ) -> None:
        self._folder = folder
        self._network = network
        self._process, self._talk, self._suppress = process, talk, suppress
        self.path = tmp_path / "media" / "sessions"
        self.now = 1000.0
        self.sockets = [sock for _ in range(pairs) for sock in pair(host)]
        self._token = random.Random(seed)
        self.phones: list[Phone] = []
        self._closed: list[Lane | Ports | Records] = []
        self.begin()

    def begin(self) -> None:
        """A process begins: descriptors out of the store, records out of the file."""
        self.disk = Disk(folder=self._folder)
        store = {f"rtp:{sock.getsockname()[1]}": os.dup(sock.fileno()) for sock in self.sockets}
        self.ports = Ports(store)
        self.records = Records(self.path, len(self.ports), ROW)
        self._closed += [self.ports, self.records]
        self.loader = Loader(self._folder)
        words = lambda: self._token.getrandbits(32)  # noqa: E731 - a name for a line
        self.engine = Engine(
            self.ports,
            self.records,
            self.disk,
            self.loader,
            words,
            network=self._network,
            process=self._process,
            talk=self._talk,
            suppress=self._suppress,
        )
        self._closed.append(self.engine.floor.lane)

    def kill(self) -> None:
        """The process is gone at once: nothing is finished, only its descriptors and pages vanish."""
        for session in self.engine.sessions.values():
            if session.player is not None:
                session.player.close()
        self.engine.floor.lane.close()
        self.ports.close()
        self.records.close()
        self._closed.clear()

    def phone(self, host: str = "127.0.0.1", *, ssrc: int = 0xBEEF) -> Phone:
        self.phones.append(Phone(host, ssrc=ssrc))
        return self.phones[-1]

    def call(self, key: str, phone: Phone, form: Format = PCMU, *, direction: str = "sendrecv", ptime: int = 20) -> int:
        """Prepare and start a session with `phone`; its port."""
        session = self.engine.prepare(key, self.now)
        assert session is not None
        self.engine.start(key, phone.start(key, form, direction=direction, ptime=ptime), self.now)
        return session.pair.port

    def facts(self, key: str, phone: Phone, **more: object) -> Facts:
        session = self.engine.sessions[key]
        start = phone.start(key)
        return Facts("dialog-0", session.pair.port, "127.0.0.1", session.identity, start, **more)  # type: ignore[arg-type]

    def step(self, ticks: int = 1) -> list[tuple[str, Event]]:
        """Let ticks come due one by one; what the engine said."""
        for _ in range(ticks):
            self.read()
            self.now = round(self.now * TICKS + 1) / TICKS
            self.engine.tick(self.now, WALL + self.now)
        return self.events()

    def read(self) -> None:
        """Let the helper thread's work be done: what was asked of it is read."""
        self.loader.stop()
        self.loader.run()

    def events(self) -> list[tuple[str, Event]]:
        return self.engine.take_events()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        for session in self.engine.sessions.values():
            if session.player is not None:
                session.player.close()
        for each in (*self._closed, *self.sockets, *self.phones):
            each.close()


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: what a full disk looks like to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

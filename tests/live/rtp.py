"""An RTP endpoint of the tests' own: it sends G.711 on time and remembers every packet that comes."""

from __future__ import annotations

import itertools
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

HEADER = struct.Struct("!BBHII")
PTIME = 0.02
SAMPLES = 160


@dataclass(frozen=True)
class Packet:
    """One RTP packet as it came; `at` is CLOCK_MONOTONIC."""

    at: float
    source: tuple[str, int]
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


class RtpPeer:
    """Receives, and sends 20 ms of `sound` (G.711 bytes, looped) at a time to `target` once that is set."""

    def __init__(self, sound: bytes = b"\xff" * SAMPLES, payload_type: int = 0, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._sound = sound
        self._payload_type = payload_type
        self._changed = threading.Condition()
        self._ended = False
        self.sent = 0  # packets of its own
        self.target: tuple[str, int] | None = None
        self.packets: list[Packet] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._thread.join(timeout=5)
        self._socket.close()

    def wait_for(self, more: int, timeout: float = 15.0) -> int:
        """Wait for `more` packets on top of those that came; how many there are then."""
        with self._changed:
            wanted = len(self.packets) + more
            assert self._changed.wait_for(lambda: len(self.packets) >= wanted, timeout), (
                f"{len(self.packets)} of {wanted} packets"
            )
            return len(self.packets)

    def wait_heard(self, packets: int = 5) -> None:
        """Wait until so many packets of its own sound, of which each packet is the same, have come back."""
        for _ in range(500):
            packets -= self.packets[self.wait_for(1) - 1].payload == self._sound
            if not packets:
                return
        raise AssertionError("the peer does not hear itself any more")

    def _run(self) -> None:
        due = time.monotonic()
        timestamp = 1
        while not self._ended:
            wait = max(0.0, due - time.monotonic())
            if select.select([self._socket], [], [], wait)[0]:
                self._receive()
            if time.monotonic() >= due:
                due += PTIME
                if self.target is not None:
                    self.sent += 1
                    start = (self.sent * SAMPLES) % len(self._sound)
                    payload = (self._sound[start:] + self._sound)[:SAMPLES]
                    head = HEADER.pack(0x80, self._payload_type, self.sent & 0xFFFF, timestamp & 0xFFFFFFFF, 0x5EED)
                    self._socket.sendto(head + payload, self.target)
                    timestamp += SAMPLES

    def _receive(self) -> None:
        data, source = self._socket.recvfrom(2048)
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        assert first == 0x80, f"we send plain headers, not {first:#x}"
        packet = Packet(
            time.monotonic(), source[:2], second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc, data[12:]
        )
        with self._changed:
            self.packets.append(packet)
            self._changed.notify_all()


def longest_gap(packets: list[Packet]) -> float:
    """Seconds of the longest silence between two packets."""
    return max((after.at - before.at for before, after in itertools.pairwise(packets)), default=0.0)

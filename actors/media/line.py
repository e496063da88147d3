"""The line between a session and the sound device: frames of 20 ms both ways, and their datagrams. Pure.

Media sends one each tick, which is the device's beat: it is answered by 20 ms of what was said into the microphone, at
the same rate. What is lost, late or too early is silence, and stops nobody.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from actors.media.g711 import Law, decode

# Version, kHz, bytes of the session's id.
_HEAD = struct.Struct("<BBH")
_VERSION = 1
_LAWS = frozenset(map(int, Law))
RATES = frozenset((8, 16, 24, 32, 48))
MAX_DATAGRAM = 4096
# Two ticks that are made good at once find a frame each; more is only delay.
_WAITING = 2


class Frame(NamedTuple):
    """20 ms of a session's audio.

    Attributes:
        session: its id.
        khz: samples a millisecond.
        samples: s16le mono, 20 ms of it; empty for silence.
    """

    session: str
    khz: int
    samples: bytes


def pack(frame: Frame) -> bytes:
    """The datagram of a frame."""
    name = frame.session.encode("utf-8", "surrogateescape")
    return _HEAD.pack(_VERSION, frame.khz, len(name)) + name + frame.samples


def unpack(data: bytes) -> Frame | None:
    """The frame in a datagram; None where it is none."""
    if len(data) < _HEAD.size:
        return None
    version, khz, size = _HEAD.unpack_from(data)
    end = _HEAD.size + size
    if version != _VERSION or khz not in RATES or len(data) - end not in (0, 40 * khz):
        return None
    return Frame(data[_HEAD.size : end].decode("utf-8", "surrogateescape"), khz, data[end:])


class Line:
    """A session's end of it.

    Args:
        session: its id.
        send: takes a datagram for the device.

    Attributes:
        heard: the peer said something.
    """

    def __init__(self, session: str, send: Callable[[bytes], None]) -> None:
        self.heard = False
        self._session = session
        self._send = send
        self._said: deque[Frame] = deque(maxlen=_WAITING)

    def hear(self, codes: bytes, form: int, khz: int) -> None:
        """Pass on 20 ms of what the peer says.

        Args:
            codes: of the law `form`, or samples of so many kHz.
            form: 0 where the peer is silent.
            khz: the session's own rate, at which an answer is wanted.
        """
        if form:
            self.heard = True
        if form in _LAWS:
            samples = decode(np.frombuffer(codes, np.uint8), form).tobytes()
        else:
            samples = codes if form == khz else b""
        self._send(pack(Frame(self._session, khz, samples)))

    def take(self, frame: Frame) -> None:
        """The device's answer."""
        self._said.append(frame)

    def say(self, khz: int) -> bytes | None:
        """The next 20 ms for the peer, s16le; None while there is nothing at this rate."""
        while self._said:
            frame = self._said.popleft()
            if frame.khz == khz and frame.samples:
                return frame.samples
        return None

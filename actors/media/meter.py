"""How loud a session hears its peer and is heard, over the last frames. Pure: `streams` tells it to who asks."""

from __future__ import annotations

from collections import deque
from math import log10

import numpy as np

from actors.media.g711 import Law, decode

FRAMES = 10  # 200 ms: what is shown five times a second leaves nothing out
SILENT = -90.0  # dB: the least that 16 bits say
_LAWS = frozenset(map(int, Law))


class Meter:
    """Both ways of one session.

    Attributes:
        heard: the last frames of the peer's, each with its law or kHz, 0 for nothing.
        said: those that the peer was sent.
    """

    __slots__ = ("heard", "said")

    def __init__(self) -> None:
        self.heard: deque[tuple[bytes, int]] = deque(maxlen=FRAMES)
        self.said: deque[tuple[bytes, int]] = deque(maxlen=FRAMES)


def level(frames: deque[tuple[bytes, int]]) -> float:
    """The power of the loudest frame against that of a full-scale square wave (dBov), `SILENT` to 0."""
    return max((_level(data, form) for data, form in frames), default=SILENT)


def _level(data: bytes, form: int) -> float:
    if not form or not data:
        return SILENT
    samples = decode(np.frombuffer(data, np.uint8), form) if form in _LAWS else np.frombuffer(data, np.int16)
    power = float(np.mean(np.square(samples, dtype=np.float64))) / 32768.0**2
    return max(SILENT, 10 * log10(power)) if power else SILENT

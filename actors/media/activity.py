"""Whether somebody speaks: the loudness of each frame against the noise it stands on. Pure.

The noise is what is quietest: it is followed downwards at once and upwards slowly, so that a voice does not become it.
"""

from __future__ import annotations

import numpy as np

from actors.media.g711 import Law, Samples, decode

STARTED, STOPPED = "talk_started", "talk_stopped"
# Decibels against full scale: no voice is quieter; the noise at first; how far it may rise a frame.
_QUIETEST, _FIRST, _RISE = -50.0, -60.0, 0.03
# Decibels above the noise that a voice begins at, and goes on at.
_BEGINS, _GOES_ON = 12.0, 8.0
# At most so loud is silence itself.
NOTHING = -96.0
# Frames of 20 ms: so many in a row begin it, so many without end it.
_ENOUGH, _PAUSE = 3, 25


class Background:
    """The noise that a voice stands on.

    Attributes:
        level: decibels against full scale.
    """

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = _FIRST

    def follow(self, level: float) -> None:
        """A frame is so loud; silence itself is no noise."""
        if level > NOTHING:
            self.level = min(level, self.level + _RISE)


class Activity:
    """One session's peer."""

    def __init__(self) -> None:
        self._noise = Background()
        self._loud = self._quiet = 0
        self._talks = False

    def hear(self, frame: bytes, form: int) -> list[tuple[str, str]]:
        """The next frame; what changed with it, a kind and a text.

        Args:
            frame: codes or linear samples, 20 ms.
            form: their law, or kHz; 0 for nothing.
        """
        level = level_of(frame, form)
        self._noise.follow(level)
        threshold = max(_QUIETEST, self._noise.level + (_GOES_ON if self._talks else _BEGINS))
        if level > threshold:
            self._loud, self._quiet = self._loud + 1, 0
        else:
            self._loud, self._quiet = 0, self._quiet + 1
        if not self._talks and self._loud >= _ENOUGH:
            self._talks = True
            return [(STARTED, "the peer speaks")]
        if self._talks and self._quiet >= _PAUSE:
            self._talks = False
            return [(STOPPED, "the peer is silent")]
        return []


def samples_of(frame: bytes, form: int) -> Samples:
    """A frame of codes or linear samples as samples; of none where `form` is 0."""
    if not form:
        return np.zeros(0, np.int16)
    return decode(np.frombuffer(frame, np.uint8), form) if form in tuple(Law) else np.frombuffer(frame, np.int16)


def level_of(frame: bytes, form: int) -> float:
    """Decibels against full scale, -100 for nothing; what lies at 0 Hz, as the silence of PCMA does, is not heard."""
    wide = samples_of(frame, form).astype(np.float64)
    return float(10 * np.log10(np.var(wide) / 32768**2 + 1e-10)) if len(wide) else -100.0

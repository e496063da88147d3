"""What is not sent: pauses, of which the peer is told by comfort noise in place of frames (RFC 3389 section 5). Pure.

A frame is of a pause when nothing louder than the noise around has come for half a second. The first loud one is sent
at once: no beginning of a word waits to be believed. What is played is meant to be heard, and a pause of it is only
where there is nothing; nor is anything noise that is louder than a room is, such as a steady tone.
"""

from __future__ import annotations

from actors.media.activity import Background, level_of, samples_of
from actors.media.comfort_noise import Listener, Noise, write

# Decibels above the noise that a frame is loud at, in a pause and out of it.
_BEGINS, _GOES_ON = 6.0, 4.0
# Decibels against full scale: nothing below is loud, nothing above is noise.
_QUIETEST, _LOUDEST = -65.0, -40.0
# Ticks of 20 ms without a loud frame before a pause; between payloads of it at most, and at least where the noise has
# changed by so many decibels.
_PAUSE, _AGAIN, _SOON = 25, 25, 5
_CHANGED = 3


class Suppressor:
    """One session's.

    Args:
        payload_type: of comfort noise, as the peer takes it.

    Attributes:
        payload_type: the same.
    """

    __slots__ = ("_background", "_listener", "_said", "_said_at", "_until", "payload_type")

    def __init__(self, payload_type: int) -> None:
        self.payload_type = payload_type
        self._background = Background()
        self._listener = Listener()
        self._until: int | None = None  # the tick from which on it is a pause
        self._said: Noise | None = None
        self._said_at = 0

    @property
    def pausing(self) -> bool:
        """The last frame was of a pause."""
        return self._said is not None

    def pause(self) -> None:
        """Go on in a pause that a predecessor was in: the next frame, unless it is loud, is of it."""
        self._until = 0

    def judge(self, frame: bytes, form: int, tick: int, *, played: bool) -> bytes | None:
        """What to send in place of a frame: None for the frame itself, else a payload, empty for nothing.

        Args:
            frame: codes or linear samples, 20 ms, about to be sent.
            form: their law, or kHz.
            tick: its number.
            played: it is of a file or a tone.
        """
        level = level_of(frame, form)
        over = self._background.level + (_BEGINS if self.pausing else _GOES_ON)
        if level > (_QUIETEST if played else max(_QUIETEST, min(_LOUDEST, over))):
            self._until = tick + _PAUSE
        else:
            self._listener.hear(samples_of(frame, form))
        if not played:
            self._background.follow(level)
        if self._until is None:
            self._until = tick + _PAUSE  # a stream begins with frames: they prove its source
        if tick < self._until:
            self._said = None
            return None
        return self._noise(tick)

    def _noise(self, tick: int) -> bytes:
        """What is due in a pause."""
        said, heard = self._said, self._listener.level
        if said is not None and heard is not None:
            passed = tick - self._said_at
            if passed < (_SOON if abs(heard - said.level) >= _CHANGED else _AGAIN):
                return b""
        self._said, self._said_at = self._listener.describe(), tick
        return write(self._said)

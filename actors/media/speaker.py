"""What one tap writes for the peer, until it is played: positions, marks, flushes, what a successor must know. Pure.

Positions count samples of what was written, at the tap's rate. A position counts as played when its frame is on its way
to the peer, and it is kept, for a successor, before that.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from actors.media.audio_events import (
    FRAMES_A_SECOND,
    WINDOW,
    Flushed,
    Full,
    Mark,
    Marked,
    Opened,
    Progress,
    Told,
    Write,
)
from actors.media.rtp import MASK

MAX_MARKS = 256
# Less than a frame waits for its rest so many ticks.
_PATIENCE = 5
# Progress is told every so many ticks while something is played: the writer's window is filled again in time.
_PROGRESS = 5
# Of a speaker: the session's identity, the tap's token, rate, played, cut, flushed, since.
PLACE = struct.Struct("<Q64sIQQQQ")
KEPT = PLACE.size


class Outlet:
    """What is to be sent to one client.

    Attributes:
        told: in order, never left out.
        frames: of this tick, packed; left out where the client does not keep up.
    """

    __slots__ = ("frames", "told")

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.frames: list[bytes] = []


class Kept(NamedTuple):
    """How far a predecessor's speaker had come.

    Written only when it is not what follows from the tick: since the tick `since` a whole frame was played in each, the
    last in the tick of the session's row.

    Attributes:
        since: the tick in which `played` was where it stood before; 0 while nothing is played.
    """

    identity: int
    tap: str
    rate: int
    played: int
    cut: int
    flushed: int
    since: int = 0

    @classmethod
    def unpacked(cls, body: bytes) -> Kept:
        """Out of the mapped record."""
        identity, tap, *rest = PLACE.unpack(body)
        return cls(identity, tap.rstrip(b"\0").decode("utf-8", "replace"), *rest)

    def at_rest(self, served: int) -> Kept:
        """The same as of the session's row of tick `served`, when nothing is played any more."""
        if not self.since:
            return self
        ticks = max(0, served + 1 - self.since)
        return self._replace(played=self.played + ticks * (self.rate // FRAMES_A_SECOND), since=0)

    def packed(self) -> bytes:
        """For the mapped record."""
        identity, tap, *rest = self
        return PLACE.pack(identity, tap.encode("utf-8", "replace"), *rest)


class Speaker:
    """What one tap writes, until it is played.

    Args:
        tap: its token.
        rate: samples a second.
        outlet: where it is told of.
        played: where it goes on.

    Attributes:
        played: the position of the next sample to be played.
        written: that behind the last one taken.
        cut, flushed: the last flush: where it was cut, and up to which position.
    """

    def __init__(self, tap: str, rate: int, outlet: Outlet, played: int = 0) -> None:
        self.tap = tap
        self.key = tap.encode("utf-8", "replace")
        self.rate = rate
        self.outlet = outlet
        self.played = self.written = played
        self.cut = self.flushed = 0
        self.window = WINDOW * rate
        self._frame = rate // FRAMES_A_SECOND
        self._queue = bytearray()
        self._marks: list[tuple[int, str]] = []
        self._waited = self._ticks = 0
        self._behind = 0  # the RTP timestamp behind the last frame played

    def write(self, write: Write) -> None:
        """Take what fits; what was written before is known by its position and left out."""
        samples = len(write.data) // 2
        if write.at == self.written <= self.played + self.window - samples and not len(write.data) & 1:
            self._queue += write.data  # what nearly every write is
            self.written += samples
            return
        known = self.written - write.at
        if known < 0:
            self.outlet.told.append(Full(self.tap, self.written))
            return
        if known >= samples:
            return
        room = max(0, self.played + self.window - self.written)
        taken = min(room, samples - known)
        self._queue += write.data[2 * known : 2 * (known + taken)]
        self.written += taken
        if taken < samples - known:
            self.outlet.told.append(Full(self.tap, self.written))

    def mark(self, mark: Mark) -> None:
        """Note it; it is reached at once where all before it was played already."""
        if mark.at <= self.played:
            self.outlet.told.append(Marked(self.tap, mark.name, mark.at, mark.at < self.flushed, self._behind))
        elif (mark.at, mark.name) not in self._marks and len(self._marks) < MAX_MARKS:
            self._marks.append((mark.at, mark.name))
            self._marks.sort()

    def flush(self, to: int) -> None:
        """Play nothing before `to` any more. The same flush again is answered the same."""
        if to > self.flushed:
            self.cut, self.flushed = min(self.played, to), to
            dropped = max(0, to - self.played)
            del self._queue[: 2 * dropped]
            self.played, self.written = max(self.played, to), max(self.written, to)
            while self._marks and self._marks[0][0] <= to:
                at, name = self._marks.pop(0)
                self.outlet.told.append(Marked(self.tap, name, at, True, 0))
        at = self.cut if to == self.flushed else min(to, self.played)
        self.outlet.told.append(Flushed(self.tap, to, at, self._behind if self.cut else 0))

    def take(self, timestamp: int, units: int) -> bytes | None:
        """The next 20 ms, silence behind the last of it; None while there is nothing.

        Args:
            timestamp: the RTP timestamp that it gets.
            units: how many timestamp units it lasts.
        """
        queue, frame = self._queue, self._frame
        held = len(queue) // 2
        if not held:
            return None
        if held < frame and self._waited < _PATIENCE and not (self._marks and self._marks[0][0] == self.written):
            self._waited += 1
            return None
        self._waited = 0
        data = bytes(queue) if held <= frame else bytes(queue[: 2 * frame])
        del queue[: 2 * frame]
        count = min(held, frame)
        self.played += count
        self._behind = (timestamp + units * count // frame) & MASK
        self._ticks += 1
        if self._marks or self._ticks >= _PROGRESS:
            self._tell(timestamp)
        return data if count == frame else data.ljust(2 * frame, b"\0")

    def _tell(self, timestamp: int) -> None:
        while self._marks and self._marks[0][0] <= self.played:
            at, name = self._marks.pop(0)
            self.outlet.told.append(Marked(self.tap, name, at, False, timestamp))
        if self._ticks >= _PROGRESS:
            self.progress()

    def progress(self) -> None:
        """Tell how far it has come."""
        self._ticks = 0
        self.outlet.told.append(Progress(self.tap, self.played))

    def opened(self, *, kept: bool) -> Opened:
        """What its client is told of it."""
        return Opened(self.tap, self.rate, self.window, self.played, kept, self.cut, self.flushed)

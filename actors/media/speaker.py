"""What one tap writes for the peer, until it is played: positions, marks, flushes, what a successor must know. Pure.

Positions count samples of what was written, at the tap's rate. A position counts as played when its frame is on its way
to the peer, and it is kept, for a successor, before that.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from actors.media.audio_events import (
    FRAMES_A_SECOND,
    Flushed,
    Full,
    Mark,
    Marked,
    Opened,
    Progress,
    Write,
)
from actors.media.outlet import Outlet
from actors.media.record import Records
from actors.media.rtp import MASK
from actors.media.speech import PROGRESS, Speech

MAX_MARKS = 256
# Less than a frame waits for its rest so many ticks.
_PATIENCE = 5
# Of a speaker: the session's identity, the tap's token, rate, played, cut, flushed, since.
PLACE = struct.Struct("<Q64sIQQQQ")
KEPT = PLACE.size


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
    def read(cls, records: Records, slot: int) -> Kept | None:
        """Out of the mapped record; None where nobody spoke."""
        copies = records.read(slot)
        return cls.unpacked(copies[0].body) if copies else None

    @classmethod
    def unpacked(cls, body: bytes) -> Kept:
        """Out of its bytes."""
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
    """What one tap writes, until it is played: a row of the speech of its rate.

    Args:
        tap: its token.
        speech: the rows of its rate.
        outlet: where it is told of.
        played: where it goes on.
        place: the tap's, -1 for none.

    Attributes:
        row: its own, until `end`.
        cut, flushed: the last flush: where it was cut, and up to which position.
    """

    def __init__(self, tap: str, speech: Speech, outlet: Outlet, played: int = 0, place: int = -1) -> None:
        self.tap = tap
        self.key = tap.encode("utf-8", "replace")
        self.speech = speech
        self.row = speech.begin(played)
        self.rate = speech.rate
        self.outlet = outlet
        self.place = place
        self.cut = self.flushed = 0
        self._marks: list[tuple[int, str]] = []

    def end(self) -> None:
        """It says nothing any more."""
        self.speech.end(self.row)

    @property
    def played(self) -> int:
        """The position of the next sample to be played."""
        return int(self.speech.numbers["played"][self.row])

    @property
    def written(self) -> int:
        """The position behind the last sample taken."""
        return int(self.speech.numbers["written"][self.row])

    @property
    def due(self) -> int:
        """The tick in which the next frame is due; 0 while nothing is played."""
        return int(self.speech.numbers["due"][self.row])

    def note(self, **numbers: int) -> None:
        """Set numbers of its row."""
        for name, value in numbers.items():
            self.speech.numbers[name][self.row] = value

    def write(self, write: Write) -> None:
        """Take what fits; what was written before is known by its position and left out."""
        samples, written = len(write.data) // 2, self.written
        known = written - write.at
        if known < 0:
            self.outlet.told.append(Full(self.tap, written))
            return
        if known >= samples:
            return
        room = max(0, self.played + self.speech.window - written)
        taken = min(room, samples - known)
        if taken:
            self.speech.put(self.row, memoryview(write.data)[2 * known : 2 * (known + taken)])
        if taken < samples - known:
            self.outlet.told.append(Full(self.tap, written + taken))

    def mark(self, mark: Mark) -> None:
        """Note it; it is reached at once where all before it was played already."""
        if mark.at <= self.played:
            self.outlet.told.append(Marked(self.tap, mark.name, mark.at, mark.at < self.flushed, self._behind))
        elif (mark.at, mark.name) not in self._marks and len(self._marks) < MAX_MARKS:
            self._marks.append((mark.at, mark.name))
            self._marks.sort()
            self.note(marks=len(self._marks))

    def flush(self, to: int) -> None:
        """Play nothing before `to` any more. The same flush again is answered the same."""
        played = self.played
        if to > self.flushed:
            self.cut, self.flushed = min(played, to), to
            played = max(played, to)
            self.note(written=max(self.written, to), played=played)
            while self._marks and self._marks[0][0] <= to:
                at, name = self._marks.pop(0)
                self.outlet.told.append(Marked(self.tap, name, at, True, 0))
            self.note(marks=len(self._marks))
        at = self.cut if to == self.flushed else min(to, played)
        self.outlet.told.append(Flushed(self.tap, to, at, self._behind if self.cut else 0))

    def take(self, timestamp: int, units: int) -> bytes | None:
        """The next 20 ms, silence behind the last of it; None while there is nothing.

        Args:
            timestamp: the RTP timestamp that it gets.
            units: how many timestamp units it lasts.
        """
        numbers, row, frame = self.speech.numbers, self.row, self.speech.frame
        played, written = self.played, self.written
        held = written - played
        if not held:
            return None
        if held < frame and numbers["waited"][row] < _PATIENCE and not (self._marks and self._marks[0][0] == written):
            numbers["waited"][row] += 1
            return None
        data = self.speech.held(row)
        count = min(held, frame)
        ticks = int(numbers["ticks"][row]) + 1
        self.note(waited=0, played=played + count, behind=(timestamp + units * count // frame) & MASK, ticks=ticks)
        if self._marks:
            self._reached(played + count, timestamp)
        if ticks >= PROGRESS:
            self.progress()
        return data if count == frame else data.ljust(2 * frame, b"\0")

    @property
    def _behind(self) -> int:
        """The RTP timestamp behind the last frame played."""
        return int(self.speech.numbers["behind"][self.row])

    def _reached(self, played: int, timestamp: int) -> None:
        while self._marks and self._marks[0][0] <= played:
            at, name = self._marks.pop(0)
            self.outlet.told.append(Marked(self.tap, name, at, False, timestamp))
        self.note(marks=len(self._marks))

    def progress(self) -> None:
        """Tell how far it has come."""
        self.note(ticks=0)
        if self.place < 0:
            self.outlet.told.append(Progress(self.tap, self.played))
        else:
            self.outlet.played(np.array([self.place]), np.array([self.played]))

    def opened(self, *, kept: bool) -> Opened:
        """What its client is told of it."""
        return Opened(self.tap, self.rate, self.speech.window, self.played, kept, self.cut, self.flushed)

"""A client's side of one tap, without a socket: what was written and not yet played, marks, flushes, frames heard.

Pure: both clients are its shells. What was written is kept until it has been played, so that a tap goes on over a
restart of the media process: it is opened again and told from where on to write.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from actors.media.audio_events import (
    Flush,
    Flushed,
    Frame,
    Full,
    Leave,
    Marked,
    Measure,
    Measured,
    News,
    Open,
    Opened,
    Progress,
    Refused,
    Request,
    Write,
)
from actors.media.audio_events import Mark as MarkAt

HELD = 100  # frames kept for who does not read: 2 s; the oldest are dropped, and counted
PIECE = 16_384  # bytes of one Write


class Heard(NamedTuple):
    """20 ms of what the peer says.

    Attributes:
        data: s16le mono at the tap's rate.
        seq: the number of the frame, from 0; it counts time, lost frames too.
        timestamp: the RTP timestamp of its first sample, 0 while the peer was never heard.
        lost: frames missing just before it: the reader was slow, or the media process was restarted.
    """

    data: bytes
    seq: int
    timestamp: int
    lost: int


class Cut(NamedTuple):
    """What a flush did. Positions count samples of what was written.

    Attributes:
        at: the position of the first sample that was not played; `written` where all was.
        written: the position behind the last one written, where writing goes on.
        timestamp: the RTP timestamp behind the last frame that was played, 0 where none was.
    """

    at: int
    written: int
    timestamp: int


class Mark:
    """A place in what was written.

    Attributes:
        at: its position.
        played: all before it has been played.
        cut: it was flushed before that.
        timestamp: the RTP timestamp of the frame that reached it.
    """

    def __init__(self, name: str, at: int) -> None:
        self.name = name
        self.at = at
        self.played = self.cut = False
        self.timestamp = 0

    @property
    def done(self) -> bool:
        """It is known what became of it."""
        return self.played or self.cut


class Tap:
    """One tap.

    Args:
        wanted: what opens it; its token is random, new for each.

    Attributes:
        opened: the service said so.
        refusal: why it cannot be had, None if it can.
        closed: why it is over; empty while it is not.
        adrift: its call's audio is in another media process now, which is to be found.
        played: how many samples of what was written have been played.
        written: how many were written.
        exact: `played` was never lost in a restart of the media process.
        lost: frames that were missing, in all.
        measured: how the call goes, since it was asked for; None until that is known.
    """

    def __init__(self, wanted: Open) -> None:
        self.token, self.place = wanted.tap, wanted.place
        self.call, self.rate = wanted.call, wanted.rate
        self.opened = self.adrift = False
        self.refusal: Refused | None = None
        self.closed = ""
        self.played = self.written = self.lost = 0
        self.exact = True
        self._wanted = wanted
        self._window = 0
        self._sent = 0
        self._unplayed = bytearray()
        self._marks: dict[str, Mark] = {}
        self._named = 0
        self._flush: Flush | None = None
        self._cut: Cut | None = None
        self.measured: Measured | None = None
        self._measures = False
        self._frames: deque[Frame] = deque(maxlen=HELD)
        self._first: int | None = None
        self._next = 0
        self._asks: list[Request] = []

    # What the program wants.

    def open(self) -> Open:
        """What opens it, or opens it again."""
        return self._wanted._replace(place=self.place, played=self.played)

    def write(self, data: bytes) -> int:
        """Take as much as there is room for; how many bytes that was."""
        taken = min(len(data), 2 * self.room) & ~1
        self._unplayed += data[:taken]
        self.written += taken // 2
        return taken

    @property
    def room(self) -> int:
        """How many samples may be written now."""
        return max(0, self.played + self._window - self.written)

    def mark(self) -> Mark:
        """Mark the end of what was written so far."""
        self._named += 1
        mark = self._marks[str(self._named)] = Mark(str(self._named), self.written)
        self._asks.append(MarkAt(self.token, mark.name, mark.at))
        return mark

    def flush(self) -> None:
        """Stop what was written and is not played yet; `cut` tells when that is done."""
        self._sent = self.written
        self._flush = Flush(self.token, self.written)
        self._cut = None
        self._asks.append(self._flush)

    def measure(self) -> None:
        """Ask how the call goes; `measured` tells."""
        self.measured = None
        self._measures = True
        self._asks.append(Measure(self.token))

    def leave(self) -> None:
        """It is over."""
        self.closed = self.closed or "left"
        self._asks = [Leave(self.token)]

    @property
    def cut(self) -> Cut | None:
        """What the last flush did, None until that is known."""
        return self._cut

    def next(self) -> Heard | None:
        """The next frame, None where there is none."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        if self._first is None:
            self._first = frame.seq
        seq = frame.seq - self._first
        lost = max(0, seq - self._next)
        self.lost += lost
        self._next = seq + 1
        return Heard(frame.data, seq, frame.timestamp, lost)

    # What is to be sent, and what comes.

    def asks(self) -> list[Request]:
        """What is to be sent now."""
        if not self.opened or (self.closed and not self._asks):
            return []
        asks, self._asks = self._asks, []
        if self.closed or self._sent >= self.written:
            return asks
        # What was written stands before the marks and flushes that speak of it.
        start = 2 * (max(self._sent, self.played) - self.played)
        at = self.played + start // 2
        pieces = [
            Write(self.token, at + (begin - start) // 2, bytes(self._unplayed[begin : begin + PIECE]))
            for begin in range(start, len(self._unplayed), PIECE)
        ]
        self._sent = self.written
        return [*pieces, *asks]

    def take(self, told: News) -> None:
        """Something that the service told this tap."""
        if isinstance(told, Opened):
            self._go_on(told)
        elif isinstance(told, Progress):
            self.advance(told.played)
        elif isinstance(told, Full):
            self._sent = min(self._sent, max(told.at, self.played))
        elif isinstance(told, Marked):
            self._reached(told)
        elif isinstance(told, Flushed):
            if self._flush is not None and told.to == self._flush.to:
                self._flush = None
                self._cut = Cut(told.at, told.to, told.timestamp)
                self.advance(told.to)
        elif isinstance(told, Measured):
            self.measured, self._measures = told, False
        elif isinstance(told, Refused):
            self._refused(told)
        elif told.moved:
            self.adrift = not self.closed
        else:
            self.end(told.reason)

    def hear(self, frame: Frame) -> None:
        """A frame that came."""
        self._frames.append(frame)

    def advance(self, played: int) -> None:
        """It was played so far."""
        played = min(played, self.written)
        if played > self.played:
            del self._unplayed[: 2 * (played - self.played)]
            self.played = played
            self._sent = max(self._sent, played)

    def _go_on(self, told: Opened) -> None:
        """It stands: everything from `told.played` on is written again; what the service has, it knows."""
        self.opened = True
        self.refusal = None
        self._window = told.window
        self.exact = self.exact and told.kept
        self.advance(told.played)
        self._sent = self.played
        asks: Iterable[Request] = (MarkAt(self.token, mark.name, mark.at) for mark in self._marks.values())
        self._asks = [*asks, *([Measure(self.token)] if self._measures else [])]
        if self._flush is not None:
            self._sent = max(self._sent, self._flush.to)
            self._asks.insert(0, self._flush)

    def _refused(self, told: Refused) -> None:
        self.refusal = told
        if self.opened and told.code == "no_such_call":
            self.adrift = not self.closed  # its process was restarted, and had let go of the call before
        elif self.opened and told.code != "taken":
            self.end(told.message)

    def _reached(self, told: Marked) -> None:
        mark = self._marks.pop(told.name, None)
        if mark is not None:
            mark.played, mark.cut, mark.timestamp = not told.cut, told.cut, told.timestamp
            if not told.cut:
                self.advance(told.at)

    def end(self, reason: str) -> None:
        """It is over."""
        self.closed = self.closed or reason
        self.adrift = False
        for mark in self._marks.values():
            mark.cut = True
        self._marks.clear()

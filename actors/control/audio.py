"""The audio of calls in another program: an iterator of frames, and a writer with marks and flush.

::

    with client.calls[id].audio(rate=16000) as audio:
        audio.write(speech)
        for frame in audio:
            if loud(frame.data):
                cut = audio.flush()  # cut.at: how many samples of what was written were played

The taps of a program share one connection to each media process. They go on over restarts of that process, and where
their call moves to another one.
"""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import zmq

from actors.control.audio_lines import AGAIN, Asked, Line, Lines, parting
from actors.control.errors import ControlError, TimedOut
from actors.control.records import CallInfo
from actors.control.tapping import Cut, Heard, Mark, Tap
from actors.media.audio_events import Measured

__all__ = ["Audio", "AudioEnded", "Cut", "Heard", "Mark", "Measured"]


class AudioEnded(ControlError):  # noqa: N818 - says what is, as OSError's kin do
    """The call's audio is over: it ended, or lost its session."""


class Stream:
    """What both kinds of audio have."""

    _lines: Lines
    _tap: Tap
    _at: Line

    @property
    def _line(self) -> Line:
        """The connection that has the tap now."""
        self._at = self._lines.line_of(self._tap, self._at)
        return self._at

    @property
    def rate(self) -> int:
        """Samples a second of what is heard and written."""
        return self._tap.rate

    @property
    def written(self) -> int:
        """How many samples were written."""
        return self._tap.written

    @property
    def played(self) -> int:
        """How many of them have been played, as far as is known here; a flush counts what it cut."""
        return self._tap.played

    @property
    def room(self) -> int:
        """How many samples can be written without waiting."""
        return self._tap.room

    @property
    def lost(self) -> int:
        """Frames of the peer's that were missing, in all."""
        return self._tap.lost

    @property
    def exact(self) -> bool:
        """`played` was never lost in a restart of the media process."""
        return self._tap.exact

    @property
    def ended(self) -> str:
        """Why it is over; empty while it is not."""
        return self._tap.closed

    def _part(self) -> None:
        """It is over, also where it is being sought."""
        line, asks = self._line, parting(self._tap)
        if line.drop(self._tap) and not line.socket.closed:
            line.send(asks)

    def _check(self) -> None:
        if self._tap.closed:
            raise AudioEnded(self._tap.closed)


class Audio(Stream):
    """The audio of one call, opened. It belongs to the thread of its client.

    Args:
        lines: the client's.
        calls: lists the calls that there are.
        call: the call's id.
        rate: samples a second: 8000, 16000, 24000 or 48000.
        hear: frames of the peer's are wanted.
        speak: something will be written; one tap of a call may.
        patience: seconds until it must stand.

    Raises:
        CommandRefused: there is no such call, it has no audio (``no_media``), or another tap speaks in it.
        TimedOut: nobody answers.
    """

    def __init__(
        self,
        lines: Lines,
        calls: Callable[[], list[CallInfo]],
        call: str,
        rate: int,
        *,
        hear: bool,
        speak: bool,
        patience: float,
    ) -> None:
        asked = Asked(lines, call, rate, hear=hear, speak=speak)
        end = time.monotonic() + patience
        found = None
        while found is None:
            if (late := time.monotonic() >= end) or asked.doubtful:
                asked.judge(calls(), late=late)
            asked.ask()
            again = time.monotonic() + AGAIN
            while found is None and (left := again - time.monotonic()) > 0:
                zmq.select([line.socket for line in asked.lines], [], [], left)
                for line in asked.lines:
                    line.read()
                found = asked.found()
        self._lines = lines
        self._at, self._tap = found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Heard]:
        while (frame := self.receive()) is not None:
            yield frame

    def receive(self, timeout: float | None = None) -> Heard | None:
        """The next frame; None when `timeout` seconds pass without one, or when the audio has `ended`."""
        end = None if timeout is None else time.monotonic() + timeout
        self._line.read()
        while (frame := self._tap.next()) is None and not self._tap.closed:
            if not self._pump(end):
                return None
        return frame

    def write(self, data: bytes, timeout: float | None = None) -> None:
        """Have the peer hear s16le mono behind what was written before; waits while two seconds of it wait.

        Raises:
            AudioEnded: it is over.
            TimedOut: there was no room for all of it within `timeout` seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        left = memoryview(data)
        while True:
            self._check()
            left = left[self._tap.write(bytes(left)) :]
            self._line.flush()
            if len(left) < 2:
                return
            if not self._pump(end):
                raise TimedOut(f"{len(left)} bytes found no room")

    def mark(self) -> Mark:
        """Mark the end of what was written so far."""
        self._check()
        mark = self._tap.mark()
        self._line.flush()
        return mark

    def wait(self, mark: Mark, timeout: float | None = None) -> bool:
        """Wait until a mark was played; False when it was cut, or `timeout` seconds are over."""
        end = None if timeout is None else time.monotonic() + timeout
        while not mark.done and not self._tap.closed:
            if not self._pump(end):
                break
        return mark.played

    def flush(self, timeout: float = 5.0) -> Cut:
        """Stop now; what was written and not played is dropped. Tells where that was.

        Raises:
            AudioEnded: it is over.
            TimedOut: the service does not answer.
        """
        self._tap.flush()
        end = time.monotonic() + timeout
        while (cut := self._tap.cut) is None:
            self._check()
            if not self._pump(end):
                raise TimedOut("the flush was not answered; it may yet take effect")
        return cut

    def measure(self, timeout: float = 5.0) -> Measured:
        """How the call goes: packets, jitter, MOS, and the levels of both sides.

        Raises:
            AudioEnded: it is over.
            TimedOut: the service does not answer.
        """
        self._tap.measure()
        end = time.monotonic() + timeout
        while (measured := self._tap.measured) is None:
            self._check()
            if not self._pump(end):
                raise TimedOut("nobody says how the call goes")
        return measured

    def close(self) -> None:
        """Leave; what was not played is dropped."""
        self._part()

    def _pump(self, end: float | None) -> bool:
        """Send, and take what comes; False when `end` is past."""
        line = self._line
        line.flush()
        began = time.monotonic()
        left = AGAIN if end is None else min(AGAIN, end - began)
        if left <= 0:
            return False
        if self._lines.seeking:
            self._seek(began, left)
            return True
        line.socket.poll(max(1, round(left * 1000)))
        if not line.read():
            line.waited(time.monotonic() - began)
        line.flush()
        return True

    def _seek(self, began: float, seconds: float) -> None:
        """The same while calls of this program are sought that moved."""
        lines = self._lines
        if lines.seek(began):
            return
        zmq.select([line.socket for line in lines.all.values()], [], [], seconds)
        for line in lines.all.values():
            if not line.read():
                line.waited(time.monotonic() - began)
            line.flush()

"""The taps of a session: what the peer says as frames for those who listen, and what one of them writes for the peer.

Pure: an `Outlet` collects what is to be sent to a client, and `streams` sends it. Positions count samples of what was
written, at the tap's rate. A position counts as played when its frame is on its way to the peer, and it is kept, for a
successor, before that.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from actors.media.audio_events import (
    FRAMES_A_SECOND,
    WINDOW,
    Closed,
    Flushed,
    Full,
    Mark,
    Marked,
    Open,
    Opened,
    Progress,
    Told,
    Write,
    frame_head,
    packed_frame,
)
from actors.media.g711 import ENCODED, Law, decode
from actors.media.meter import Meter
from actors.media.pieces import FRAME
from actors.media.resample import Resampler
from actors.media.session import MASK, Session

MAX_MARKS = 256
# Less than a frame waits for its rest so many ticks.
_PATIENCE = 5
# Progress is told every so many ticks while something is played: the writer's window is filled again in time.
_PROGRESS = 5
_LAWS = frozenset(map(int, Law))
# Of a speaker: the session's identity, the tap's token, rate, played, cut, flushed, since.
_KEPT = struct.Struct("<Q64sIQQQQ")
KEPT = _KEPT.size


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
        identity, tap, *rest = _KEPT.unpack(body)
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
        return _KEPT.pack(identity, tap.encode("utf-8", "replace"), *rest)


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
        known = self.written - write.at
        samples = len(write.data) // 2
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
        self._tell(timestamp)
        return data if count == frame else data.ljust(2 * frame, b"\0")

    def _tell(self, timestamp: int) -> None:
        while self._marks and self._marks[0][0] <= self.played:
            at, name = self._marks.pop(0)
            self.outlet.told.append(Marked(self.tap, name, at, False, timestamp))
        self._ticks += 1
        if self._ticks >= _PROGRESS:
            self.progress()

    def progress(self) -> None:
        """Tell how far it has come."""
        self._ticks = 0
        self.outlet.told.append(Progress(self.tap, self.played))

    def opened(self, *, kept: bool) -> Opened:
        """What its client is told of it."""
        return Opened(self.tap, self.rate, self.window, self.played, kept, self.cut, self.flushed)


class _Way:
    """One stream of samples from one rate to another, which may change."""

    def __init__(self) -> None:
        self._rates = (0, 0)
        self._resampler: Resampler | None = None

    def convert(self, data: bytes, rate: int, wanted: int) -> bytes:
        if rate == wanted:
            return data
        if self._resampler is None or self._rates != (rate, wanted):
            self._rates = (rate, wanted)
            self._resampler = Resampler(rate, wanted)
        size = 2 * (wanted // FRAMES_A_SECOND)
        made = self._resampler.process(np.frombuffer(data, np.int16)).tobytes()
        return made if len(made) == size else made.ljust(size, b"\0")[:size]

    def rest(self) -> None:
        """A pause: what is held back of the sound before it is not heard after it."""
        self._resampler = None


class Listener(NamedTuple):
    """A tap that hears the peer; `head` is the beginning of each of its frames."""

    tap: str
    head: bytes
    outlet: Outlet


class Ears:
    """What the peers of all sessions said in a tick, decoded in one go before it is given to those who listen."""

    def __init__(self) -> None:
        self._heard: list[tuple[Taps, bytes, int, int, int]] = []

    def hear(self, taps: Taps, codes: bytes, form: int, tick: int, timestamp: int) -> None:
        """Take a frame: codes of a law, linear samples at so many kHz, or nothing and 0."""
        self._heard.append((taps, codes, form, tick, timestamp))

    def deliver(self) -> None:
        """Give all of them."""
        heard, self._heard = self._heard, []
        samples = {law: _decoded([each[1] for each in heard if each[2] == law], law) for law in _LAWS}
        at = dict.fromkeys(_LAWS, 0)
        for taps, data, form, tick, timestamp in heard:
            if form in _LAWS:
                end = at[form] + 2 * FRAME
                taps.give(samples[form][at[form] : end], 8, tick, timestamp)
                at[form] = end
            else:
                taps.give(data, form, tick, timestamp)


def _decoded(codes: list[bytes], law: int) -> bytes:
    return decode(np.frombuffer(b"".join(codes), np.uint8), law).tobytes() if codes else b""


class Taps:
    """All taps of one session.

    Args:
        session: whose.
        ears: collects what is heard in a tick.
        keep: takes what a successor must know of the speaker, before its frame is sent.

    Attributes:
        meter: sees all frames; None until somebody asks for levels.
    """

    def __init__(self, session: Session, ears: Ears, keep: Callable[[bytes], None]) -> None:
        self.speaker: Speaker | None = None
        self.meter: Meter | None = None
        self._playing = 0  # the tick in which the next frame is due; 0 while nothing is played
        self._all = ears
        self._session = session
        self._keep = keep
        self._listeners: dict[int, dict[str, Listener]] = {}
        self._ears: dict[int, _Way] = {}
        self._mouth = _Way()

    @property
    def empty(self) -> bool:
        """Nobody is left."""
        return self.speaker is None and not self._listeners

    def open(self, wanted: Open, outlet: Outlet, kept: Kept | None) -> bool:
        """Begin a tap, or go on with it; False when another one speaks.

        Args:
            wanted: what was asked for; its rate is one of `RATES`.
            outlet: of its client.
            kept: what a predecessor's speaker left.
        """
        speaker = self.speaker
        if wanted.speak and speaker is not None and speaker.tap != wanted.tap:
            return False
        if wanted.hear:
            self._listeners.setdefault(wanted.rate, {})[wanted.tap] = Listener(
                wanted.tap, frame_head(wanted.tap), outlet
            )
            self._ears.setdefault(wanted.rate, _Way())
        exact = True
        if not wanted.speak:
            outlet.told.append(Opened(wanted.tap, wanted.rate, 0, 0, True, 0, 0))
            return True
        if speaker is None:
            speaker = self.speaker = Speaker(wanted.tap, wanted.rate, outlet, wanted.played)
            exact = wanted.played == 0
            if kept is not None and (kept.identity, kept.tap, kept.rate) == (
                self._session.identity,
                wanted.tap,
                wanted.rate,
            ):
                speaker.played = speaker.written = kept.played
                speaker.cut, speaker.flushed = kept.cut, kept.flushed
                exact = True
        speaker.outlet = outlet
        if not self._playing:
            self._save(speaker)
        outlet.told.append(speaker.opened(kept=exact))
        return True

    def leave(self, tap: str) -> None:
        """End a tap."""
        if self.speaker is not None and self.speaker.tap == tap:
            self.speaker, self._playing = None, 0
        for rate, listeners in tuple(self._listeners.items()):
            if listeners.pop(tap, None) is not None and not listeners:
                del self._listeners[rate], self._ears[rate]

    def flush(self, to: int) -> None:
        """As Speaker.flush; a successor will know of it."""
        if self.speaker is not None:
            self.speaker.flush(to)
            self._mouth.rest()
            self._playing = 0
            self._save(self.speaker)

    def close(self, reason: str) -> None:
        """The session is over: tell all of them."""
        taps = {listener.tap: listener.outlet for each in self._listeners.values() for listener in each.values()}
        if self.speaker is not None:
            taps[self.speaker.tap] = self.speaker.outlet
        for tap, outlet in taps.items():
            outlet.told.append(Closed(tap, reason))
        self.speaker = None
        self._listeners.clear()

    # Each tick.

    def hear(self, codes: bytes, form: int, tick: int) -> None:
        """A frame of what the peer says; `form` is its law or kHz, 0 for silence."""
        if self.meter is not None:
            self.meter.heard.append((codes, form))
        if self._listeners:
            self._all.hear(self, codes, form, tick, heard_timestamp(self._session))

    def give(self, samples: bytes, khz: int, tick: int, timestamp: int) -> None:
        """Give a frame, decoded, to those who listen; 0 kHz is silence."""
        for rate, listeners in self._listeners.items():
            silence = bytes(2 * (rate // FRAMES_A_SECOND))
            data = self._ears[rate].convert(samples, khz * 1000, rate) if khz else silence
            for _, head, outlet in listeners.values():
                outlet.frames.append(packed_frame(head, tick, timestamp, data))

    def say(self, tick: int) -> bytes | None:
        """What is written for this tick, as the session sends it; None while nothing is."""
        speaker = self.speaker
        if speaker is None:
            return None
        session = self._session
        units = session.clock_rate // FRAMES_A_SECOND
        before = speaker.played
        data = speaker.take((session.base + units * tick) & MASK, units)
        if data is None:
            if self._playing:
                self._playing = 0
                speaker.progress()
                self._save(speaker)
            return None
        if tick != self._playing or speaker.played - before != speaker.rate // FRAMES_A_SECOND:
            self._begin(speaker, before, tick)
        self._playing = tick + 1 if self._playing else 0
        data = self._mouth.convert(data, speaker.rate, session.rate)
        form = session.form
        return ENCODED[form].take(np.frombuffer(data, np.uint16)).tobytes() if form in _LAWS else data

    def _save(self, speaker: Speaker, played: int | None = None, since: int = 0) -> None:
        at = (speaker.played if played is None else played, speaker.cut, speaker.flushed, since)
        self._keep(_KEPT.pack(self._session.identity, speaker.key, speaker.rate, *at))

    def _begin(self, speaker: Speaker, before: int, tick: int) -> None:
        """Keep where it stands: whole frames go on from here by themselves, one that is not whole stands for itself."""
        whole = speaker.played - before == speaker.rate // FRAMES_A_SECOND
        self._playing = tick if whole else 0
        if whole:
            self._save(speaker, before, tick)
        else:
            self._save(speaker)


def heard_timestamp(session: Session) -> int:
    """The RTP timestamp, in the peer's clock, of the frame that was just taken out of the jitter buffer; 0 for none."""
    buffer = session.peer.buffer
    cursor = None if buffer is None else buffer.cursor
    if cursor is None:
        return 0
    at = (cursor - FRAME) & MASK
    clock = session.clock_rate
    if clock == 8000:
        return at
    # The buffer counts at 8000 Hz: back to the clock, over the wraps since the stream began.
    newest = session.peer.unwrapped * 8000 // clock
    behind = ((at - newest + 0x80000000) & MASK) - 0x80000000
    return (newest + behind) * clock // 8000 & MASK

"""The taps of a session: what the peer says as frames for those who listen, and what one of them writes for the peer.

Pure: an `Outlet` collects what is to be sent to a client, and `streams` sends it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from actors.media.audio_events import FRAMES_A_SECOND, Closed, Open, Opened
from actors.media.audio_frame_events import frame_head, packed_frame
from actors.media.blocks import Block
from actors.media.g711 import DECODED, ENCODED, Law, decode
from actors.media.meter import Meter
from actors.media.outlet import Outlet
from actors.media.peer import Peer
from actors.media.pieces import FRAME
from actors.media.resample import Resampler
from actors.media.rtp import MASK
from actors.media.speaker import PLACE, Kept, Speaker
from actors.media.speech import Speeches

_LAWS = frozenset(map(int, Law))
_PLACE, _TIMESTAMP = struct.Struct("<H"), struct.Struct("<I")
Numbers = npt.NDArray[np.int64]
Tap = tuple[str, Outlet]  # its token, and its client's: two programs may have the same token


class Tapped(Protocol):
    """The session of taps, as they see it.

    Attributes:
        identity: of the session.
        peer: whom it hears.
        base: the timestamp of tick 0.
        clock_rate: of its timestamps.
        rate: samples a second of what it says.
    """

    identity: int
    peer: Peer
    base: int
    clock_rate: int
    rate: int

    @property
    def form(self) -> int:
        """The law or the kHz of a frame that it sends."""


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
    """A tap that hears the peer; `head` is the beginning of each of its frames, where it has no `place`."""

    tap: str
    head: bytes
    outlet: Outlet
    place: int

    def hear(self, seq: int, rate: int, timestamp: int, data: bytes) -> None:
        """A frame of it."""
        if self.place < 0:
            self.outlet.frames.append(packed_frame(self.head, seq, timestamp, data))
        else:
            self.outlet.block(seq, rate, _PLACE.pack(self.place), _TIMESTAMP.pack(timestamp), data)


class Ears:
    """What the peers of all sessions said in a tick, decoded in one go before it is given to those who listen.

    Attributes:
        speeches: what all who speak have written.
    """

    def __init__(self) -> None:
        self.speeches = Speeches()
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


class Hearing:
    """The taps of many sessions of 8 kHz that are served together: what all of them hear in a tick is one matrix.

    Args:
        rows: where each session's frame is found.
        taps: of each session.
    """

    def __init__(self, rows: Sequence[int], taps: Sequence[Taps]) -> None:
        self.rows = np.array(rows, np.intp)
        self._taps = taps
        self._ears = list(dict.fromkeys(each.ears for each in taps))
        self._others: list[int] = []
        blocks: dict[tuple[int, int], tuple[list[int], list[Listener]]] = {}
        for at, each in enumerate(taps):
            narrow = each.listeners.get(8000, {}).values()
            for listener in narrow:
                name = (id(listener.outlet), len(listener.head) if listener.place < 0 else 0)
                indexes, listeners = blocks.setdefault(name, ([], []))
                indexes.append(at)
                listeners.append(listener)
            if len(each.listeners) > bool(narrow):
                self._others.append(at)
        self._blocks, self._placed = [], []
        for (_, size), (indexes, listeners) in blocks.items():
            outlet, at_all = listeners[0].outlet, slice(None) if len(indexes) == len(taps) else np.array(indexes)
            if size:
                self._blocks.append((outlet, at_all, Block([each.head for each in listeners], FRAME)))
            else:
                self._placed.append((outlet, at_all, b"".join(_PLACE.pack(each.place) for each in listeners)))

    def give(self, codes: npt.NDArray[np.uint8], laws: npt.NDArray[np.uint8], cursor: Numbers, tick: int) -> None:
        """Give a frame of each.

        Args:
            codes: sessions x samples.
            laws: of each.
            cursor: of each the RTP timestamp of its frame.
            tick: which.
        """
        for each in self._ears:
            each.deliver()  # what a session heard while it served itself comes before
        samples = DECODED[Law.PCMU].take(codes)
        if (laws != Law.PCMU).any():
            for law in set(laws.tolist()) - {int(Law.PCMU)}:
                samples[laws == law] = DECODED[law][codes[laws == law]]
        for outlet, at_all, block in self._blocks:
            outlet.frames += block.packed(tick, cursor[at_all], samples[at_all])
        if self._placed:
            stamps, little = cursor.astype("<u4"), samples.astype("<i2", copy=False)
            for outlet, at_all, places in self._placed:
                outlet.block(tick, 8000, places, stamps[at_all].tobytes(), little[at_all].tobytes())
        for at in self._others:
            self._taps[at].give(samples[at].tobytes(), 8, tick, int(cursor[at]), but=8000)


def _decoded(codes: list[bytes], law: int) -> bytes:
    return decode(np.frombuffer(b"".join(codes), np.uint8), law).tobytes() if codes else b""


class Taps:
    """All taps of one session.

    Args:
        session: whose.
        ears: what all taps of the process share.
        keep: takes what a successor must know of the speaker, before its frame is sent.

    Attributes:
        meter: sees all frames; None until somebody asks for levels.
    """

    def __init__(self, session: Tapped, ears: Ears, keep: Callable[[bytes], None]) -> None:
        self.speaker: Speaker | None = None
        self.meter: Meter | None = None
        self._all = ears
        self._session = session
        self._keep = keep
        self._listeners: dict[int, dict[Tap, Listener]] = {}
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
        if speaker is not None and speaker.tap == wanted.tap:
            if speaker.rate != wanted.rate if wanted.speak else speaker.outlet is outlet:
                self._hush()
            speaker = self.speaker
        self._deafen(wanted.tap, outlet, but=wanted.rate if wanted.hear else 0)
        if wanted.hear:
            self._listeners.setdefault(wanted.rate, {})[wanted.tap, outlet] = Listener(
                wanted.tap, frame_head(wanted.tap), outlet, wanted.place
            )
            self._ears.setdefault(wanted.rate, _Way())
        if not wanted.speak:
            outlet.told.append(Opened(wanted.tap, wanted.rate, 0, 0, True, 0, 0))
            return True
        exact = True
        if speaker is None:
            speaker, exact = self._speaks(wanted, outlet, kept)
        speaker.outlet, speaker.place = outlet, wanted.place
        if not speaker.due:
            self._save(speaker)
        outlet.told.append(speaker.opened(kept=exact))
        return True

    def _speaks(self, wanted: Open, outlet: Outlet, kept: Kept | None) -> tuple[Speaker, bool]:
        """Who speaks from now on, and whether it is known how far it had come."""
        speaker = self.speaker = Speaker(wanted.tap, self._all.speeches[wanted.rate], outlet, wanted.played)
        who = (self._session.identity, wanted.tap, wanted.rate)
        if kept is None or (kept.identity, kept.tap, kept.rate) != who:
            return speaker, wanted.played == 0
        speaker.note(played=kept.played, written=kept.played)
        speaker.cut, speaker.flushed = kept.cut, kept.flushed
        return speaker, True

    def _hush(self) -> None:
        """Nobody speaks any more."""
        if self.speaker is not None:
            self.speaker.end()
            self.speaker = None

    def leave(self, tap: str, outlet: Outlet) -> None:
        """End a tap of this client: another's of the same name stays."""
        if self.speaker is not None and self.speaker.tap == tap and self.speaker.outlet is outlet:
            self._hush()
        self._deafen(tap, outlet)

    def _deafen(self, tap: str, outlet: Outlet, *, but: int = 0) -> None:
        """It hears no more, but at one rate."""
        for rate, listeners in tuple(self._listeners.items()):
            if rate != but and listeners.pop((tap, outlet), None) is not None and not listeners:
                del self._listeners[rate], self._ears[rate]

    def flush(self, to: int) -> None:
        """As Speaker.flush; a successor will know of it."""
        if self.speaker is not None:
            self.speaker.flush(to)
            self._mouth.rest()
            self.speaker.note(due=0)
            self._save(self.speaker)

    def close(self, reason: str, *, moved: bool = False) -> None:
        """The session is over, or another process's: tell all of them."""
        taps = dict.fromkeys(tap for each in self._listeners.values() for tap in each)
        if self.speaker is not None:
            taps[self.speaker.tap, self.speaker.outlet] = None
        for tap, outlet in taps:
            outlet.told.append(Closed(tap, reason, moved))
        self._hush()
        self._listeners.clear()

    # Each tick.

    def hear(self, codes: bytes, form: int, tick: int) -> None:
        """A frame of what the peer says; `form` is its law or kHz, 0 for silence."""
        if self.meter is not None:
            self.meter.heard.append((codes, form))
        if self._listeners:
            self._all.hear(self, codes, form, tick, heard_timestamp(self._session))

    @property
    def listeners(self) -> dict[int, dict[Tap, Listener]]:
        """Who hears, by rate and tap."""
        return self._listeners

    @property
    def ears(self) -> Ears:
        """Which collect what is heard."""
        return self._all

    def give(self, samples: bytes, khz: int, tick: int, timestamp: int, *, but: int = 0) -> None:
        """Give a frame, decoded, to those who listen, but for those at one rate; 0 kHz is silence."""
        for rate, listeners in self._listeners.items():
            if rate == but:
                continue
            size = 2 * (rate // FRAMES_A_SECOND)
            data = self._ears[rate].convert(samples, khz * 1000, rate) if khz else bytes(size)
            for listener in listeners.values():
                listener.hear(tick, rate, timestamp, data)

    def say(self, tick: int) -> bytes | None:
        """What is written for this tick, as the session sends it; None while nothing is."""
        data, form = self.written(tick), self._session.form
        if data is None or form not in _LAWS:
            return data
        return ENCODED[form].take(np.frombuffer(data, np.uint16)).tobytes()

    def written(self, tick: int) -> bytes | None:
        """The same as samples at the session's rate."""
        speaker = self.speaker
        if speaker is None:
            return None
        session = self._session
        units = session.clock_rate // FRAMES_A_SECOND
        before, due = speaker.played, speaker.due
        data = speaker.take((session.base + units * tick) & MASK, units)
        if data is None:
            if due:
                speaker.note(due=0)
                speaker.progress()
                self._save(speaker)
            return None
        if speaker.played - before != speaker.speech.frame:  # one that is not whole stands for itself
            speaker.note(due=0)
            self._save(speaker)
        else:
            speaker.note(due=tick + 1)
            if due != tick:  # whole frames go on from here by themselves
                self._save(speaker, before, tick)
        return self.converted(data, speaker.rate)

    def converted(self, data: bytes, rate: int) -> bytes:
        """A frame of what is written, at the session's rate."""
        return data if rate == self._session.rate else self._mouth.convert(data, rate, self._session.rate)

    def _save(self, speaker: Speaker, played: int | None = None, since: int = 0) -> None:
        at = (speaker.played if played is None else played, speaker.cut, speaker.flushed, since)
        self._keep(PLACE.pack(self._session.identity, speaker.key, speaker.rate, *at))


def heard_timestamp(session: Tapped) -> int:
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

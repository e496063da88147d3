"""What is written for many sessions of 8 kHz that are served together: a frame of each, in one go. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from actors.media.audio_frame_events import Writes
from actors.media.outlet import Outlet
from actors.media.pieces import FRAME
from actors.media.rtp import MASK
from actors.media.speaker import Speaker
from actors.media.speech import PROGRESS, Speech, together
from actors.media.taps import Taps

Indexes = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.int64]
Samples = npt.NDArray[np.int16]
Flags = npt.NDArray[np.bool_]


class _Choir:
    """The speakers of one rate.

    Args:
        members: of each its row, that of its session, the session's taps and itself.
    """

    def __init__(self, members: Sequence[tuple[int, int, Taps, Speaker]]) -> None:
        _, rows, taps, speakers = zip(*members, strict=True)
        self._speech: Speech = speakers[0].speech
        self._rows = np.array(rows, np.intp)
        self._at = together([each.row for each in speakers])
        self._taps, self._speakers = taps, speakers
        self._places = np.array([each.place for each in speakers])
        outlets = {id(each.outlet): each.outlet for each in speakers}
        self._outlets: list[tuple[Outlet, Flags]] = [
            (outlet, np.array([each.outlet is outlet for each in speakers])) for outlet in outlets.values()
        ]

    def say(self, tick: int, base: Numbers) -> Iterator[tuple[Indexes, Samples | None]]:
        """Rows of sessions and what they say, 20 ms each; None for those that say nothing."""
        speech, rows = self._speech, self._rows
        went, frames = speech.take(self._at, tick, (base[rows] + FRAME * (tick + 1)) & MASK)
        whole = bool(went.all())
        if whole or went.any():
            self._progress(went)
            yield rows if whole else rows[went], frames if speech.rate == 8000 else self._converted(went, frames)
        if whole:
            return
        said = {at: self._taps[at].written(tick) for at in np.flatnonzero(~(went | speech.quiet(self._at))).tolist()}
        spoken = [at for at, samples in said.items() if samples is not None]
        if spoken:
            samples = b"".join(said[at] or b"" for at in spoken)
            yield rows[spoken], np.frombuffer(samples, np.int16).reshape(-1, FRAME)
        went[spoken] = True
        yield rows[~went], None

    def _converted(self, went: Flags, frames: Samples) -> Samples:
        going = zip(np.flatnonzero(went).tolist(), frames, strict=True)
        made = [self._taps[at].converted(each.tobytes(), self._speech.rate) for at, each in going]
        return np.frombuffer(b"".join(made), np.int16).reshape(-1, FRAME)

    def _progress(self, went: Flags) -> None:
        """Tell those whose time it is how far they have come."""
        numbers = self._speech.numbers
        due = went & (numbers["ticks"][self._at] >= PROGRESS)
        if not due.any():
            return
        for at in np.flatnonzero(due & (self._places < 0)).tolist():
            self._speakers[at].progress()
        due &= self._places >= 0
        for outlet, theirs in self._outlets:
            which = due & theirs
            if which.any():
                outlet.played(self._places[which], numbers["played"][self._at][which])
        numbers["ticks"][self._at] *= ~due


def _first(member: tuple[int, int, Taps, Speaker]) -> int:
    return member[0]


class Speaking:
    """All taps that may speak.

    Args:
        rows: of their sessions.
        taps: of their sessions.
    """

    def __init__(self, rows: Sequence[int], taps: Sequence[Taps]) -> None:
        choirs: dict[int, list[tuple[int, int, Taps, Speaker]]] = {}
        for row, each in zip(rows, taps, strict=True):
            speaker = each.speaker
            if speaker is not None:
                choirs.setdefault(speaker.rate, []).append((speaker.row, row, each, speaker))
        self._choirs = [_Choir(sorted(each, key=_first)) for each in choirs.values()]

    def say(self, tick: int, base: Numbers) -> Iterator[tuple[Indexes, Samples | None]]:
        """What is said in a tick.

        Args:
            tick: which.
            base: the timestamp of tick 0 of every row.

        Returns:
            Rows and what they say, 20 ms each; None for those that say nothing.
        """
        for choir in self._choirs:
            yield from choir.say(tick, base)


class Spoken:
    """Several speakers of one rate, each once, that are written to together.

    Args:
        speakers: in the order of what is written.
    """

    def __init__(self, speakers: Sequence[Speaker]) -> None:
        self._speech = speakers[0].speech
        self._rows = together([each.row for each in speakers])
        self._count = len(speakers)

    def write(self, writes: Writes) -> Flags:
        """As Speech.write."""
        samples = np.frombuffer(writes.data, "<i2").reshape(self._count, -1)
        return self._speech.write(self._rows, np.frombuffer(writes.at, "<i8"), samples)


def spoken_together(speakers: Sequence[Speaker | None]) -> Spoken | None:
    """Those speakers as one, None where they cannot be."""
    there = [each for each in speakers if each is not None]
    if len(there) < len(speakers) or len({each.row for each in there}) < len(there):
        return None
    return Spoken(there) if len({each.rate for each in there}) == 1 else None

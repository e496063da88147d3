"""What all who speak have written and not yet played, as rows of matrices: taken in and played together. Pure.

A row is one speaker's: a ring of the samples that wait, and how far it has come. `speaker` serves a row by itself, by
all rules; here many rows do in one go what rows nearly always do: take in a frame behind the last one, play a frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from actors.media.audio_events import FRAMES_A_SECOND, WINDOW

Indexes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

# Progress is told every so many ticks while something is played: the writer's window is filled again in time.
PROGRESS = 5
_FRAMES = WINDOW * FRAMES_A_SECOND
# `origin`: a position that stood at the beginning of the ring. `marks`: how many wait. `due`: the tick in which the
# next frame is due, 0 while nothing is played. `ticks`: since progress was told. `behind`: the RTP timestamp behind the
# last frame played. `waited`: ticks for the rest of a frame.
_NUMBERS = ("written", "played", "origin", "marks", "due", "ticks", "behind", "waited")


class Speech:
    """The rows of one rate.

    Args:
        rate: samples a second.

    Attributes:
        frame: samples of 20 ms.
        window: samples that may wait in a row.
        changes: how often rows came or went.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.frame = rate // FRAMES_A_SECOND
        self.window = WINDOW * rate
        self.changes = 0
        self._free: list[int] = []
        self._make(0)

    def _make(self, rows: int) -> None:
        self._matrix = np.zeros((len(_NUMBERS), rows), np.int64)
        # What all rows hold at about the same place lies together: rows run alike.
        self._samples = np.zeros((_FRAMES, rows, self.frame), np.int16)
        self._all = np.arange(rows)
        self.numbers: dict[str, Numbers] = dict(zip(_NUMBERS, self._matrix, strict=True))

    # Rows.

    def begin(self, played: int) -> int:
        """A row of its own for a speaker that goes on at `played`."""
        if not self._free:
            matrix, samples = self._matrix, self._samples
            rows = matrix.shape[1]
            self._make(max(1, 2 * rows))
            self._matrix[:, :rows], self._samples[:, :rows] = matrix, samples
            self._free.extend(reversed(range(rows, self._matrix.shape[1])))
        row = self._free.pop()
        self._matrix[:, row] = 0
        self.numbers["written"][row] = self.numbers["played"][row] = played
        self.changes += 1
        return row

    def end(self, row: int) -> None:
        """The row is another's from now on."""
        self._free.append(row)
        self.changes += 1

    # One row.

    def put(self, row: int, data: bytes | memoryview) -> None:
        """Hold samples behind those written before; there is room for them."""
        numbers = self.numbers
        at = int(numbers["written"][row])
        if at == numbers["played"][row]:
            numbers["origin"][row] = at
        words, offset, done = np.frombuffer(data, "<i2"), at - int(numbers["origin"][row]), 0
        while done < len(words):
            place, inside = divmod(offset + done, self.frame)
            piece = words[done : done + self.frame - inside]
            self._samples[place % _FRAMES, row, inside : inside + len(piece)] = piece
            done += len(piece)
        numbers["written"][row] = at + len(words)

    def held(self, row: int) -> bytes:
        """The next 20 ms to be played, or what there is of them."""
        numbers = self.numbers
        at = int(numbers["played"][row])
        place, inside = divmod(at - int(numbers["origin"][row]), self.frame)
        both = self._samples[[place % _FRAMES, (place + 1) % _FRAMES], row].reshape(-1)
        data: bytes = both[inside : inside + min(self.frame, int(numbers["written"][row]) - at)].tobytes()
        return data

    # Many rows.

    def write(self, rows: Indexes | slice, at: Numbers, samples: npt.NDArray[np.int16]) -> Flags:
        """Take in a frame each; False where it is not simply the next one and there is room: it is not taken.

        Args:
            rows: each once.
            at: its position.
            samples: rows x samples.
        """
        numbers, frame = self.numbers, self.frame
        if samples.shape[1] != frame:
            return np.zeros(len(at), np.bool_)
        written, played = numbers["written"][rows], numbers["played"][rows]
        origin = np.where(written == played, written, numbers["origin"][rows])
        places, inside = np.divmod(at - origin, frame)
        good: Flags = (at == written) & (at - played <= self.window - frame) & (inside == 0)
        if not good.all():
            rows, at, places, origin, samples = (
                self._all[rows][good],
                at[good],
                places[good],
                origin[good],
                samples[good],
            )
        numbers["origin"][rows] = origin
        self._samples[places % _FRAMES, self._all[rows]] = samples
        numbers["written"][rows] = at + frame
        return good

    def quiet(self, rows: Indexes | slice) -> Flags:
        """Which have nothing to say, and said nothing a tick before."""
        numbers = self.numbers
        found: Flags = (numbers["written"][rows] == numbers["played"][rows]) & (numbers["due"][rows] == 0)
        return found

    def take(self, rows: Indexes | slice, tick: int, behind: Numbers) -> tuple[Flags, npt.NDArray[np.int16]]:
        """Play a frame of the rows that go on with a whole one, and have no marks that it may reach.

        Returns:
            Which of them did, and their frames.
        """
        numbers, frame = self.numbers, self.frame
        played = numbers["played"][rows]
        places, inside = np.divmod(played - numbers["origin"][rows], frame)
        good: Flags = (
            (numbers["written"][rows] - played >= frame)
            & (numbers["due"][rows] == tick)
            & (numbers["marks"][rows] == 0)
            & (inside == 0)
        )
        if not good.all():
            rows, places, behind = self._all[rows][good], places[good], behind[good]
        frames = self._samples[places % _FRAMES, self._all[rows]]
        numbers["played"][rows] += frame
        numbers["due"][rows] = tick + 1
        numbers["behind"][rows] = behind
        numbers["waited"][rows] = 0
        numbers["ticks"][rows] += 1
        return good, frames


def together(rows: Sequence[int]) -> Indexes | slice:
    """Rows to be served together; those that lie side by side, as most do, are not gathered but looked at in place."""
    first = rows[0]
    if list(rows) == list(range(first, first + len(rows))):
        return slice(first, first + len(rows))
    return np.array(rows, np.intp)


class Speeches(dict[int, Speech]):
    """Those of all rates, by rate; each is made when it is asked for."""

    def __missing__(self, rate: int) -> Speech:
        """The rows of a rate that has none yet."""
        speech = self[rate] = Speech(rate)
        return speech

    @property
    def changes(self) -> int:
        """How often rows came or went."""
        return sum(each.changes for each in self.values())

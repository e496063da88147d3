"""Between two clocks: a ring that one side fills and the other empties, kept at its delay by slow resampling. Pure.

A sound card's clock and ours never agree (50 to 200 ppm is usual). What is held is watched: the least of it over two
seconds says how much is there in vain. It is brought back by at most one sample in a thousand, which nobody hears (1.7
cents), and by leaving out what is too much at once where it is quiet.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

# Of a second: what is held at least when all goes well, above which it is too much, what is left out at once.
_LEAST, _ENOUGH, _SURPLUS = 0.015, 0.025, 0.040
# Of a second: what is held before the first sample is given, at first, and after a shortage ever more up to the last.
_FIRST, _MORE, _LAST = 0.040, 0.010, 0.150
# Of a second: more than this is thrown away at once.
_MOST = 0.400
# Seconds that the least is watched over, and seconds in which an excess is to be gone.
_WINDOW, _MEND = 2.0, 4.0
# The largest part by which the pace is altered.
_BEND = 0.001
# Samples beyond the last that are needed to come between two.
_AHEAD = 2
# Of full scale: what is below it is left out unheard (36 dB down).
_QUIET = 512


class Elastic:
    """The ring.

    Args:
        rate: samples a second.

    Attributes:
        pushed, pulled: samples in and out since it was made; what was made up or left out accounts for the rest.
        short: samples of silence given because nothing was there, once it had begun.
        skipped: samples left out, where it was quiet or because far too many were held.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.pushed = self.pulled = self.short = self.skipped = 0
        self._held: Samples = np.zeros(0, np.int16)
        self._target = int(_FIRST * rate)
        self._flowing = False
        self._bend = self._part = 0.0
        self._least = self._watched = self._surplus = 0

    @property
    def held(self) -> int:
        """Samples that wait."""
        return len(self._held)

    @property
    def bend(self) -> float:
        """By which part more samples are taken than given at present."""
        return self._bend

    def push(self, samples: Samples) -> None:
        """Put some in; when far too many wait, the oldest go."""
        self.pushed += len(samples)
        self._held = np.concatenate((self._held, samples))
        excess = len(self._held) - int(_MOST * self.rate)
        if excess > 0:
            self._leave_out(len(self._held) - self._target)

    def pull(self, count: int) -> Samples:
        """Take `count` samples; silence while there is nothing, and until enough is there again."""
        self.pulled += count
        if not self._flowing:
            if len(self._held) < max(self._target, count + _AHEAD):
                return np.zeros(count, np.int16)
            self._begin()
        if self._surplus:
            self._skip_quiet(count)
        end = self._part + count * (1.0 + self._bend)
        bent = bool(self._part or self._bend)
        if len(self._held) < int(end) + _AHEAD * bent:
            return self._run_short(count)
        taken = self._between(count) if bent else self._held[:count]
        used = int(end)
        self._part = end - used
        self._held = self._held[used:]
        self._watch(count)
        return taken

    def _between(self, count: int) -> Samples:
        at = self._part + np.arange(count) * (1.0 + self._bend)
        whole = at.astype(np.intp)
        part = at - whole
        left, right = self._held[whole].astype(np.float64), self._held[whole + 1].astype(np.float64)
        mixed: Samples = np.rint(left + (right - left) * part).astype(np.int16)
        return mixed

    def _begin(self) -> None:
        self._flowing = True
        self._bend = self._part = 0.0
        self._least, self._watched, self._surplus = len(self._held), 0, 0

    def _run_short(self, count: int) -> Samples:
        """Give what is there; more is held before it goes on."""
        given = np.zeros(count, np.int16)
        there = min(count, len(self._held))
        given[:there] = self._held[:there]
        self.short += count - there
        self._held = self._held[there:]
        self._flowing = False
        self._target = min(int(_LAST * self.rate), self._target + int(_MORE * self.rate))
        return given

    def _watch(self, count: int) -> None:
        """Judge, once a window, what was held in vain."""
        self._least = min(self._least, len(self._held))
        self._watched += count
        if self._watched < _WINDOW * self.rate:
            return
        least, self._least, self._watched = self._least, len(self._held), 0
        low, high = int(_LEAST * self.rate), int(_ENOUGH * self.rate)
        error = least - high if least > high else min(0, least - low)
        self._bend = max(-_BEND, min(_BEND, error / (_MEND * self.rate)))
        self._surplus = least - low if least > _SURPLUS * self.rate else 0

    def _skip_quiet(self, count: int) -> None:
        """Leave out what is too much, if it and what comes next are quiet."""
        part = self._held[: self._surplus + count].astype(np.int32)
        if len(part) < self._surplus + count:
            self._surplus = 0  # it is not there any more
        elif np.abs(part).max() < _QUIET:
            self._leave_out(self._surplus)
            self._least, self._watched, self._surplus = len(self._held), 0, 0

    def _leave_out(self, count: int) -> None:
        self._held = self._held[count:]
        self.skipped += count

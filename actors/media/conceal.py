"""Loss concealment after ITU-T G.711 Appendix I, at any rate: the last pitch periods are repeated and fade away.

While all is well the output is the input, undelayed. The first 10 ms of a loss repeat the last pitch period; longer
losses repeat two and then three of them, fall by a fifth each 10 ms and are silent after 60 ms. The seams (loss, longer
repetition, first good sample) are blended over a quarter of a period.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
_Reals = npt.NDArray[np.float64]

# Pitch is sought from 66 to 200 Hz, in milliseconds of period (Appendix I.2.2).
_SHORTEST, _LONGEST = 0.005, 0.015
_WINDOW = 0.020
_STEP = 0.010
# The level falls by this in each step after the first, to nothing after six.
_FALL = 0.2


class Concealer:
    """One stream's concealment.

    Args:
        rate: samples a second.

    Attributes:
        lost: samples made up since the last good one.
    """

    __slots__ = ("_buffer", "_history", "_keep", "_period", "_phase", "_quarter", "_rate", "_step", "lost")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._step = int(_STEP * rate)
        self._keep = int((3 * _LONGEST + _LONGEST / 4) * rate) + 2
        self._history: _Reals = np.zeros(self._keep)
        self._buffer: _Reals = np.zeros(0)
        self._period = self._quarter = 1
        self._phase = 0
        self.lost = 0

    def hear(self, samples: Samples) -> Samples:
        """Good samples: as they are, but for the blend into them after a loss."""
        if not self.lost:
            self._remember(samples)
            return samples
        count = min(len(samples), self._quarter + min(4, self.lost // self._step - 1) * self._rate // 250)
        count = max(count, 0)
        tail = self._repeat(count)
        ramp = np.arange(1, count + 1) / (count + 1)
        blended = samples.astype(np.float64)
        blended[:count] = tail * (1 - ramp) + blended[:count] * ramp
        self.lost = 0
        out = np.clip(np.rint(blended), -32768, 32767).astype(np.int16)
        self._remember(out)
        return out

    def make(self, count: int) -> Samples:
        """`count` samples in place of what is missing."""
        if not self.lost:
            self._begin()
        out = np.clip(np.rint(self._repeat(count)), -32768, 32767).astype(np.int16)
        self.lost += count
        self._remember(out)
        return out

    def made(self, samples: Samples) -> None:
        """Somebody else made these samples up; the next good ones are taken as they are."""
        self._remember(samples)

    def _remember(self, samples: Samples) -> None:
        if len(samples) >= self._keep:
            self._history = samples[-self._keep :].astype(np.float64)
        else:
            self._history = np.concatenate((self._history[len(samples) :], samples))

    def _begin(self) -> None:
        """Find the pitch of what was heard last, and blend its end with what came a period before."""
        history = self._history
        self._period = self._pitch()
        self._quarter = max(1, self._period // 4)
        self._phase = 0
        self._use(1, history)

    def _use(self, periods: int, history: _Reals) -> None:
        """Repeat the last `periods` periods: their end is blended into what comes before them, so that it loops."""
        size, quarter = periods * self._period, self._quarter
        loop = history[-size:].copy()
        before = history[-size - quarter : -size]
        ramp = np.arange(1, quarter + 1) / (quarter + 1)
        loop[-quarter:] = loop[-quarter:] * (1 - ramp) + before * ramp
        self._buffer = loop

    def _pitch(self) -> int:
        """The lag at which the last 20 ms are most like what came before."""
        low, high = int(_SHORTEST * self._rate), int(_LONGEST * self._rate)
        size = int(_WINDOW * self._rate)
        if self._keep < size + high:
            size = self._keep - high
        now = self._history[-size:]
        past = self._history[-size - high : -low]
        products = np.correlate(past, now, "valid")
        sums = np.concatenate((np.zeros(1), np.cumsum(past**2)))
        energy = sums[size:] - sums[:-size]
        scores = products / np.sqrt(np.maximum(energy, self._rate / 32))
        return high - int(np.argmax(scores))

    def _repeat(self, count: int) -> _Reals:
        """The next samples of the repetition at the level of their place in the loss."""
        size = len(self._buffer)
        places = (self._phase + np.arange(count)) % size
        self._phase = (self._phase + count) % size
        steps = (self.lost + np.arange(count)) / self._step
        level = np.clip(1 - _FALL * (steps - 1), 0.0, 1.0)
        repeated: _Reals = self._buffer[places] * level
        return repeated

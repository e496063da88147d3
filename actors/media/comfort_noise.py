"""Comfort noise as RFC 3389 sends it: the payload read and written, noise described by it, and noise made of it. Pure.

A payload tells how loud the noise is and, if it likes, its spectrum by the reflection coefficients of an all-pole
model. The noise is made in the frequency domain, a block of 40 ms at a time with random phases: the level is that of
the payload whatever the coefficients are, and there is no filter that could become unstable.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
_Reals = npt.NDArray[np.float64]

# Coefficients of a model that are read; a payload that has more is of a lower order to us (section 3).
MOST = 12
# And those of a model of ours: enough for the noise of a room, and for what older receivers take.
_ORDER = 8
_RESERVED = 255  # section 3.2
_QUIETEST = 127  # -dBov
_STEP = 258 / 32768
_FULL = 32768.0  # RMS of the square wave that is 0 dBov
# A peak of the spectrum is not narrower than this against its height: the model may be of a pure tone.
_FLOOR = 1e-12
# The level and the spectrum go this part of the way to those of a newer payload in 20 ms.
_EASE = 0.2
# The autocorrelation of noise, as it goes on from frame to frame, and what keeps its matrix regular (-40 dB).
_SMOOTH, _WHITE = 0.15, 1.0001
_SILENT = 1e-3  # of energy a sample


class Noise(NamedTuple):
    """What a payload says.

    Attributes:
        level: dBov, 0 to -127.
        reflections: of the all-pole model, each above -1 and below 1; none for white noise.
    """

    level: int
    reflections: tuple[float, ...] = ()


def read(payload: bytes) -> Noise | None:
    """What a payload says (section 3.3); None for an empty one, which says nothing.

    The unused bit of the level is passed over, and so are coefficients from a reserved one on.
    """
    if not payload:
        return None
    indexes = payload[1 : 1 + MOST]
    reserved = indexes.find(_RESERVED)
    if reserved >= 0:
        indexes = indexes[:reserved]
    return Noise(-(payload[0] & 0x7F), tuple([(index - 127) * _STEP for index in indexes]))


def write(noise: Noise) -> bytes:
    """The payload that says this; what is out of range is the nearest that is not."""
    indexes = [min(254, max(0, round(each / _STEP) + 127)) for each in noise.reflections]
    return bytes((min(_QUIETEST, max(0, -noise.level)), *indexes))


def spectrum(noise: Noise, size: int) -> _Reals:
    """The power of the model at `size` frequencies from 0 to half its sampling rate, 1 in the mean.

    Args:
        noise: with reflection coefficients as G.729, FFmpeg and WebRTC have them (RFC 3389 gives no sign): the first
            one of noise that has its power at the low end is negative.
        size: at least 2.
    """
    polynomial = np.ones(1)
    for reflection in noise.reflections:
        wide = np.append(polynomial, 0.0)
        polynomial = wide + reflection * wide[::-1]
    gain = np.abs(np.fft.rfft(polynomial, 2 * (size - 1))) ** 2
    power: _Reals = 1.0 / (gain + _FLOOR * float(gain.max()))
    return power / float(power.mean())


class Listener:
    """Hears noise, and describes it.

    Attributes:
        level: dBov of what was heard lately; None before the first frame.
    """

    __slots__ = ("_lags", "_power", "level")

    def __init__(self) -> None:
        self._lags: _Reals = np.zeros(_ORDER + 1)
        self._power = 0.0
        self.level: float | None = None

    def hear(self, samples: Samples) -> None:
        """The next frame of noise; one without samples says nothing. What lies at 0 Hz is not heard."""
        if not len(samples):
            return
        wide = samples.astype(np.float64)
        wide -= wide.mean()
        part = 1.0 if self.level is None else _SMOOTH
        self._power += part * (float(np.dot(wide, wide)) / len(wide) - self._power)
        self.level = max(-float(_QUIETEST), 10 * math.log10(max(self._power, 1e-9) / _FULL**2))
        wide *= np.hanning(len(wide))
        lags = np.correlate(np.concatenate((wide, np.zeros(_ORDER))), wide, "valid")
        self._lags += part * (lags - self._lags)

    def describe(self) -> Noise:
        """The noise of the last frames."""
        if self.level is None or self._power < _SILENT or self._lags[0] < _SILENT:
            return Noise(-_QUIETEST)
        return Noise(round(self.level), _reflections(self._lags))


def _reflections(lags: _Reals) -> tuple[float, ...]:
    """The coefficients of an autocorrelation whose first lag is above zero, by Levinson and Durbin.

    Each is below 1, as the lags are those of a signal, and a little noise was added.
    """
    error = float(lags[0]) * _WHITE
    polynomial = np.ones(1)
    found = []
    for order in range(1, len(lags)):
        reflection = -float(np.dot(polynomial, lags[order:0:-1])) / error
        found.append(reflection)
        wide = np.append(polynomial, 0.0)
        polynomial = wide + reflection * wide[::-1]
        error *= 1 - reflection * reflection
    return tuple(found)


class Hiss:
    """Makes the noise of a peer's pauses.

    Args:
        rate: samples a second that are wanted, a multiple of 50.
        seed: the same gives the same.

    Attributes:
        rate: the same.
    """

    __slots__ = ("_chance", "_held", "_level", "_on", "_power", "_said", "_size", "_tail", "_wanted", "_window", "rate")

    def __init__(self, rate: int, seed: int) -> None:
        self.rate = rate
        self._size = rate // 50
        self._window = np.sin(np.pi * (np.arange(2 * self._size) + 0.5) / (2 * self._size))
        self._chance = np.random.default_rng(seed)
        self._said = (b"", 0)
        self._level, self._wanted = 0.0, (0.0, np.zeros(0))
        self._power: _Reals = np.zeros(0)
        self._on = False
        self._tail: _Reals = np.zeros(0)
        self._held: Samples = np.zeros(0, np.int16)

    def follow(self, payload: bytes, model: int) -> bool:
        """Sound as a payload says from here on: in a pause by and by, in the next one at once. True where it is news.

        Args:
            payload: not empty.
            model: the sampling rate that it speaks of; above half of that there is no noise.
        """
        noise = read(payload) if (payload, model) != self._said else None
        if noise is not None:
            self._said = (payload, model)
            self._wanted = (float(noise.level), self._shape(noise, model // 50 + 1))
        return noise is not None

    def over(self) -> None:
        """The pause is over."""
        self._on = False

    def _shape(self, noise: Noise, size: int) -> _Reals:
        """The power of each frequency of a block, of which the model has the first `size`; the mean is 1 with them all.

        Frequencies are 25 Hz apart at every rate. Neither 0 Hz nor half the rate has a phase, or is heard.
        """
        power = spectrum(noise, size)
        power[[0, -1]] = 0.0
        shape = np.zeros(self._size + 1)
        shared = min(size, self._size)
        shape[:shared] = power[:shared] * (self._size / float(power.sum()))
        return shape

    def take(self, count: int) -> Samples:
        """The next `count` samples of noise."""
        if not self._on:
            self._on = True
            self._level, self._power = self._wanted
            self._held, self._tail = self._held[:0], self._block()[self._size :]
        while len(self._held) < count:
            self._held = np.concatenate((self._held, self._frame()))
        made, self._held = self._held[:count], self._held[count:]
        return made

    def _frame(self) -> Samples:
        """20 ms: the end of one block under the beginning of the next."""
        level, power = self._wanted
        self._level += _EASE * (level - self._level)
        self._power = self._power + _EASE * (power - self._power)
        before, block = self._tail, self._block()
        self._tail = block[self._size :]
        made: Samples = np.clip(np.rint(before + block[: self._size]), -32768, 32767).astype(np.int16)
        return made

    def _block(self) -> _Reals:
        """40 ms with the power of each frequency as it is to be, and phases by chance."""
        amplitude = np.sqrt(self._power) * (_FULL * 10 ** (self._level / 20))
        turned = np.exp(2j * np.pi * self._chance.random(len(amplitude)))
        # A frequency of amplitude 1 has the power of 1 / (2 * size) squared, twice, in the samples.
        block: _Reals = np.fft.irfft(amplitude * turned, 2 * self._size) * math.sqrt(2 * self._size)
        return block * self._window

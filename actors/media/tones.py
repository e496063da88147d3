"""Tones made and keys heard in the sound itself: cadences, DTMF pairs (Q.23) and their detection by Goertzel (Q.24)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
PAD = ("123A", "456B", "789C", "*0#D")
PAIRS = {key: (ROWS[row], COLUMNS[at]) for row, keys in enumerate(PAD) for at, key in enumerate(keys)}
_LEVEL = 0.2  # of full scale, each of two frequencies: -14 dBm0 or so


class Tone(NamedTuple):
    """Frequencies (Hz) sounding together, in a cadence: seconds of sound and silence in turn; empty: without end."""

    frequencies: tuple[float, ...]
    cadence: tuple[float, ...] = ()


# ITU-T E.180 supplement 2: 425 Hz, as most of Europe has it.
TONES = {
    "dial": Tone((425.0,)),
    "ringback": Tone((425.0,), (1.0, 4.0)),
    "busy": Tone((425.0,), (0.5, 0.5)),
    "congestion": Tone((425.0,), (0.25, 0.25)),
    "waiting": Tone((425.0,), (0.2, 0.2, 0.2, 4.4)),
}


def parse_tone(text: str) -> Tone:
    """Read the name of a tone, or ``440+480/2,4``: frequencies, and seconds on and off in turn.

    Raises:
        ValueError: it is neither.
    """
    if text in TONES:
        return TONES[text]
    frequencies, _, cadence = text.partition("/")
    try:
        tone = Tone(
            tuple(float(part) for part in frequencies.split("+")),
            tuple(float(part) for part in cadence.split(",")) if cadence else (),
        )
    except ValueError as error:
        raise ValueError(f"{text!r} is no tone; it may be {', '.join(TONES)} or such as 440+480/2,4") from error
    if len(tone.frequencies) > 4 or not all(20 <= each <= 20_000 for each in tone.frequencies):
        raise ValueError(f"{text!r}: one to four frequencies of 20 to 20000 Hz")
    if len(tone.cadence) > 16 or not all(0.01 <= each <= 60 for each in tone.cadence):
        raise ValueError(f"{text!r}: up to sixteen times of 0.01 to 60 seconds")
    return tone


def samples_of(tone: Tone, position: int, count: int, rate: int) -> Samples:
    """`count` samples of a tone from `position` on; the same whatever the blocks it is asked for in."""
    at = position + np.arange(count)
    time = at / rate
    wave = sum((np.sin(2 * np.pi * each * time) for each in tone.frequencies), np.zeros(count))
    if tone.cadence:
        edges = np.cumsum(np.round(np.array(tone.cadence) * rate)).astype(np.int64)
        place = np.searchsorted(edges, at % edges[-1], side="right")
        wave *= place % 2 == 0
    samples: Samples = np.rint(wave * (_LEVEL * 32767)).astype(np.int16)
    return samples


_WINDOW, _HOP = 160, 80  # samples of 8 kHz: 20 ms looked at every 10 ms
_HITS = 3  # windows in a row that hear the same key: 40 ms of it
_MISSES = 2
_ALL = np.array((*ROWS, *COLUMNS), np.float64)
_WAVES = np.exp(-2j * np.pi * np.outer(_ALL, np.arange(_WINDOW)) / 8000) * np.hamming(_WINDOW)
_WEIGHT = float(np.sum(np.hamming(_WINDOW)) / 2) ** 2
_QUIETEST = 200.0**2  # of the weaker frequency's amplitude
_TWIST, _REVERSE_TWIST = 10 ** (8 / 10), 10 ** (4 / 10)  # Q.24's limits in power
_ALONE = 10 ** (10 / 10)  # what a frequency has over the others of its group
_SHARE = 0.75  # of the window's energy that the two frequencies have: speech has less


def _key(window: npt.NDArray[np.float64]) -> str:
    """The key that sounds in a window, empty for none."""
    powers = np.abs(_WAVES @ window) ** 2 / _WEIGHT
    rows, columns = powers[:4], powers[4:]
    row, column = int(np.argmax(rows)), int(np.argmax(columns))
    low, high = rows[row], columns[column]
    if min(low, high) < _QUIETEST or high > _REVERSE_TWIST * low or low > _TWIST * high:
        return ""
    if np.partition(rows, -2)[-2] * _ALONE > low or np.partition(columns, -2)[-2] * _ALONE > high:
        return ""
    energy = float(np.mean((window * np.hamming(_WINDOW)) ** 2)) / float(np.mean(np.hamming(_WINDOW) ** 2))
    return PAD[row][column] if (low + high) / 2 > _SHARE * energy else ""


class KeyDetector:
    """Keys in the sound of one stream at 8 kHz, each heard once when it ends."""

    __slots__ = ("_held", "_hits", "_key", "_misses", "_window")

    def __init__(self) -> None:
        self._window = np.zeros(0)
        self._key = self._held = ""
        self._hits = self._misses = 0

    def hear(self, samples: Samples) -> list[tuple[str, int]]:
        """Listen on; the keys that ended, and for how many milliseconds each sounded."""
        self._window = np.concatenate((self._window, samples))
        ended: list[tuple[str, int]] = []
        while len(self._window) >= _WINDOW:
            ended += self._judge(_key(self._window[:_WINDOW]))
            self._window = self._window[_HOP:]
        return ended

    def _judge(self, key: str) -> Sequence[tuple[str, int]]:
        if key and key == self._key:
            self._hits += 1
            self._misses = 0
            return ()
        if self._key and self._misses + 1 < _MISSES:
            self._misses += 1
            return ()
        ended = ((self._key, 10 * (self._hits + 1)),) if self._key and self._hits >= _HITS else ()
        self._key, self._hits, self._misses = key, 1 if key else 0, 0
        return ended

"""Sample rates converted for one stream: libspeexdsp where it is there, else a polyphase filter in numpy.

Both give exactly `out / in` samples for every block of whole 10 ms, and hold back about a millisecond.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from actors.media.libraries import load

Samples = npt.NDArray[np.int16]

# Zero crossings of the filter on each side: 70 dB down beside the pass band.
_CROSSINGS = 16
_QUALITY = 4


@lru_cache(maxsize=1)
def speexdsp() -> ctypes.CDLL | None:
    """The library, None where it is not installed."""
    library = load("libspeexdsp", 1)
    if library is None:
        return None
    word, pointer = ctypes.c_uint32, ctypes.c_void_p
    count = ctypes.POINTER(word)
    library.speex_resampler_init.argtypes = [word, word, word, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
    library.speex_resampler_init.restype = pointer
    library.speex_resampler_destroy.argtypes = [pointer]
    library.speex_resampler_process_int.argtypes = [pointer, word, pointer, count, pointer, count]
    return library


@lru_cache(maxsize=16)
def _phases(up: int, down: int) -> npt.NDArray[np.float64]:
    """The filter's taps by phase, (up, taps), the newest sample's first."""
    widest = max(up, down)
    taps = 2 * _CROSSINGS * widest // up + 1
    at = np.arange(taps * up) - (taps * up - 1) / 2
    low = np.sinc(at / widest) * np.kaiser(taps * up, 7.0)
    by_phase: npt.NDArray[np.float64] = low.reshape(taps, up).T
    phases: npt.NDArray[np.float64] = by_phase / by_phase.sum(axis=1, keepdims=True)
    return phases


class Polyphase:
    """The filter in numpy.

    Args:
        up, down: the ratio in lowest terms.
    """

    def __init__(self, up: int, down: int) -> None:
        self._up, self._down = up, down
        self._taps = _phases(up, down)
        self._history = np.zeros(self._taps.shape[1] - 1)
        self._phase = 0

    def process(self, samples: Samples) -> Samples:
        """The next block."""
        block = np.concatenate((self._history, samples.astype(np.float64)))
        size = self._taps.shape[1]
        self._history = block[len(block) - size + 1 :]
        at = np.arange(self._phase, len(samples) * self._up, self._down)
        self._phase = int(at[-1]) + self._down - len(samples) * self._up if len(at) else 0
        windows = np.lib.stride_tricks.sliding_window_view(block, size)[at // self._up]
        values = np.einsum("ij,ij->i", windows[:, ::-1], self._taps[at % self._up])
        resampled: Samples = np.clip(np.rint(values), -32768, 32767).astype(np.int16)
        return resampled


class _Speex:
    def __init__(self, library: ctypes.CDLL, rate: int, wanted: int) -> None:
        self._library = library
        self._ratio = wanted / rate
        error = ctypes.c_int()
        self._handle: Any = library.speex_resampler_init(1, rate, wanted, _QUALITY, ctypes.byref(error))

    def __del__(self) -> None:
        self._library.speex_resampler_destroy(self._handle)

    def process(self, samples: Samples) -> Samples:
        source = np.ascontiguousarray(samples)
        out = np.zeros(int(len(source) * self._ratio) + 16, np.int16)
        taken, given = ctypes.c_uint32(len(source)), ctypes.c_uint32(len(out))
        self._library.speex_resampler_process_int(
            self._handle, 0, source.ctypes.data, ctypes.byref(taken), out.ctypes.data, ctypes.byref(given)
        )
        return out[: given.value]


class Resampler:
    """One stream from one rate to another.

    Args:
        rate: samples a second that come.
        wanted: samples a second that go.
    """

    def __init__(self, rate: int, wanted: int) -> None:
        shared = gcd(rate, wanted)
        library = speexdsp()
        self._how: Polyphase | _Speex = (
            Polyphase(wanted // shared, rate // shared) if library is None else _Speex(library, rate, wanted)
        )

    def process(self, samples: Samples) -> Samples:
        """The next block at the other rate."""
        return self._how.process(samples)

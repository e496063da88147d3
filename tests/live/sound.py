"""Sounds for the tests: tones and noise as WAV or G.711, and what is heard in them."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 8000
Samples = NDArray[np.int16]


def tone(frequency: float, seconds: float, rate: int = RATE, level: float = 0.3) -> Samples:
    """A sine at `level` of full scale."""
    time = np.arange(int(seconds * rate)) / rate
    return (level * 32767 * np.sin(2 * np.pi * frequency * time)).astype(np.int16)


def write_wav(path: Path, samples: Samples, rate: int = RATE) -> Path:
    """Write 16-bit mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def read_wav(path: Path) -> Samples:
    """Read 16-bit mono."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def pitch(samples: Samples, rate: int = RATE) -> float:
    """The strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def correlation(heard: Samples, said: Samples) -> float:
    """The normalised correlation of `said` with the part of `heard` where it fits best."""
    a, b = heard.astype(np.float64), said.astype(np.float64)
    size = 1 << (len(a) + len(b)).bit_length()
    products = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)[: max(1, len(a) - len(b) + 1)]
    at = int(np.argmax(products))
    part = a[at : at + len(b)]
    return float(np.dot(part, b) / (np.linalg.norm(part) * np.linalg.norm(b)))

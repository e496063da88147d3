"""WAV files: a reader that gives any of them as mono samples, and a writer whose file is whole after every append.

Read: PCM of 8 and 16 bits, A-law and mu-law, any rate, channels mixed to one. Written: 16-bit PCM.
"""

from __future__ import annotations

import os
import stat
import struct
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.media.g711 import Law, Samples, decode

RATE = 8000
HEADER_SIZE = 44

_PCM, _ALAW, _MULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_MAX_CHUNKS = 64
Reals = npt.NDArray[np.floating[Any]]
# Sizes that mean "until the end": a writer that streamed, or has not patched its header yet.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)


class WavError(ValueError):
    """The file is no WAV that can be read here; the text says why."""


class _Layout(NamedTuple):
    tag: int
    channels: int
    rate: int
    bits: int
    start: int
    size: int  # bytes of data as the header says, or 0 for all there is


def open_regular(path: Path | str, flags: int) -> int:
    """Open a file that is one: a pipe or device would block the loop, so it is refused.

    Raises:
        OSError: it cannot be opened.
        WavError: it is no regular file.
    """
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise WavError(f"{path} is no regular file")
    return fd


def _format(body: bytes) -> tuple[int, int, int, int]:
    if len(body) < 16:
        raise WavError("the fmt chunk is cut")
    tag, channels, rate, _, _, bits = _FORMAT.unpack_from(body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = int.from_bytes(body[24:26], "little")
    if (tag, bits) not in ((_PCM, 8), (_PCM, 16), (_ALAW, 8), (_MULAW, 8)):
        raise WavError(f"format {tag} of {bits} bits; PCM of 8 or 16 bits, A-law and mu-law are read")
    if not 1 <= channels <= 32 or not 1000 <= rate <= 384_000:
        raise WavError(f"{channels} channels at {rate} Hz")
    return tag, channels, rate, bits


def _layout(fd: int) -> _Layout:
    head = os.pread(fd, 12, 0)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise WavError("no RIFF WAVE header")
    found: tuple[int, int, int, int] | None = None
    at = 12
    for _ in range(_MAX_CHUNKS):
        chunk = os.pread(fd, 8, at)
        if len(chunk) < 8:
            break
        name, size = _CHUNK.unpack(chunk)
        if name == b"fmt ":
            found = _format(os.pread(fd, min(size, 40), at + 8))
        elif name == b"data":
            if found is None:
                raise WavError("data before fmt")
            return _Layout(*found, at + 8, 0 if size in _UNKNOWN_SIZES else size)
        at += 8 + size + (size & 1)
    raise WavError("no data chunk")


class Sound(ABC):
    """A file as mono samples at any rate, from any position: a successor goes on where its predecessor was.

    Args:
        step: samples of the file for each one that is wanted.
    """

    def __init__(self, step: float) -> None:
        self._step = step

    @abstractmethod
    def _frames(self, first: int, count: int) -> Reals | Samples:
        """Frames of the file as mono, at its own rate; samples where they are no mixture."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def read(self, position: int, count: int) -> Samples:
        """Up to `count` samples from `position`, both at the rate wanted; fewer at the end, none after it.

        Raises:
            OSError: the file cannot be read any more.
        """
        step = self._step
        if step == 1.0:
            return _rounded(self._frames(position, count))
        first = int(position * step)
        frames = self._frames(first, int((position + count) * step) - first + 2)
        whole = min(count, int((len(frames) + first) / step) - position)
        if whole <= 0:
            return np.zeros(0, np.int16)
        at = (position + np.arange(whole + 1)) * step - first
        resampled = _averaged(frames, at, step) if step > 1 else np.interp(at[:-1], np.arange(len(frames)), frames)
        return _rounded(resampled)


class Reader(Sound):
    """A WAV file being read.

    Args:
        path: the file.
        rate: samples a second that are wanted.

    Raises:
        OSError: it cannot be read.
        WavError: it is no WAV of a format that is read.
    """

    def __init__(self, path: Path | str, rate: int = RATE) -> None:
        self._fd = open_regular(path, os.O_RDONLY)
        try:
            self._layout = _layout(self._fd)
        except BaseException:
            os.close(self._fd)
            raise
        self._width = self._layout.channels * self._layout.bits // 8
        super().__init__(self._layout.rate / rate)
        os.posix_fadvise(self._fd, 0, 1 << 20, os.POSIX_FADV_WILLNEED)

    def _frames(self, first: int, count: int) -> Reals | Samples:
        """As Sound._frames."""
        layout = self._layout
        start, length = first * self._width, count * self._width
        if layout.size:
            length = min(length, layout.size - start)
        data = os.pread(self._fd, max(length, 0), layout.start + start)
        data = data[: len(data) - len(data) % self._width]
        os.posix_fadvise(self._fd, layout.start + start + length, 1 << 18, os.POSIX_FADV_WILLNEED)
        samples: Samples
        if layout.tag == _PCM:
            if layout.bits == 16:
                samples = np.frombuffer(data, "<i2").astype(np.int16)
            else:
                samples = (np.frombuffer(data, np.uint8).astype(np.int16) - 128) * 256
        else:
            samples = decode(np.frombuffer(data, np.uint8), Law.PCMA if layout.tag == _ALAW else Law.PCMU)
        if layout.channels == 1:
            return samples
        mixed: Reals = samples.reshape(-1, layout.channels).mean(axis=1, dtype=np.float64)
        return mixed

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _rounded(values: Reals | Samples) -> Samples:
    if values.dtype == np.int16:
        return values  # type: ignore[return-value]
    samples: Samples = np.clip(np.rint(values), -32768, 32767).astype(np.int16)
    return samples


def _averaged(frames: Reals | Samples, edges: Reals, step: float) -> Reals:
    """The mean of `frames` between each two edges: resampling downwards with a filter as wide as a step."""
    total = np.concatenate((np.zeros(1), np.cumsum(frames)))
    means: Reals = np.diff(np.interp(edges, np.arange(len(total)), total)) / step
    return means


def header(size: int, rate: int = RATE, channels: int = 1) -> bytes:
    """The 44 bytes before `size` bytes of 16-bit samples (sizes past 4 GiB stay at the most there is)."""
    size = min(size, 0xFFFFFFFF - HEADER_SIZE)
    width = 2 * channels
    fmt = _CHUNK.pack(b"fmt ", 16) + _FORMAT.pack(_PCM, channels, rate, width * rate, width, 16)
    return _CHUNK.pack(b"RIFF", size + HEADER_SIZE - 8) + b"WAVE" + fmt + _CHUNK.pack(b"data", size)


class Writer:
    """A WAV file that grows. Its header tells the right length after each append, so that it can be read meanwhile.

    Args:
        path: the file, made or emptied.
        append: go on with a file that this writer made before; one of another shape begins anew.
        rate: samples a second of each channel.
        channels: how many.

    Attributes:
        length: samples of each channel in the file.

    Raises:
        OSError: it cannot be opened or written.
        WavError: it is no regular file.
    """

    def __init__(self, path: Path | str, *, append: bool = False, rate: int = RATE, channels: int = 1) -> None:
        self.rate = rate
        self._channels = channels
        self._width = 2 * channels
        self._fd = open_regular(path, os.O_RDWR | os.O_CREAT)
        self.length = 0
        try:
            if append:
                found = os.pread(self._fd, HEADER_SIZE, 0)
                expected = header(0, rate, channels)
                # All but the two sizes must be ours.
                if found[8:40] == expected[8:40] and found[:4] == expected[:4]:
                    self.length = (os.fstat(self._fd).st_size - HEADER_SIZE) // self._width
            # Half a sample that a kill left behind goes too.
            os.ftruncate(self._fd, HEADER_SIZE + self._width * self.length if self.length else 0)
            self._patch()
        except BaseException:
            os.close(self._fd)
            raise

    def append(self, samples: Samples) -> None:
        """Write samples at the end, those of several channels as columns, then the header.

        Raises:
            OSError: the disk is full or gone; the file holds what was written before.
        """
        data = memoryview(samples.astype("<i2", copy=False).tobytes())
        at = HEADER_SIZE + self._width * self.length
        while data:
            written = os.pwrite(self._fd, data, at)
            at += written
            data = data[written:]
        self.length += len(samples)
        self._patch()

    def pad(self, length: int) -> None:
        """Lengthen the file to `length` samples with silence, as a hole.

        Raises:
            OSError: as :meth:`append`.
        """
        if length > self.length:
            os.ftruncate(self._fd, HEADER_SIZE + self._width * length)
            self.length = length
            self._patch()

    def _patch(self) -> None:
        os.pwrite(self._fd, header(self._width * self.length, self.rate, self._channels), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

"""Files of sound as samples: WAV by ourselves, FLAC, OGG, MP3 and other WAV by libsndfile; where they may be."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from actors.media.wav import Reader, Reals, Sound, WavError, open_regular

_RUN_UP = 16 * 1152  # frames before a place that a decoder is given to settle in
_KEPT = 64


def confined(path: str, folder: str) -> str:
    """The file that `path` is, links followed; `folder` is where files may be, empty for anywhere.

    Raises:
        PermissionError: it is elsewhere.
    """
    if not folder:
        return path
    found = Path(path).resolve()
    if not found.is_relative_to(Path(folder).resolve()):
        raise PermissionError(f"{path} is not in {folder}")
    return str(found)


def open_sound(path: str, rate: int) -> Sound:
    """A file as mono samples at `rate`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is nothing that can be played, or what it needs is not installed.
    """
    try:
        return Reader(path, rate)
    except WavError as error:
        os.close(open_regular(path, os.O_RDONLY))  # a pipe or device is refused here, too
        return SoundFile(path, rate, str(error))


@cache
def _stream() -> Any:  # noqa: ANN401 - it has no types
    """What reads on without a seek: soundfile seeks after each read, and MP3 clicks there.

    Raises:
        ImportError, OSError: it, or libsndfile, is not installed.
    """
    import soundfile  # noqa: PLC0415 - an extra, which only such files need

    class Stream(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Stream


class SoundFile(Sound):
    """A file being read by libsndfile.

    Args:
        path: the file.
        rate: samples a second that are wanted.
        problem: why it is no WAV that we read ourselves.

    Raises:
        OSError: it cannot be read.
        ValueError: libsndfile does not know it, or is not installed.
    """

    def __init__(self, path: str, rate: int, problem: str) -> None:
        try:
            self._file = _stream()(path)
        except (ImportError, OSError) as error:
            raise ValueError(f"{problem}; other files need pip install 'sipactors[files]'") from error
        except RuntimeError as error:  # of libsndfile
            raise ValueError(str(error)) from error
        super().__init__(self._file.samplerate / rate)
        # Blocks overlap by a frame or two; those are kept, for to seek back is to hear MP3 click.
        self._kept: Reals = np.zeros(0)
        self._next = 0

    def _frames(self, first: int, count: int) -> Reals:
        file = self._file
        first = min(first, file.frames)
        back = self._next - first
        if not 0 <= back <= len(self._kept):
            begin = max(0, first - _RUN_UP)
            file.seek(begin)
            file.read(first - begin)
            self._next, back = first, 0
        kept = self._kept[len(self._kept) - back :]
        count = min(count, file.frames - first)
        read = file.read(max(0, count - back), dtype="float64", always_2d=True).mean(axis=1) * 32768
        self._next += len(read)
        frames: Reals = np.concatenate((kept, read))
        self._kept = frames[-_KEPT:]
        return frames[:count]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

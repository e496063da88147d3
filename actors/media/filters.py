"""A user's filter: a file with a function that every 20 ms of every session go through, as samples, both ways.

    def process(heard, said, rate, state):
        return heard, said

`heard` and `said` are numpy arrays of int16, 20 ms at `rate`, what the peer says and what it is to be said; `state` is
a dict that lives as long as the session does, and begins empty after a restart of the process.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from actors.media.g711 import Law, Samples, decode, encode

Filter = Callable[[Samples, Samples, int, dict[str, Any]], tuple[Samples, Samples]]


class FilterError(ValueError):
    """The file cannot be had as a filter; the text says why."""


def load(path: str) -> Filter:
    """The filter in a file.

    Raises:
        FilterError: it cannot be read or run, or has no function `process`.
    """
    spec = importlib.util.spec_from_file_location("sipactors_filter", Path(path))
    if spec is None or spec.loader is None:
        raise FilterError(f"{path}: it is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's file does
        raise FilterError(f"{path}: {type(error).__name__}: {error}") from error
    found = getattr(module, "process", None)
    if not callable(found):
        raise FilterError(f"{path}: it has no function process(heard, said, rate, state)")
    process: Filter = found
    return process


def _linear(frame: bytes, form: int, rate: int) -> Samples:
    """A frame as 20 ms of samples; silence where it is nothing."""
    if not form:
        return np.zeros(rate // 50, np.int16)
    if form in tuple(Law):
        return decode(np.frombuffer(frame, np.uint8), form)
    return np.frombuffer(frame, np.int16)


class Filtered:
    """One session's way through a filter.

    Args:
        process: the filter.
    """

    def __init__(self, process: Filter) -> None:
        self._process = process
        self._state: dict[str, Any] = {}

    def frames(self, heard: tuple[bytes, int], said: tuple[bytes, int], rate: int, form: int) -> tuple[bytes, bytes]:
        """Both frames of a tick, filtered.

        Args:
            heard: of the peer, and its law or kHz; 0 for nothing.
            said: the same of ours.
            rate: samples a second.
            form: the law or kHz that both are wanted in.

        Raises:
            Exception: whatever the filter raises; ValueError where it gives something else than 20 ms.
        """
        came = self._process(_linear(*heard, rate), _linear(*said, rate), rate, self._state)
        sides = [np.asarray(side) for side in came]
        if len(sides) != 2 or any(side.shape != (rate // 50,) for side in sides):
            raise ValueError(f"it gives {[side.shape for side in sides]} and not two times {rate // 50} samples")
        samples = [np.clip(side, -32768, 32767).astype(np.int16) for side in sides]
        coded = form in tuple(Law)
        back, forth = (encode(each, form).tobytes() if coded else each.tobytes() for each in samples)
        return back, forth

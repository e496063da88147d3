"""The settings of prctl(2) that supervision needs, for which Python has no name."""

from __future__ import annotations

import ctypes
import os

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37


def set_parent_death_signal(signal_number: int) -> None:
    """Have `signal_number` sent to this process when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def be_subreaper(*, on: bool) -> None:
    """Whether orphaned descendants become children of this process rather than of init."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(on))


def is_subreaper() -> bool:
    """Whether they do."""
    answer = ctypes.c_int()
    _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(answer))
    return bool(answer.value)


def _prctl(option: int, argument: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

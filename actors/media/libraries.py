"""Shared libraries of the system, by ctypes."""

from __future__ import annotations

import ctypes


def load(name: str, version: int) -> ctypes.CDLL | None:
    """A library; None where it is not installed.

    Args:
        name: such as ``libopus``.
        version: the one that we know, of its binary interface.
    """
    for file in (f"{name}.so.{version}", f"{name}.so"):
        try:
            return ctypes.CDLL(file)
        except OSError:
            continue
    return None

"""What an actor has in hand, in a mapped file: so that its successor knows what killed it, and can leave it out.

A fault (SEGV, ABRT, BUS, FPE, ILL, or a hang) counts two strikes against what was in hand, a plain SIGKILL one, as
that is more often somebody else's doing. At four in a row on the same thing it is quarantined.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

FATAL = 4
_FAULTS = frozenset({"hang", *(f"signal:{number}" for number in (4, 6, 7, 8, 11))})
_HAND = struct.Struct("<IQ")  # who, which; which is 0 for nothing
_STRIKES = struct.Struct("<IQI")  # who, which, how many
_KEY = struct.Struct("<H")
_STRIKES_AT = _HAND.size
_KEY_AT = _STRIKES_AT + _STRIKES.size
_SIZE = 1024


def source(name: str) -> int:
    """A number for where things in hand come from: a peer's name, or a word for our own."""
    return zlib.crc32(name.encode())


EXPIRE = source("expire")  # of deadlines: the number of one stands for its key, not for its turn
DEFERRED = source("deferred")  # of deferred functions, as above: see `deferred`


def deferred(function: Callable[..., object], args: Sequence[object]) -> tuple[int, bytes]:
    """A number for a deferred function that is the same in the next start, and the key of the cell that it is for.

    Args:
        function: the function.
        args: what it is called with; the key is what is one itself, or knows its own as `key`. Empty for none.
    """
    name = getattr(function, "__qualname__", "").encode()
    for each in args:
        key = each if type(each) is bytes else getattr(each, "key", None)
        if type(key) is bytes:
            return zlib.crc32(key, zlib.crc32(name)) + 1, key
    return zlib.crc32(name) + 1, b""


class PoisonError(Exception):
    """What was in hand when this actor died, too often; it is left out."""


class Slot:
    """The slot of one actor.

    Args:
        path: the file, in the run directory; made when missing.
        last_death: how the actor's last start ended, as the supervisor tells.

    Attributes:
        suspect: (source, number) that was in hand when a fault came, or None.
        strikes: how many there are against it.
        key: of the cell that it touched first, empty if that is not known.
        hold: takes number `number` of source `of` in hand: called before its step, as ``hold(of, number)``.
    """

    def __init__(self, path: Path, last_death: str) -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, _SIZE)
            self._map = mmap.mmap(fd, _SIZE)
        finally:
            os.close(fd)
        self.suspect: tuple[int, int] | None = None
        self.strikes = 0
        self.key = b""
        self._judge(last_death)
        self.hold: Callable[[int, int], None] = partial(_HAND.pack_into, self._map, 0)  # no frame of ours: it is hot

    def _judge(self, last_death: str) -> None:
        weight = 2 if last_death in _FAULTS else int(last_death == "kill")
        held = _HAND.unpack_from(self._map)
        *struck, strikes = _STRIKES.unpack_from(self._map, _STRIKES_AT)
        if not held[1] or not weight:
            self._clear()
            return
        if tuple(struck) == held:
            self.strikes = strikes + weight
            size = _KEY.unpack_from(self._map, _KEY_AT)[0]
            start = _KEY_AT + _KEY.size
            self.key = self._map[start : start + size]
        else:
            self.strikes = weight
            _KEY.pack_into(self._map, _KEY_AT, 0)
        _STRIKES.pack_into(self._map, _STRIKES_AT, *held, self.strikes)
        _HAND.pack_into(self._map, 0, 0, 0)
        if self.strikes > 1:  # the third kill in a row makes it worth the care, or the first fault
            self.suspect = held

    def _clear(self) -> None:
        _HAND.pack_into(self._map, 0, 0, 0)
        _STRIKES.pack_into(self._map, _STRIKES_AT, 0, 0, 0)

    @property
    def careful(self) -> bool:
        """Whether to take one message or deadline at a time, until the suspect is past.

        A deferred function is one by itself, and nothing tells that it will not come any more.
        """
        return self.suspect is not None and self.suspect[0] != DEFERRED

    def release(self) -> None:
        """Nothing is in hand: after the commit."""
        self.hold(0, 0)

    def note(self, key: bytes) -> None:
        """The step of the suspect touches this cell."""
        _KEY.pack_into(self._map, _KEY_AT, len(key))
        start = _KEY_AT + _KEY.size
        self._map[start : start + len(key)] = key

    def is_fatal(self, of: int, number: int) -> bool:
        """Whether this is to be left out."""
        return self.strikes >= FATAL and self.suspect == (of, number)

    def is_past(self, of: int, number: int) -> bool:
        """Whether the suspect was before this, so it is harmless or will not come."""
        suspect = self.suspect
        return suspect is not None and suspect[0] == of not in {EXPIRE, DEFERRED} and number > suspect[1]

    def acquit(self) -> None:
        """The suspect is past, or can not come any more."""
        self.suspect = None
        self.strikes = 0
        self.key = b""
        self._clear()

    def close(self) -> None:
        """Unmap it."""
        self._map.close()

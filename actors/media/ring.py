"""A ring of numbered entries in a mapped file: what a loop holds in memory and a kill must not lose.

An entry is written before the next one is thought of, each with a checksum, so that of all entries at most the one in
hand is torn when the process dies. Writing costs a copy and a checksum, no system call.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

_HEAD = struct.Struct("<QIHH")
_CHECKSUM = struct.Struct("<I")
_OVERHEAD = _HEAD.size + _CHECKSUM.size


class Entry(NamedTuple):
    """One entry.

    Attributes:
        number: rises by one or more from entry to entry; its place in the ring follows from it.
        stamp: 32 bits of the user's.
        kind: 16 bits of the user's.
        content: at most as long as the ring's entries are.
    """

    number: int
    stamp: int
    kind: int
    content: bytes


class Ring:
    """The last `entries` entries, kept over a kill of the process.

    Args:
        path: the file; made when it is not there.
        entries: how many it holds.
        room: bytes of content an entry has room for.
        anew: forget what a predecessor left.

    Raises:
        OSError: the file cannot be made at its full size.
    """

    def __init__(self, path: Path, *, entries: int, room: int, anew: bool = True) -> None:
        self._path = path
        self._entries = entries
        self._room = room
        self._stride = room + _OVERHEAD
        length = entries * self._stride
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if anew or os.fstat(fd).st_size != length:
                os.ftruncate(fd, 0)
            # Space is taken now: a mapped page that finds the disk full later would be a SIGBUS.
            os.posix_fallocate(fd, 0, length)
            self._map = mmap.mmap(fd, length)
        finally:
            os.close(fd)
        self._next = 0 if anew else max((entry.number for entry in self.read()), default=-1) + 1

    def append(self, stamp: int, kind: int, content: bytes) -> None:
        """Write an entry numbered one above the last one appended."""
        self.write(self._next, stamp, kind, content)
        self._next += 1

    def write(self, number: int, stamp: int, kind: int, content: bytes) -> None:
        """Put an entry in place of the oldest; one that is longer than there is room is not kept."""
        if len(content) > self._room:
            return
        data = _HEAD.pack(number, stamp, kind, len(content)) + content
        at = number % self._entries * self._stride
        self._map[at : at + len(data) + 4] = data + crc32(data).to_bytes(4, "little")

    def read(self) -> list[Entry]:
        """The entries that are whole, in the order of their numbers."""
        found = []
        for place in range(self._entries):
            at = place * self._stride
            number, stamp, kind, size = _HEAD.unpack_from(self._map, at)
            end = at + _HEAD.size + size
            if size > self._room or number % self._entries != place:
                continue
            if crc32(self._map[at:end]) == _CHECKSUM.unpack_from(self._map, end)[0]:
                found.append(Entry(number, stamp, kind, bytes(self._map[at + _HEAD.size : end])))
        return sorted(found)

    def close(self) -> None:
        """Unmap it; the file stays for a successor."""
        self._map.close()

    def remove(self) -> None:
        """Unmap it and delete the file: nothing is to be taken up any more."""
        self._map.close()
        self._path.unlink(missing_ok=True)

"""The mapped record of every session: what must outlive a kill between two packets, in one file of a slot a port pair.

A slot holds two copies, written in turn, each with its generation last and a checksum over all of it. A copy is
written before the packets it speaks of are sent, so of two copies at most one is torn, and nothing it says was sent.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

COPY = 320
_SLOT = 2 * COPY
_HEAD = struct.Struct("<8sII")
_HEAD_SIZE = 64
_MAGIC = b"sipmedia"
_VERSION = 1
_CHECKSUM = struct.Struct("<I")
_GENERATION = struct.Struct("<Q")


class Copy(NamedTuple):
    """A copy whose checksum is right."""

    generation: int
    body: bytes


class Records:
    """The record file of one media process, kept over its restarts.

    Args:
        path: the file, made when it is not there or is of another shape; then it knows no session.
        slots: how many port pairs.
        size: bytes of a body, the same for all.

    Attributes:
        path: the file.

    Raises:
        OSError: the file cannot be made at its full size.
        ValueError: a body does not fit a slot.
    """

    def __init__(self, path: Path, slots: int, size: int) -> None:
        if size + _GENERATION.size + _CHECKSUM.size > COPY:
            raise ValueError(f"{size} bytes do not fit a record")
        self._size = size
        self._length = size + _GENERATION.size
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._map = _mapped(fd, _HEAD.pack(_MAGIC, _VERSION, slots), _HEAD_SIZE + slots * _SLOT)
        finally:
            os.close(fd)
        self._copies = np.frombuffer(self._map, np.uint8, slots * _SLOT, _HEAD_SIZE).reshape(slots, 2, COPY)

    def write(self, slot: int, generation: int, body: bytes) -> None:
        """Write the copy of `generation`; the one before it stays."""
        data = body + _GENERATION.pack(generation)
        at = _HEAD_SIZE + slot * _SLOT + (generation & 1) * COPY
        self._map[at : at + self._length + 4] = data + crc32(data).to_bytes(4, "little")

    def sheet(self, rows: int) -> Sheet:
        """For so many slots that are written in one go."""
        return Sheet(rows, self._size)

    def write_rows(self, slots: npt.NDArray[np.intp], generations: npt.NDArray[np.int64], sheet: Sheet) -> None:
        """Write the copies of these generations of the first rows; each is whole before the next one is begun."""
        lines = sheet.sealed(generations)
        self._copies[slots, generations & 1, : lines.shape[1]] = lines

    def read(self, slot: int) -> list[Copy]:
        """The copies of a slot that are whole, the newest first."""
        found = []
        for which in (0, 1):
            at = _HEAD_SIZE + slot * _SLOT + which * COPY
            data = self._map[at : at + self._length]
            (checksum,) = _CHECKSUM.unpack_from(self._map, at + self._length)
            (generation,) = _GENERATION.unpack_from(data, self._size)
            if checksum == crc32(data) and generation & 1 == which:
                found.append(Copy(generation, data[: self._size]))
        return sorted(found, reverse=True)

    def close(self) -> None:
        """Unmap the file."""
        del self._copies
        self._map.close()


class Sheet:
    """Bodies of many slots, kept as they stand in a copy.

    Args:
        rows: how many there can be.
        size: bytes of a body.

    Attributes:
        bodies: a body a row.
    """

    def __init__(self, rows: int, size: int) -> None:
        length = size + _GENERATION.size
        self._lines = lines = np.zeros((rows, length + _CHECKSUM.size), np.uint8)
        self.bodies = lines[:, :size]
        self._generations = lines[:, size:length].view("<u8")[:, 0]
        self._checksums = lines[:, length:].view("<u4")[:, 0]
        self._checked = [line.data for line in lines[:, :length]]

    def sealed(self, generations: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """The copies of these generations of the first rows, checksums and all."""
        count = len(generations)
        self._generations[:count] = generations
        self._checksums[:count] = list(map(crc32, self._checked[:count]))
        return self._lines[:count]


def _mapped(fd: int, head: bytes, length: int) -> mmap.mmap:
    """Map the file, begun anew unless it is of this very shape."""
    if os.fstat(fd).st_size != length or os.pread(fd, len(head), 0) != head:
        os.ftruncate(fd, 0)
        # Space is taken now: a mapped page that finds the disk full later would be a SIGBUS.
        os.posix_fallocate(fd, 0, length)
        os.pwrite(fd, head, 0)
    return mmap.mmap(fd, length)

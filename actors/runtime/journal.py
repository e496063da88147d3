r"""The write-ahead store of one actor: its cells, outbox and marks, in one LMDB environment in tmpfs.

One commit holds all that a batch changed, so that a kill at any instant leaves the state before the batch or after it.
Durability is against the death of the process, not of the machine: the pages belong to the kernel once written.

Keys of the one table, by their first byte::

    c<cell>                       version, crc32, deadline, snapshot
    d<deadline, big endian><cell> empty: deadlines sort by time, so a restart lists them without decoding a cell
    o<peer>\0<sequence>           an envelope not yet acknowledged
    m<name>                       small values: marks, reserved sequences, the journal's own identity
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import lmdb

STEP = 16 * 1024 * 1024
KEY_LIMIT = 400
_VERSION = 1
_HEAD = struct.Struct(">BId")  # version, crc32 of what follows it, deadline (0 for none)
_DEADLINE = struct.Struct(">d")
_SEQUENCE = struct.Struct(">Q")
_NONE = 0.0


class JournalError(Exception):
    """The journal cannot be used."""


class JournalFull(JournalError):  # noqa: N818 - says what is, as OSError's kin do
    """The disk has no room for the journal to grow."""


class StaleEpoch(JournalError):  # noqa: N818
    """A successor has opened the journal: this process must not write any more."""


class JournalCorrupt(JournalError):  # noqa: N818
    """The snapshot of one cell fails its checksum or is of another version."""

    def __init__(self, key: bytes) -> None:
        super().__init__(f"snapshot of cell {key!r} is corrupt")
        self.key = key


class Changes:
    """What one commit writes. Cleared by the commit and used again.

    Attributes:
        cells: key -> (snapshot, deadline); a snapshot of None deletes the cell.
        sent: the outbox's new envelopes: (peer, sequence, bytes).
        acked: peer -> the highest sequence that needs no keeping any more.
        meta: small values by name.
    """

    __slots__ = ("acked", "cells", "meta", "sent")

    def __init__(self) -> None:
        self.cells: dict[bytes, tuple[bytes | None, float | None]] = {}
        self.sent: list[tuple[str, int, bytes]] = []
        self.acked: dict[str, int] = {}
        self.meta: dict[bytes, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self.cells or self.sent or self.acked or self.meta)

    def clear(self) -> None:
        """Forget everything, after the commit."""
        self.cells.clear()
        self.sent.clear()
        self.acked.clear()
        self.meta.clear()


def boot_id() -> bytes:
    """The kernel's id of this boot: CLOCK_BOOTTIME deadlines mean nothing in another."""
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()


class Journal:
    """One actor's journal.

    Args:
        path: the LMDB file; made with its folder when missing. A file that LMDB refuses is replaced by an empty one.
        epoch: of this start of the actor, above that of every start before.
        durable: keep it over a reboot (then every old deadline is due at once) and let :meth:`flush` sync it.

    Raises:
        StaleEpoch: a later start of the actor has it.
        JournalFull: no room for the first step.
    """

    def __init__(self, path: Path, *, epoch: int, durable: bool = False) -> None:
        self._path = path
        self._epoch = struct.pack(">Q", epoch)
        self.durable = durable
        self.full = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._env = self._open_or_replace()
        self.journal_id = self._claim()

    # Opening

    def _open_or_replace(self) -> lmdb.Environment:
        try:
            return self._open()
        except (lmdb.CorruptedError, lmdb.InvalidError, lmdb.VersionMismatchError):
            # Nothing in it can be believed; the new journal_id tells the neighbours.
            self._path.unlink()
            return self._open()

    def _open(self) -> lmdb.Environment:
        size = self._path.stat().st_size if self._path.exists() else 0
        self._size = max(STEP, -(-size // STEP) * STEP)
        env = lmdb.open(
            str(self._path),
            subdir=False,
            map_size=self._size,
            sync=False,
            writemap=True,
            map_async=True,
            lock=True,
            readahead=False,
            max_spare_txns=2,
        )
        self._allocate(self._size)  # LMDB takes only an empty file or one of its own, so not before
        env.reader_check()
        return env

    def _allocate(self, size: int) -> None:
        """Give the file real blocks first: with writemap a hole that cannot be filled is a SIGBUS, not an error."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            raise JournalFull(f"{self._path}: no room for {size} bytes: {error.strerror}") from error
        finally:
            os.close(fd)

    def _claim(self) -> str:
        """Take the journal for this epoch; discard what another boot left, unless it is to be kept."""
        boot = boot_id()
        with self._env.begin(write=True) as txn:
            held = txn.get(b"m!epoch")
            if held is not None and held > self._epoch:
                raise StaleEpoch(f"{self._path}: a later start has it")
            same_boot = txn.get(b"m!boot") == boot
            identity = txn.get(b"m!journal")
            if identity is None or not (same_boot or self.durable):
                txn.drop(self._env.open_db(txn=txn), delete=False)
                identity = secrets.token_hex(8).encode()
            elif not same_boot:
                _make_due(txn)
            txn.put(b"m!journal", identity)
            txn.put(b"m!boot", boot)
            txn.put(b"m!epoch", self._epoch)
        return identity.decode()

    # Reading

    def cell(self, key: bytes) -> bytes | None:
        """The snapshot of a cell, None when there is none.

        Raises:
            JournalCorrupt: it cannot be believed.
        """
        with self._env.begin() as txn:
            value = txn.get(b"c" + key)
        return None if value is None else _snapshot(key, value)

    def keys(self) -> list[bytes]:
        """The keys of all cells."""
        with self._env.begin() as txn:
            return [key[1:] for key in _keys(txn, b"c")]

    def deadlines(self) -> list[tuple[float, bytes]]:
        """Every cell that has a deadline, earliest first."""
        with self._env.begin() as txn:
            return [(_DEADLINE.unpack_from(key, 1)[0], key[9:]) for key in _keys(txn, b"d")]

    def meta(self, name: bytes) -> bytes | None:
        """A small value by name."""
        with self._env.begin() as txn:
            value: bytes | None = txn.get(b"m" + name)
        return value

    def outbox(self, peer: str) -> list[tuple[int, bytes]]:
        """The envelopes to `peer` that it has not acknowledged, in order."""
        prefix = b"o" + peer.encode() + b"\0"
        start = len(prefix)
        with self._env.begin() as txn:
            return [(_SEQUENCE.unpack_from(key, start)[0], value) for key, value in _prefixed(txn, prefix)]

    # Writing

    def commit(self, changes: Changes) -> None:
        """Write all of `changes` or nothing, then clear it.

        Raises:
            StaleEpoch: a successor has taken over.
            JournalFull: it had to grow and could not; nothing was written.
            ValueError: a key is longer than 400 bytes.
        """
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    self._write(txn, changes)
                break
            except lmdb.MapFullError:
                self._grow()
            except lmdb.BadValsizeError as error:
                raise ValueError("a key of the journal is longer than 400 bytes") from error
        changes.clear()

    def _write(self, txn: lmdb.Transaction, changes: Changes) -> None:
        get, put, delete = txn.get, txn.put, txn.delete
        if get(b"m!epoch") != self._epoch:
            raise StaleEpoch(f"{self._path}: a later start has it")
        for key, (snapshot, deadline) in changes.cells.items():
            at = b"c" + key
            old = get(at)
            before = _HEAD.unpack_from(old)[2] if old is not None else _NONE
            if snapshot is None:
                after = _NONE
                delete(at)
            else:
                after = deadline or _NONE
                put(at, _sealed(snapshot, after))
            if before != after:
                if before:
                    delete(b"d" + _DEADLINE.pack(before) + key)
                if after:
                    put(b"d" + _DEADLINE.pack(after) + key, b"")
        for peer, sequence, envelope in changes.sent:
            put(b"o" + peer.encode() + b"\0" + _SEQUENCE.pack(sequence), envelope)
        for peer, mark in changes.acked.items():
            _drop_acknowledged(txn, b"o" + peer.encode() + b"\0", mark)
        for name, value in changes.meta.items():
            put(b"m" + name, value)

    def _grow(self) -> None:
        try:
            self._allocate(self._size + STEP)
        except JournalFull:
            self.full = True
            raise
        self._size += STEP
        self._env.set_mapsize(self._size)

    def housekeep(self) -> None:
        """Once a minute: forget dead readers, and grow ahead of need; `full` tells the edges to refuse new calls.

        What is in progress still has the last quarter of the map when the disk is full.
        """
        self._env.reader_check()
        used = self._env.info()["last_pgno"] * self._env.stat()["psize"]
        self.full = False
        if used > self._size * 3 // 4:
            try:
                self._grow()
            except JournalFull:
                self.full = True

    def flush(self) -> None:
        """Write a durable journal through to the disk."""
        if self.durable:
            self._env.sync(True)

    def close(self) -> None:
        """Close it; nothing is lost without."""
        self._env.close()


def _sealed(snapshot: bytes, deadline: float) -> bytes:
    head = _HEAD.pack(_VERSION, zlib.crc32(snapshot), deadline)
    return head + snapshot


def _snapshot(key: bytes, value: bytes) -> bytes:
    if len(value) < _HEAD.size:
        raise JournalCorrupt(key)
    version, checksum, _ = _HEAD.unpack_from(value)
    snapshot = value[_HEAD.size :]
    if version != _VERSION or zlib.crc32(snapshot) != checksum:
        raise JournalCorrupt(key)
    return snapshot


def _prefixed(txn: lmdb.Transaction, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    with txn.cursor() as cursor:
        if not cursor.set_range(prefix):
            return
        for item, value in cursor:
            key = bytes(item)
            if not key.startswith(prefix):
                return
            yield key, bytes(value)


def _keys(txn: lmdb.Transaction, prefix: bytes) -> Iterator[bytes]:
    """As _prefixed, without touching the values' pages."""
    with txn.cursor() as cursor:
        if not cursor.set_range(prefix):
            return
        for item in cursor.iternext(keys=True, values=False):
            key = bytes(item)
            if not key.startswith(prefix):
                return
            yield key


def _drop_acknowledged(txn: lmdb.Transaction, prefix: bytes, mark: int) -> None:
    last = prefix + _SEQUENCE.pack(mark)
    with txn.cursor() as cursor:
        found = cursor.set_range(prefix)
        while found and bytes(cursor.key()) <= last:
            found = cursor.delete()
            # the cursor stands on the next entry, or nowhere after the last of the table
            found = found and bool(cursor.key())


def _make_due(txn: lmdb.Transaction) -> None:
    """Let every deadline of another boot be due at once: never later than it was meant."""
    for key in list(_keys(txn, b"d")):
        cell = key[9:]
        txn.delete(key)
        value = txn.get(b"c" + cell)
        if value is not None and len(value) >= _HEAD.size:
            version, checksum, _ = _HEAD.unpack_from(value)
            due = 1e-9
            txn.put(b"c" + cell, _HEAD.pack(version, checksum, due) + value[_HEAD.size :])
            txn.put(b"d" + _DEADLINE.pack(due) + cell, b"")

r"""The write-ahead store of one actor: its cells, outbox and marks, in one LMDB environment in tmpfs.

One commit holds all that a batch changed, so that a kill at any instant leaves the state before the batch or after it.
Durability is against the death of the process, not of the machine: the pages belong to the kernel once written.

Keys of the one table, by their first byte::

    c<cell>                 version, crc32 of what follows, deadline, snapshot; a restart lists the deadlines from here
    o<peer>\0<last><first>  a run of envelopes numbered without a gap, not yet acknowledged: each its length, its bytes
    m<name>                 small values: marks, reserved sequences, the journal's own identity

A batch's envelopes to one peer are one run, as they leave together and are acknowledged together.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb

STEP = 16 * 1024 * 1024
KEY_LIMIT = 400
_FORMAT = b"2"  # of the whole; a journal of another format is discarded, as one of another boot
_VERSION = 2  # of a cell
_HEAD = struct.Struct(">BI")  # version, crc32 of what follows it
_DEADLINE = struct.Struct(">d")  # 0 for none
_SNAPSHOT_AT = _HEAD.size + _DEADLINE.size
_RUN = struct.Struct(">QQ")  # the numbers of its last and first envelope; the last leads, so that an Ack finds its end
_LENGTH = struct.Struct(">I")
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
            known = txn.get(b"m!format") == _FORMAT
            if identity is None or not known or not (same_boot or self.durable):
                txn.drop(self._env.open_db(txn=txn), delete=False)
                identity = secrets.token_hex(8).encode()
            elif not same_boot:
                _make_due(txn)
            txn.put(b"m!journal", identity)
            txn.put(b"m!format", _FORMAT)
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
        """Every cell that has a deadline, earliest first; no snapshot is copied or checked for it."""
        with self._env.begin(buffers=True) as txn:
            return sorted((at, bytes(key[1:])) for key, value in _prefixed(txn, b"c") if (at := _deadline(value)))

    def meta(self, name: bytes) -> bytes | None:
        """A small value by name."""
        with self._env.begin() as txn:
            value: bytes | None = txn.get(b"m" + name)
        return value

    def outbox(self, peer: str) -> list[tuple[int, bytes]]:
        """The envelopes to `peer` that it has not acknowledged, in order."""
        prefix = b"o" + peer.encode() + b"\0"
        found: list[tuple[int, bytes]] = []
        with self._env.begin() as txn:
            for key, run in _prefixed(txn, prefix):
                found += enumerate(_envelopes(run), _RUN.unpack_from(key, len(prefix))[1])
        return found

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
        put, delete = txn.put, txn.delete
        if txn.get(b"m!epoch") != self._epoch:
            raise StaleEpoch(f"{self._path}: a later start has it")
        for key, (snapshot, deadline) in changes.cells.items():
            if snapshot is None:
                delete(b"c" + key)
            else:
                put(b"c" + key, _sealed(snapshot, deadline or _NONE))
        for peer, first, envelopes in _runs(changes.sent):
            last = first + len(envelopes) - 1
            put(b"o" + peer.encode() + b"\0" + _RUN.pack(last, first), _joined(envelopes))
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

        What is in progress still has the last quarter of the map when the disk is full. LMDB never gives up a page that
        it has used once, so it is its tree that tells when there is room again: half is left for how pages lie.
        """
        self._env.reader_check()
        stat = self._env.stat()
        touched = self._env.info()["last_pgno"] * stat["psize"]
        self.full = False
        if touched > self._size * 3 // 4:
            try:
                self._grow()
            except JournalFull:
                used = (stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]) * stat["psize"]
                self.full = used > self._size // 2

    def flush(self) -> None:
        """Write a durable journal through to the disk."""
        if self.durable:
            self._env.sync(True)

    def close(self) -> None:
        """Close it; nothing is lost without."""
        self._env.close()


def _sealed(snapshot: bytes, deadline: float) -> bytes:
    content = _DEADLINE.pack(deadline) + snapshot
    return _HEAD.pack(_VERSION, zlib.crc32(content)) + content


def _snapshot(key: bytes, value: bytes) -> bytes:
    if len(value) < _SNAPSHOT_AT:
        raise JournalCorrupt(key)
    version, checksum = _HEAD.unpack_from(value)
    if version != _VERSION or zlib.crc32(memoryview(value)[_HEAD.size :]) != checksum:
        raise JournalCorrupt(key)
    return value[_SNAPSHOT_AT:]


def _deadline(value: bytes) -> float:
    """The deadline of a sealed cell, not checked; 0 for none."""
    return float(_DEADLINE.unpack_from(value, _HEAD.size)[0]) if len(value) >= _SNAPSHOT_AT else _NONE


def _runs(sent: list[tuple[str, int, bytes]]) -> list[tuple[str, int, list[bytes]]]:
    """The envelopes as runs without a gap: (peer, number of the first, envelopes)."""
    runs: list[tuple[str, int, list[bytes]]] = []
    latest: dict[str, tuple[str, int, list[bytes]]] = {}
    for peer, sequence, envelope in sent:
        run = latest.get(peer)
        if run is None or sequence != run[1] + len(run[2]):
            run = latest[peer] = (peer, sequence, [])
            runs.append(run)
        run[2].append(envelope)
    return runs


def _joined(envelopes: list[bytes]) -> bytes:
    return b"".join([part for envelope in envelopes for part in (_LENGTH.pack(len(envelope)), envelope)])


def _envelopes(run: bytes) -> Iterator[bytes]:
    """The envelopes of a run as :func:`_joined` made it."""
    at = 0
    while at < len(run):
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack_from(run, at)[0]
        yield run[start:at]


def _prefixed(txn: lmdb.Transaction, prefix: bytes) -> Iterator[tuple[Any, Any]]:
    """Keys and values of one kind, as the transaction gives them: bytes, or views that live as long as it does."""
    with txn.cursor() as cursor:
        if not cursor.set_range(prefix):
            return
        for key, value in cursor:
            if key[: len(prefix)] != prefix:
                return
            yield key, value


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
    """Delete the envelopes up to `mark`; a run that goes on after it is cut."""
    with txn.cursor() as cursor:
        found = cursor.set_range(prefix)
        while found:
            key = bytes(cursor.key())  # empty behind the last of the table
            if not key.startswith(prefix):
                return
            last, first = _RUN.unpack_from(key, len(prefix))
            if first > mark:
                return
            if last > mark:
                left = list(_envelopes(bytes(cursor.value())))[mark - first + 1 :]
                cursor.delete()
                txn.put(prefix + _RUN.pack(last, mark + 1), _joined(left))
                return
            found = cursor.delete()


def _make_due(txn: lmdb.Transaction) -> None:
    """Let every deadline of another boot be due at once: never later than it was meant."""
    for key in list(_keys(txn, b"c")):
        value = bytes(txn.get(key, b""))
        if _deadline(value):
            try:
                snapshot = _snapshot(key[1:], value)
            except JournalCorrupt:
                continue  # its owner finds out when it reads it
            txn.put(key, _sealed(snapshot, 1e-9))

"""What control keeps over a reboot, in a durable journal in the state directory: the event log and settled commands.

Events are kept in segments, each a cell keyed by its first number; the last is written again with what is added until
it is full. Writing is atomic; the disk is synced once a save, so a power failure may cost the last moments, never the
order or the numbers.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import lmdb
import msgspec

from actors.control.idempotency import Settled
from actors.control.log import RESERVED
from actors.runtime.journal import Changes, Journal, JournalCorrupt, JournalError, StaleEpoch

SEGMENT = 100  # events that a segment has at least, but for the last one

_NUMBER = struct.Struct(">Q")
_EVENTS = b"e"
_COMMANDS = b"k"
_segment = msgspec.msgpack.Decoder(list[tuple[int, bytes]])
_settled = msgspec.msgpack.Decoder(Settled)
_encode = msgspec.msgpack.Encoder().encode


class StoreError(Exception):
    """The disk refuses; nothing was written, it may be asked for again."""


class Stored(NamedTuple):
    """What was kept.

    Attributes:
        events: numbered and encoded, in order; a batch that failed its checksum is missing.
        commands: settled commands by idempotency key.
        reserved: no number above it was ever used.
    """

    events: list[tuple[int, bytes]]
    commands: dict[bytes, Settled]
    reserved: int


class Store:
    """The durable journal.

    Args:
        path: its file.
        epoch: of this start of control.

    Raises:
        JournalError: it cannot be opened.
    """

    def __init__(self, path: Path, epoch: int) -> None:
        self._journal = Journal(path, epoch=epoch, durable=True)
        self._segments: deque[tuple[int, int]] = deque()  # first and last number of each
        self._growing: list[tuple[int, bytes]] = []  # the events of the last, while it may grow
        self._changes = Changes()
        self.log_id = self._journal.journal_id

    def load(self) -> Stored:
        """Read everything, oldest first."""
        events: list[tuple[int, bytes]] = []
        commands: dict[bytes, Settled] = {}
        for key in self._journal.keys():  # noqa: SIM118 - no mapping
            try:
                data = self._journal.cell(key) or b""
            except JournalCorrupt:
                self._changes.cells[key] = (None, None)
                continue
            if key[:1] == _EVENTS:
                self._growing = _segment.decode(data)
                self._segments.append((self._growing[0][0], self._growing[-1][0]))
                events += self._growing
            else:
                commands[key[1:]] = _settled.decode(data)
        reserved = self._journal.meta(b"reserved")
        return Stored(events, commands, 0 if reserved is None else _NUMBER.unpack(reserved)[0])

    def settle(self, key: bytes, command: Settled | None) -> None:
        """Keep a settled command, or forget it, with the next save."""
        self._changes.cells[_COMMANDS + key] = (None if command is None else _encode(command), None)

    def save(self, events: Iterable[tuple[int, bytes]], *, oldest: int, last: int, closing: bool = False) -> None:
        """Write new events and what settle was told, drop batches wholly below `oldest`, and sync.

        Args:
            events: numbered and encoded, above all saved before.
            oldest: the first number that is still of use.
            last: the last number used so far.
            closing: no number is used between this and the next start.

        Raises:
            StoreError: the disk refuses.
            StaleEpoch: a later start of control has the store.
        """
        growing = self._growing if len(self._growing) < SEGMENT else []
        cells = self._changes.cells
        for first, end in self._segments:
            if end >= oldest:
                break
            cells[_segment_key(first)] = (None, None)
        if batch := list(events):  # after those to go: it may be one of them that goes on
            growing = [*growing, *batch]
            cells[_segment_key(growing[0][0])] = (_encode(growing), None)
        self._changes.meta[b"reserved"] = _NUMBER.pack(last + (0 if closing else RESERVED))
        try:
            self._journal.commit(self._changes)
            self._journal.flush()
        except StaleEpoch:
            raise
        except (JournalError, lmdb.Error, OSError) as error:
            raise StoreError(str(error)) from error
        if batch:
            if self._segments and self._segments[-1][0] == growing[0][0]:
                self._segments.pop()
            self._segments.append((growing[0][0], growing[-1][0]))
            self._growing = growing
        while self._segments and self._segments[0][1] < oldest:
            self._segments.popleft()

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


def _segment_key(first: int) -> bytes:
    return _EVENTS + _NUMBER.pack(first)

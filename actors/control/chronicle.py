"""The event log with both its keepers: cells until it is on the disk, the durable store from then on.

A cell is written in the commit that takes the event off its pipe, so a kill loses no event and logs none twice. The
store is written at most once a second and synced; then the cells go. What a kill left in both is known by its number.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Protocol

from actors.control.log import EventLog, encode_event
from actors.control.store import Store, StoreError
from actors.runtime.machine import Event

SAVE_INTERVAL = 1.0  # seconds between two syncs
SAVE_RETRY = 10.0  # seconds after the disk refused one

_NUMBER = struct.Struct(">Q")
_PREFIX = b"e"


class Logged(Event, frozen=True):
    """An event that is in the log but not yet in the store."""

    data: bytes


class CellMap(Protocol):
    """What is used of the actor's cells."""

    def keys(self) -> list[bytes]:
        """All keys."""

    def put(self, key: bytes, value: Any, deadline: float | None = None) -> None:  # noqa: ANN401
        """Set a cell."""

    def delete(self, key: bytes) -> None:
        """End a cell."""


class Chronicle:
    """The log, restored and kept.

    Args:
        log: in memory, empty.
        cells: the actor's.
        store: the durable one.
        warn: told in words when the disk refuses.
    """

    def __init__(self, log: EventLog, cells: CellMap, store: Store, warn: Callable[..., None]) -> None:
        self.log = log
        self.save_at: float | None = None
        self._cells = cells
        self._store = store
        self._warn = warn
        self._unsaved: list[tuple[int, bytes]] = []
        self._next = 1

    def restore(
        self,
        events: list[tuple[int, bytes]],
        reserved: int,
        cell: Callable[[bytes], Any],
        now: float,
        *,
        same_run: bool,
    ) -> None:
        """Fill the log from what the store kept and from the cells.

        Args:
            events: the store's.
            reserved: the store's: no number above it was used.
            cell: gives a cell, None for one that cannot be believed.
            now: seconds.
            same_run: the cells are of the same run directory, so nothing is lost and the numbers go on. Else the last
                moments before may be, and so the numbers go on above those reserved: none is ever used twice.
        """
        for number, data in events:
            self.log.append(number, data)
        kept = self.log.last
        for key in sorted(key for key in self._cells.keys() if key[:1] == _PREFIX):  # noqa: SIM118 - not a dict
            number = _NUMBER.unpack(key[1:])[0]
            logged = cell(key) if number > kept else None
            if logged is None:
                self._cells.delete(key)
            else:
                self.log.append(number, logged.data)
                self._unsaved.append((number, logged.data))
        if not same_run:
            self.log.skip_to(max(reserved, self.log.last) + 1)
        self._next = self.log.last + 1
        if self._unsaved:
            self.save_at = now

    def record(self, event: Event) -> tuple[int, bytes]:
        """Give `event` its number and put it into a cell; hand the result to :meth:`committed` after the commit."""
        number = self._next
        data = encode_event(number, event)
        self._cells.put(_PREFIX + _NUMBER.pack(number), Logged(data))
        self._next = number + 1  # last of all: a step that is undone has used no number
        return number, data

    def committed(self, number: int, data: bytes, now: float) -> None:
        """The event is safe: readers may have it."""
        self.log.append(number, data)
        self._unsaved.append((number, data))
        if self.save_at is None:
            self.save_at = now + SAVE_INTERVAL

    def touch(self, now: float) -> None:
        """Something else is to be saved, within the interval."""
        if self.save_at is None:
            self.save_at = now + SAVE_INTERVAL

    def save(self, now: float, *, closing: bool = False) -> None:
        """Write to the disk what is not there, and let its cells go. A disk that refuses is tried again later."""
        self.save_at = None
        try:
            self._store.save(self._unsaved, oldest=self.log.first, last=self.log.last, closing=closing)
        except StoreError as error:
            self._warn("the event log cannot be saved", error=str(error))
            self.save_at = now + SAVE_RETRY
            self._let_go([entry for entry in self._unsaved if entry[0] < self.log.first])
            return
        self._let_go(list(self._unsaved))

    def _let_go(self, entries: list[tuple[int, bytes]]) -> None:
        """Forget the first `entries` of those unsaved: they are saved, or fell out of the bounded log."""
        for number, _ in entries:
            self._cells.delete(_PREFIX + _NUMBER.pack(number))
        del self._unsaved[: len(entries)]

"""The cells of an actor: its machines by key, kept as bytes in the journal until they are touched."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from actors.runtime.journal import KEY_LIMIT, Changes, Journal, JournalCorrupt
from actors.runtime.link import NEVER

_ABSENT: Any = object()


class Cells:
    """A mapping of keys to immutable values, each with an optional deadline, that can undo a step.

    Args:
        journal: where they are restored from; only the keys and deadlines are read now.
        kind: the type of a value, as msgspec decodes it.

    Attributes:
        touched: the first key that the step in hand read or wrote, None before.
        witness: called with that key at once, before anything else is done with the cell.
    """

    def __init__(self, journal: Journal, kind: Any) -> None:  # noqa: ANN401
        self._journal = journal
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(kind).decode
        self._live: dict[bytes, Any] = {}
        self._stored: set[bytes] = set(journal.keys())
        self._numbers = Counter(key[:1] for key in self._stored)
        self._heap = journal.deadlines()  # ascending, so a heap
        self._deadlines: dict[bytes, float] = {key: deadline for deadline, key in self._heap}
        self._dirty: set[bytes] = set()
        self._undo: list[tuple[bytes, Any, float | None]] = []
        self.touched: bytes | None = None
        self.witness: Callable[[bytes], None] | None = None

    def __len__(self) -> int:
        return len(self._live) + len(self._stored)

    def __contains__(self, key: bytes) -> bool:
        return key in self._live or key in self._stored

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.keys())

    def number(self, mark: bytes) -> int:
        """How many there are whose keys begin with `mark`, one byte: known without a look at any of them."""
        return self._numbers[mark]

    def keys(self) -> list[bytes]:
        """All keys; none of the values is decoded for it."""
        return [*self._live, *self._stored]

    def get(self, key: bytes) -> Any:  # noqa: ANN401
        """The value of a cell, None when there is none.

        Raises:
            JournalCorrupt: it was restored and cannot be believed, by its checksum or because it is not of its type.
        """
        if self.touched is None:
            self._touch(key)
        value = self._live.get(key)
        if value is None and key in self._stored:
            return self._restore(key)
        return value

    def _touch(self, key: bytes) -> None:
        self.touched = key
        if self.witness is not None:
            self.witness(key)

    def _restore(self, key: bytes) -> Any:  # noqa: ANN401
        snapshot = self._journal.cell(key)
        if snapshot is None:
            raise JournalCorrupt(key)
        try:
            value = self._decode(snapshot)
        except msgspec.DecodeError as error:
            raise JournalCorrupt(key) from error
        self._stored.discard(key)
        self._live[key] = value
        return value

    def put(self, key: bytes, value: Any, deadline: float | None = None) -> None:  # noqa: ANN401
        """Set a cell, and the second at which it is to expire. What was in it need not be readable.

        Raises:
            ValueError: the key is longer than 400 bytes.
        """
        if len(key) > KEY_LIMIT:
            raise ValueError(f"the key of a cell has at most {KEY_LIMIT} bytes, not {len(key)}")
        if self.touched is None:
            self._touch(key)
        before = self._deadlines.get(key)
        live = self._live
        old = live.get(key, _ABSENT)
        if old is _ABSENT and key in self._stored:
            self._stored.discard(key)
            old = None  # as in `delete`
        self._undo.append((key, old, before))
        if old is _ABSENT:
            self._numbers[key[:1]] += 1
        live[key] = value
        self._dirty.add(key)
        if deadline != before:
            self._arm(key, deadline)

    def delete(self, key: bytes) -> None:
        """End a cell; nothing happens when there is none."""
        if self.touched is None:
            self._touch(key)
        old = self._live.pop(key, _ABSENT)
        if old is _ABSENT:
            if key not in self._stored:
                return
            self._stored.discard(key)
            old = None  # still in the journal: undone by storing it again
        self._numbers[key[:1]] -= 1
        self._undo.append((key, old, self._deadlines.pop(key, None)))
        self._dirty.add(key)

    def _arm(self, key: bytes, deadline: float | None) -> None:
        if deadline is None:
            self._deadlines.pop(key, None)
            return
        self._deadlines[key] = deadline
        heapq.heappush(self._heap, (deadline, key))
        if len(self._heap) > 1024 and len(self._heap) > 4 * len(self._deadlines):
            self._heap = [(at, of) for of, at in self._deadlines.items()]
            heapq.heapify(self._heap)

    # Deadlines

    @property
    def next_deadline(self) -> float:
        """The earliest deadline, infinity without one."""
        heap, deadlines = self._heap, self._deadlines
        while heap:
            deadline, key = heap[0]
            if deadlines.get(key) == deadline:
                return deadline
            heapq.heappop(heap)
        return NEVER

    def due(self, now: float, limit: int) -> list[bytes]:
        """The keys whose deadlines are past, earliest first, at most `limit`; their deadlines are gone after it."""
        keys: list[bytes] = []
        while len(keys) < limit and self.next_deadline <= now:
            key = heapq.heappop(self._heap)[1]
            del self._deadlines[key]
            self._dirty.add(key)
            keys.append(key)
        return keys

    # Steps and commits

    def settle(self) -> None:
        """The step is done: it will not be undone any more."""
        self.touched = None
        if self._undo:
            self._undo.clear()

    def undo(self) -> None:
        """Take back all that the step in hand changed."""
        self.touched = None
        for key, value, deadline in reversed(self._undo):
            was, had = key in self, value is not _ABSENT
            self._numbers[key[:1]] += had - was
            self._live.pop(key, None)
            if value is None:
                self._stored.add(key)
            elif value is not _ABSENT:
                self._live[key] = value
            self._arm(key, deadline)
        self._undo.clear()

    def quarantine(self, key: bytes) -> bytes | None:
        """Remove a cell whatever state it is in, and return what can be kept for a post-mortem."""
        remains = self._remains(key)
        self._numbers[key[:1]] -= key in self
        self._live.pop(key, None)
        self._stored.discard(key)
        self._deadlines.pop(key, None)
        self._dirty.add(key)
        return remains

    def _remains(self, key: bytes) -> bytes | None:
        if key in self._live:
            return self._encode(self._live[key])
        try:
            return self._journal.cell(key)
        except JournalCorrupt:
            return None

    def collect(self, changes: Changes) -> None:
        """Put every cell that changed since the last commit into `changes`, encoded once."""
        if not self._dirty:
            return
        live, deadlines, encode, out = self._live, self._deadlines, self._encode, changes.cells
        for key in self._dirty:
            value = live.get(key)
            if value is not None:
                out[key] = (encode(value), deadlines.get(key))
            elif key not in self._stored:
                out[key] = (None, None)
        self._dirty.clear()

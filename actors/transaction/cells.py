"""Where the layer keeps its machines: the interface it asks for, and a plain one in memory for use without an actor."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec


class Merged(msgspec.Struct, frozen=True, array_like=True, tag="merged"):
    """Finds the transaction of a request that may come again by another way (RFC 3261 section 8.2.2.2).

    A cell of its own, so that a restart with 100,000 machines finds one without decoding any: it is written once when a
    transaction of a request without a To tag begins, and goes with that transaction, which knows its key.
    """

    cell: bytes


class Cells(Protocol):
    """A mapping of cells: what the runtime gives, and `MemoryCells`."""

    def get(self, key: bytes) -> Any: ...  # noqa: ANN401, D102 - any of the machines
    def put(self, key: bytes, value: Any, deadline: float | None) -> None: ...  # noqa: ANN401, D102
    def delete(self, key: bytes) -> None: ...  # noqa: D102
    def keys(self) -> Iterable[bytes]: ...  # noqa: D102
    def __contains__(self, key: bytes) -> bool: ...
    def __len__(self) -> int: ...


class MemoryCells(dict[bytes, Any]):
    """Cells in a dict, with their deadlines in a heap. An outdated entry of the heap is passed over."""

    def __init__(self) -> None:
        super().__init__()
        self._deadlines: dict[bytes, float] = {}
        self._heap: list[tuple[float, bytes]] = []

    def put(self, key: bytes, value: Any, deadline: float | None) -> None:  # noqa: ANN401
        """Keep `value`, to expire at `deadline`."""
        self[key] = value
        if deadline is None:
            self._deadlines.pop(key, None)
        elif self._deadlines.get(key) != deadline:
            self._deadlines[key] = deadline
            heapq.heappush(self._heap, (deadline, key))

    def delete(self, key: bytes) -> None:
        """Drop the cell and its deadline."""
        del self[key]
        self._deadlines.pop(key, None)

    def next_deadline(self) -> float | None:
        """The earliest deadline of any cell."""
        heap = self._heap
        while heap and self._deadlines.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: float) -> bytes | None:
        """The cell with the earliest deadline, if that is at or before `now`; its deadline is taken off."""
        deadline = self.next_deadline()
        if deadline is None or deadline > now:
            return None
        key = heapq.heappop(self._heap)[1]
        del self._deadlines[key]
        return key

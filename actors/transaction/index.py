"""What the layer derives from its machines: which are live, and which connection carries which.

None of it is kept: after a restart it knows only what was touched since, until it is told the rest. It steers admission
and the end of a connection; a machine is never found by it alone.
"""

from __future__ import annotations

from typing import Any

# All four figures number their states alike: from 10 on the user needs nothing more, 20 is the end.
INITIAL = 0
FINISHED = 10
TERMINATED = 20

# What the cell key of a client transaction begins with.
_CLIENT = ord("c")


class Index:
    """Live machines, and client transactions by the token of their connection."""

    def __init__(self) -> None:
        self.live: set[bytes] = set()
        self._flows: dict[str, set[bytes]] = {}

    def note(self, cell: bytes, before: Any, after: Any) -> None:  # noqa: ANN401 - any machine
        """Take what a step made of a machine."""
        if after.state >= FINISHED:
            self.live.discard(cell)
        else:
            self.live.add(cell)
        if cell[0] == _CLIENT and after.flow:
            self._leave(cell, before.flow)
            if after.state < FINISHED:
                self._flows.setdefault(after.flow, set()).add(cell)

    def forget(self, cell: bytes, machine: Any) -> None:  # noqa: ANN401 - any machine
        """The cell is gone without a step; `machine` is what was in it, None if nothing is left of it."""
        self.live.discard(cell)
        if cell[0] == _CLIENT and machine is not None:
            self._leave(cell, machine.flow)

    def restore(self, cell: bytes, machine: Any) -> None:  # noqa: ANN401 - either client
        """Take a client transaction that a predecessor left."""
        if machine.flow and machine.state < FINISHED:
            self._flows.setdefault(machine.flow, set()).add(cell)

    def take(self, token: str) -> list[bytes]:
        """The cells of a connection that is gone, in order; it has none any more."""
        return sorted(self._flows.pop(token, ()))

    def tokens(self) -> list[str]:
        """The connections that carry something."""
        return sorted(self._flows)

    def _leave(self, cell: bytes, token: str) -> None:
        cells = self._flows.get(token)
        if cells is not None:
            cells.discard(cell)
            if not cells:
                del self._flows[token]

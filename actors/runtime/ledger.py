"""What a step tells, keeps and defers, undone when it fails; and the one commit that makes a batch of steps true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actors.runtime.cells import Cells
from actors.runtime.journal import Changes, Journal
from actors.runtime.link import NEVER
from actors.runtime.pipe import Pipe

FLUSH_DELAY = 0.1  # seconds until a durable journal is on the disk
_KEPT = b"kept:"

Deferred = tuple[Callable[..., object], tuple[Any, ...]]


class Ledger:
    """The changes in hand of one actor.

    Args:
        journal: where they are committed.
        cells: the actor's, of the same journal.
        pipes: the actor's, by peer.

    Attributes:
        told, deferring, keeping: of the step in hand; append to them.
        changes: of the batch in hand.
        flush_at: the second at which :meth:`flush` is due.
    """

    def __init__(self, journal: Journal, cells: Cells, pipes: Mapping[str, Pipe]) -> None:
        self.told: list[tuple[Pipe, bytes, bool]] = []
        self.keeping: list[tuple[bytes, bytes]] = []
        self.deferring: list[Deferred] = []
        self.changes = Changes()
        self.flush_at = NEVER
        self._deferred: list[Deferred] = []
        self._kept: dict[bytes, bytes | None] = {}
        self._journal = journal
        self._cells = cells
        self._pipes = pipes

    def kept(self, name: bytes) -> bytes | None:
        """What was kept under `name` last, by this start or an earlier one."""
        for kept, value in reversed(self.keeping):
            if kept == name:
                return value
        if name not in self._kept:
            self._kept[name] = self._journal.meta(_KEPT + name)
        return self._kept[name]

    def settle(self) -> None:
        """The step in hand has succeeded: what it told takes its numbers."""
        if self.told:
            sent = self.changes.sent
            for pipe, body, journalled in self.told:
                seq = pipe.tell(body, journalled=journalled)
                if journalled:
                    sent.append((pipe.peer, seq, body))
            self.told.clear()
        if self.deferring:
            self._deferred += self.deferring
            self.deferring.clear()
        if self.keeping:
            for name, value in self.keeping:
                self._kept[name] = value
                self.changes.meta[_KEPT + name] = value
            self.keeping.clear()
        if self._cells.touched is not None:
            self._cells.settle()

    def undo(self) -> None:
        """The step in hand has failed: nothing of it remains."""
        self.told.clear()
        self.deferring.clear()
        self.keeping.clear()
        self._cells.undo()

    def commit(self, now: float) -> list[Deferred]:
        """Make the batch true, then send what it told and what the links owe.

        Returns:
            The functions that were deferred until now.

        Raises:
            JournalError: nothing was committed and nothing sent; the actor has to end.
        """
        self.settle()
        changes = self.changes
        self._cells.collect(changes)
        stirred = [pipe for pipe in self._pipes.values() if pipe.stirred or pipe.deadline <= now]
        for pipe in stirred:
            pipe.collect(changes)
        if changes.cells or changes.sent or changes.meta:  # what only was acknowledged can wait for company
            self._journal.commit(changes)
            if self._journal.durable and self.flush_at == NEVER:
                self.flush_at = now + FLUSH_DELAY
        for pipe in stirred:
            pipe.flush(now)
        deferred, self._deferred = self._deferred, []
        return deferred

    def flush(self) -> None:
        """Bring a durable journal to the disk."""
        self.flush_at = NEVER
        self._journal.flush()

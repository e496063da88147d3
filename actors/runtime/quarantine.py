"""What becomes of a step that raised, or that killed its actor too often: undone, and the cell it was in taken out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from actors.runtime import poison
from actors.runtime.cells import Cells
from actors.runtime.journal import JournalCorrupt
from actors.runtime.ledger import Ledger

LIMIT = 10  # cells in PERIOD seconds; more, and the actor cannot be believed any more
PERIOD = 60.0
KEPT = 16  # snapshots kept aside for a post-mortem
_REMAINS = b"quarantine:"

Spoiled = Callable[[bytes, Any, BaseException, float], None]


class Quarantine:
    """Of one actor.

    Args:
        name: the actor's.
        cells: the actor's.
        ledger: of the step in hand.
        slot: what it has in hand.
        spoiled: told of each cell that is gone: its key, what was in it (None if unreadable), why, the second.
        log: the actor's.

    Attributes:
        giving_up: why the actor has to end after this turn; empty while it need not.
    """

    def __init__(
        self,
        name: str,
        cells: Cells,
        ledger: Ledger,
        slot: poison.Slot,
        spoiled: Spoiled,
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self.giving_up = ""
        self._name = name
        self._cells = cells
        self._ledger = ledger
        self._slot = slot
        self._spoiled = spoiled
        self._log = log
        self._times: deque[float] = deque()
        if slot.suspect is not None:
            cells.witness = slot.note

    def failed(self, error: Exception, key: bytes | None, now: float) -> None:
        """A step raised: undo it, and take out its cell: `key` where that is known, else the first that it touched."""
        cell = error.key if isinstance(error, JournalCorrupt) else key or self._cells.touched
        self._ledger.undo()
        self._log.error("step_failed", cell=cell, exc_info=error)
        if cell is not None:
            self._take_out(cell, error, now)

    def _take_out(self, key: bytes, error: Exception, now: float) -> None:
        cells = self._cells
        try:
            value = cells.get(key)
        except JournalCorrupt:
            value = None
        remains = cells.quarantine(key)
        cells.settle()
        if remains is not None:
            self._ledger.changes.meta[_REMAINS + b"%d" % (len(self._times) % KEPT)] = remains
        try:
            self._spoiled(key, value, error, now)
        except Exception as second:  # noqa: BLE001 - the cell is gone already; there is no more to spoil
            self._ledger.undo()
            self._log.exception("spoiled_failed", cell=key, exc_info=second)
        else:
            self._ledger.settle()
        self._times.append(now)
        while self._times[0] < now - PERIOD:
            self._times.popleft()
        if len(self._times) > LIMIT:
            self.giving_up = f"{len(self._times)} cells of {self._name} were quarantined in {PERIOD:.0f} s"

    def leaves_out(self, source: int, number: int, now: float) -> bool:
        """In the presence of a suspect: whether what is in hand is it and fatal; else acquit it when it is past."""
        slot = self._slot
        if slot.is_fatal(source, number):
            key = slot.key
            self.acquit()
            error = poison.PoisonError(f"{self._name} died of it {poison.FATAL // 2} times or more")
            self._log.error("poison", number=number, cell=key)
            if key:
                self._take_out(key, error, now)
            return True
        if slot.is_past(source, number):
            self.acquit()
        elif slot.suspect == (source, number):
            slot.note(b"")  # what others touched in this life is no cell of its
        return False

    def acquit(self) -> None:
        """The suspect is past, or cannot come any more."""
        self._slot.acquit()
        self._cells.witness = None

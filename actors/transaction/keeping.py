"""Machines in their cells: a step of one is taken, told to who looks on, and its outcome stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.runtime.machine import Effect, Effects
from actors.transaction.cells import Cells, MemoryCells
from actors.transaction.index import FINISHED, INITIAL, TERMINATED, Index
from actors.transaction.invite_server import InviteServer
from actors.transaction.machines import TABLES, Lingering, Transaction, deadline_of, end_of, lingers, pack, unpack
from actors.transaction.non_invite_server import NonInviteServer
from actors.transaction.transitions import Watcher, transition

_MERGING = (InviteServer, NonInviteServer, Lingering)


class Keeper:
    """What keeps machines, whoever decides what happens to them.

    Attributes:
        cells: where they are kept.
        watcher: is told of every step of every machine; None while nobody observes, and then it costs nothing.
    """

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.watcher: Watcher | None = None
        self._memory = cells if isinstance(cells, MemoryCells) else None
        self._index = Index()

    # Time.

    def next_deadline(self) -> float | None:
        """When to call `expire`; always None where the shell keeps the cells and so their deadlines."""
        return None if self._memory is None else self._memory.next_deadline()

    def expire(self, now: float) -> Effects:
        """Fire what is due in cells in memory, each timer once: a long pause gives no burst."""
        effects: list[Effect] = []
        while self._memory is not None and (cell := self._memory.due(now)) is not None:
            effects += self.fire(cell, now)
        return tuple(effects)

    def fire(self, cell: bytes, now: float) -> Effects:
        """Fire the timers of one cell that are due."""
        machine = self.cells.get(cell)
        if machine is None:
            return ()
        if type(machine) is Lingering:
            if self.watcher is None:
                self.cells.delete(cell)  # as its table says: its one timer ends it, and the user is told nothing
                self._forget_merged(machine)
                return ()
            machine = unpack(machine)
        after, effects = TABLES[type(machine)].expire(machine, now, watch=self._watch(now))
        self._keep(cell, machine, after)
        return effects

    def _watch(self, now: float) -> Callable[[Any, Any, Any], None] | None:
        watcher = self.watcher
        if watcher is None:
            return None
        return lambda before, timer, after: watcher(transition(before, timer, after, None, now))

    # Cells.

    def _machine(self, cell: bytes) -> Any:  # noqa: ANN401 - any machine, or None
        machine = self.cells.get(cell)
        return unpack(machine) if type(machine) is Lingering else machine

    def _step(self, cell: bytes, machine: Any, event: Any, argument: object, now: float) -> Effects:  # noqa: ANN401
        after, effects = TABLES[type(machine)].step(machine, event, argument, now)
        if self.watcher is not None:
            self.watcher(transition(machine, event, after, argument, now))
        self._keep(cell, machine, after)
        return effects

    def _keep(self, cell: bytes, before: Transaction, after: Any) -> None:  # noqa: ANN401
        """Store what a step made of a machine; one that just began is in no cell yet."""
        if after is before:
            return
        self._index.note(cell, before, after)
        state = after.state
        if state < FINISHED:
            self.cells.put(cell, after, deadline_of(after))
        elif state == TERMINATED:
            if before.state != INITIAL:
                self.cells.delete(cell)
                self._forget_merged(after)
        elif lingers(after):
            self.cells.put(cell, pack(after), end_of(after))
        else:
            self.cells.put(cell, after, deadline_of(after))

    def _forget_merged(self, machine: Any) -> None:  # noqa: ANN401 - any machine
        """The machine is over: a request that is like its own is not merged any more."""
        if type(machine) in _MERGING and machine.merged:
            self.cells.delete(machine.merged)

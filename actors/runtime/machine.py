"""How every state machine is written: a frozen value, a total table of rows, and effects.

A machine is a frozen :class:`Machine`. Its table is the figure of its RFC: rows of state, input, next state, actions.
:meth:`Table.step` gives the next machine and the effects for its shell to carry out; nothing else changes state.

Timers belong to states (as in Erlang's ``gen_statem``): an armed timer is a pair in ``machine.deadlines``, leaving a
state disarms every timer that the next state does not own, and an expired timer is an input like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

Effects = tuple["Effect", ...]


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """What crosses a pipe or comes out of a machine: an immutable record with a compact msgpack form.

    It is made of immutable values only, so it is never part of a cycle and the garbage collector need not follow it.
    """


class Effect(Event, frozen=True):
    """What a step asks its shell to do."""


class Arm(Effect, frozen=True):
    """Arm `timer` (an input of the same table) to fire at `deadline`, in seconds on the shell's clock."""

    timer: Any
    deadline: float


class Disarm(Effect, frozen=True):
    """Disarm `timer` if it is armed."""

    timer: Any


class Machine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The base of every machine. A subclass narrows both fields to its own state and input types.

    As an :class:`Event` it is made of immutable values only.

    Attributes:
        state: the state of the figure.
        deadlines: the armed timers, each with the second it fires at.
    """

    state: Any
    deadlines: tuple[tuple[Any, float], ...]

    @property
    def next_deadline(self) -> float | None:
        """The earliest armed deadline, None when no timer is armed."""
        deadlines = self.deadlines
        if len(deadlines) > 1:
            return min([deadline for _, deadline in deadlines])
        return deadlines[0][1] if deadlines else None


M = TypeVar("M", bound=Machine)
Action = Callable[[Any, Any, float], tuple[Any, tuple[Effect, ...]]]


class Row(NamedTuple):
    """One edge of the figure.

    `next` is the state it leads to, None where the state stays, or a tuple of states where an action decides: that
    action sets ``machine.state`` itself, and only to one of them.
    """

    state: Enum
    input: Enum
    next: Enum | tuple[Enum, ...] | None
    actions: tuple[Action, ...] = ()


class TableError(Exception):
    """A table that is not total, or an action that left its row's states: a bug of ours, never a peer's doing."""


class Table(Generic[M]):
    """A total transition table. Every pair of state and input is a row or is listed as ignored, else it is refused.

    Args:
        name: what diagrams and logs call it.
        states: the enum of states.
        inputs: the enum of inputs, timers among them.
        rows: the edges.
        ignored: for each state, the inputs that change nothing there.
        timers: for each state, the timers it owns; states not named own none.

    Raises:
        TableError: a pair is missing, given twice, or a timer is not an input.
    """

    def __init__(
        self,
        name: str,
        *,
        states: type[Enum],
        inputs: type[Enum],
        rows: Iterable[Row],
        ignored: Mapping[Any, Iterable[Any]],
        timers: Mapping[Any, Iterable[Any]],
    ) -> None:
        self.name = name
        self.states = states
        self.inputs = inputs
        self.rows = tuple(rows)
        self.timers = {state: frozenset(timers.get(state, ())) for state in states}
        self._edges: dict[tuple[Enum, Enum], Row] = {}
        for row in self.rows:
            if (row.state, row.input) in self._edges:
                raise TableError(f"{name}: {row.state.name}, {row.input.name} is given twice")
            self._edges[row.state, row.input] = row
        self._ignored = {(state, event) for state, events in ignored.items() for event in events}
        self._check_total()

    def _check_total(self) -> None:
        for state in self.states:
            for event in self.inputs:
                handled = (state, event) in self._edges
                if handled == ((state, event) in self._ignored):
                    how = "is both handled and ignored" if handled else "is neither handled nor ignored"
                    raise TableError(f"{self.name}: {state.name}, {event.name} {how}")

    def step(self, machine: M, event: Enum, argument: Any, now: float) -> tuple[M, Effects]:  # noqa: ANN401
        """Give `event` to `machine` and return the machine after it and the effects to carry out, timers folded in."""
        row = self._edges.get((machine.state, event))
        if row is None:
            return machine, ()
        effects: Effects = ()
        for action in row.actions:
            machine, more = action(machine, argument, now)
            effects += more
        target = row.next
        if type(target) is tuple:
            if machine.state not in target:
                raise TableError(f"{self.name}: {row.state.name}, {event.name} led to {machine.state.name}")
            target = machine.state
        return self._settle(machine, row.state, row.state if target is None else target, effects)

    def _settle(self, machine: M, before: Enum, after: Any, effects: Effects) -> tuple[M, Effects]:  # noqa: ANN401
        """Enter `after`: keep the timers it owns, then apply the step's own Arm and Disarm."""
        deadlines = machine.deadlines
        owned = self.timers[after]
        if after is not before and deadlines:
            deadlines = tuple([pair for pair in deadlines if pair[0] in owned])
        rest: list[Effect] = []
        for effect in effects:
            kind = type(effect)
            if kind is Arm:
                timer = effect.timer  # type: ignore[attr-defined]
                if timer not in owned:
                    raise TableError(f"{self.name}: {timer} is not owned by {after.name}")
                kept = [pair for pair in deadlines if pair[0] is not timer]
                deadlines = (*kept, (timer, effect.deadline))  # type: ignore[attr-defined]
            elif kind is Disarm:
                deadlines = tuple([pair for pair in deadlines if pair[0] is not effect.timer])  # type: ignore[attr-defined]
            else:
                rest.append(effect)
        if machine.state is not after or deadlines is not machine.deadlines:
            machine = msgspec.structs.replace(machine, state=after, deadlines=deadlines)
        return machine, tuple(rest)

    def expire(
        self,
        machine: M,
        now: float,
        argument: Any = None,  # noqa: ANN401
        watch: Callable[[M, Any, M], None] | None = None,
    ) -> tuple[M, Effects]:
        """Fire every timer that is due at `now`, earliest first, each once: a long pause gives no burst.

        `argument` is what the actions of a timer are given; `watch` is told of each step: before, timer, after.
        """
        effects: Effects = ()
        due = sorted((deadline, timer.value, timer) for timer, deadline in machine.deadlines if deadline <= now)
        for deadline, _, timer in due:
            if (timer, deadline) not in machine.deadlines:
                continue  # an earlier timer of this round left the state that owned it
            left = tuple(pair for pair in machine.deadlines if pair[0] is not timer)
            before = machine
            machine, more = self.step(msgspec.structs.replace(machine, deadlines=left), timer, argument, now)
            if watch is not None:
                watch(before, timer, machine)
            effects += more
        return machine, effects

    def edge(self, state: Enum, event: Enum) -> Row | None:
        """The row for a pair, None where it is ignored."""
        return self._edges.get((state, event))

    def diagram(self) -> str:
        """The table as a Mermaid state diagram, one line an edge, in the order of the rows."""
        lines = ["stateDiagram-v2"]
        for row in self.rows:
            targets = row.next if isinstance(row.next, tuple) else (row.next or row.state,)
            what = ", ".join(action.__name__ for action in row.actions)
            label = f"{row.input.name} / {what}" if what else row.input.name
            lines += [f"    {row.state.name} --> {target.name}: {label}" for target in targets]
        return "\n".join(lines) + "\n"

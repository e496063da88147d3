"""Reading one step of a machine as a line of its figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from actors.runtime.machine import Effect, Table
from actors.transaction.effects import BeginCancel, Reply, Tell, Transmit
from actors.transaction.events import TransactionFailed
from tests.transaction.messages import first_line

NOW = 1000.0


class Edge(NamedTuple):
    """A line of a figure: what happens in a state over a transport, where it leads, what is done, what is armed."""

    state: Any
    input: Any
    transport: str
    next: Any
    effects: tuple[str, ...]
    timers: dict[Any, float]

    @property
    def name(self) -> str:
        return f"{self.state.name}-{self.input.name}-{self.transport}"


def both(state: Any, event: Any, after: Any, effects: tuple[str, ...] = (), timers: Any = ()) -> list[Edge]:
    """An edge that is the same over UDP and over a stream."""
    return [Edge(state, event, transport, after, effects, dict(timers)) for transport in ("udp", "tcp")]


def spoken(effect: Effect) -> str:
    """An effect in a few words."""
    if isinstance(effect, Transmit | Reply):
        start = first_line(effect.raw)
        return f"send {start.split()[1] if start.startswith('SIP/') else start.split()[0]}"
    if isinstance(effect, BeginCancel):
        return "begin CANCEL"
    assert isinstance(effect, Tell)
    event = effect.event
    if isinstance(event, TransactionFailed):
        return f"tell failed {event.status}"
    start = first_line(event.raw)
    return f"tell {start.split()[1] if start.startswith('SIP/') else start.split()[0]}"


def armed(machine: Any) -> dict[Any, float]:
    """The timers of a machine as delays from NOW."""
    return {timer: round(deadline - NOW, 6) for timer, deadline in machine.deadlines}


def check(edge: Edge, after: Any, effects: tuple[Effect, ...]) -> None:
    assert after.state is edge.next
    assert tuple(map(spoken, effects)) == edge.effects
    assert armed(after) == edge.timers


def check_whole(
    table: Table[Any], edges: list[Edge], machine: Callable[[Any, str], Any], argument: Callable[[Any, str], Any]
) -> None:
    """All rows of the table are among the edges, and whatever is not changes nothing.

    `machine` makes one in a state, `argument` what an input brings, each over a transport.
    """
    drawn = {(edge.state, edge.input) for edge in edges}
    assert drawn == {(row.state, row.input) for row in table.rows}
    for state in table.states:
        for event in set(table.inputs) - {event for where, event in drawn if where is state}:
            before = machine(state, "udp")
            assert table.step(before, event, argument(event, "udp"), NOW) == (before, ())

"""Tables: totality at import, timers that belong to states, expiry without bursts."""

from __future__ import annotations

from enum import Enum

import pytest

from actors.runtime.machine import Arm, Disarm, Effect, Effects, Machine, Row, Table, TableError


class State(Enum):
    IDLE = "idle"
    WAITING = "waiting"
    DONE = "done"


class Input(Enum):
    GO = "go"
    PING = "ping"
    SLOW = "slow"
    FAST = "fast"


class Say(Effect, frozen=True):
    text: str


class Toy(Machine, frozen=True):
    state: State
    deadlines: tuple[tuple[Input, float], ...]
    pings: int = 0


def begin(toy: Toy, _: object, now: float) -> tuple[Toy, Effects]:
    return toy, (Arm(Input.SLOW, now + 10.0), Arm(Input.FAST, now + 1.0))


def again(toy: Toy, _: object, now: float) -> tuple[Toy, Effects]:
    return toy, (Say("again"), Arm(Input.FAST, now + 1.0))


def quiet(toy: Toy, _: object, now: float) -> tuple[Toy, Effects]:
    return toy, (Disarm(Input.FAST), Say(f"quiet at {now}"))


def give_up(toy: Toy, _: object, __: float) -> tuple[Toy, Effects]:
    return toy, (Say("gave up"),)


ROWS = [
    Row(State.IDLE, Input.GO, State.WAITING, (begin,)),
    Row(State.WAITING, Input.FAST, None, (again,)),
    Row(State.WAITING, Input.PING, None, (quiet,)),
    Row(State.WAITING, Input.SLOW, State.DONE, (give_up,)),
]
IGNORED = {
    State.IDLE: [Input.PING, Input.SLOW, Input.FAST],
    State.WAITING: [Input.GO],
    State.DONE: list(Input),
}
TIMERS = {State.WAITING: [Input.SLOW, Input.FAST]}


def table(rows: list[Row] = ROWS, ignored: dict[State, list[Input]] = IGNORED) -> Table[Toy]:
    return Table("toy", states=State, inputs=Input, rows=rows, ignored=ignored, timers=TIMERS)


def test_a_pair_neither_handled_nor_ignored_is_refused() -> None:
    with pytest.raises(TableError, match="WAITING, PING is neither"):
        table([row for row in ROWS if row.input is not Input.PING])


def test_a_pair_handled_and_ignored_or_given_twice_is_refused() -> None:
    with pytest.raises(TableError, match="both handled and ignored"):
        table(ignored={**IGNORED, State.IDLE: list(Input)})
    with pytest.raises(TableError, match="given twice"):
        table([*ROWS, ROWS[0]])


def test_entering_a_state_arms_and_leaving_it_disarms_what_the_next_does_not_own() -> None:
    toy, effects = table().step(Toy(State.IDLE, ()), Input.GO, None, 0.0)
    assert (toy.state, effects) == (State.WAITING, ())
    assert dict(toy.deadlines) == {Input.SLOW: 10.0, Input.FAST: 1.0}
    assert toy.next_deadline == 1.0
    toy, effects = table().step(toy, Input.SLOW, None, 2.0)
    assert (toy.state, toy.deadlines, toy.next_deadline) == (State.DONE, (), None)
    assert effects == (Say("gave up"),)


def test_a_timer_disarmed_by_an_action_is_gone() -> None:
    toy, _ = table().step(Toy(State.IDLE, ()), Input.GO, None, 0.0)
    toy, effects = table().step(toy, Input.PING, None, 0.5)
    assert dict(toy.deadlines) == {Input.SLOW: 10.0}
    assert effects == (Say("quiet at 0.5"),)


def test_an_ignored_input_changes_nothing() -> None:
    toy = Toy(State.DONE, ())
    assert table().step(toy, Input.GO, None, 0.0) == (toy, ())


def test_after_a_long_pause_each_timer_fires_once_and_none_after_its_state_was_left() -> None:
    toy, _ = table().step(Toy(State.IDLE, ()), Input.GO, None, 0.0)
    later, effects = table().expire(toy, 5.0)
    assert effects == (Say("again"),)
    assert dict(later.deadlines) == {Input.SLOW: 10.0, Input.FAST: 6.0}
    ended, effects = table().expire(toy, 100.0)
    assert effects == (Say("again"), Say("gave up"))
    assert ended.state is State.DONE


def test_an_action_that_picks_a_state_its_row_does_not_name_is_a_bug_that_is_named() -> None:
    def stray(toy: Toy, _: object, __: float) -> tuple[Toy, Effects]:
        return toy, ()

    rows = [*ROWS[1:], Row(State.IDLE, Input.GO, (State.WAITING, State.DONE), (stray,))]
    with pytest.raises(TableError, match="led to IDLE"):
        table(rows).step(Toy(State.IDLE, ()), Input.GO, None, 0.0)


def test_a_timer_armed_in_a_state_that_does_not_own_it_is_a_bug_that_is_named() -> None:
    rows = [*ROWS[:-1], Row(State.WAITING, Input.SLOW, State.DONE, (again,))]
    toy, _ = table().step(Toy(State.IDLE, ()), Input.GO, None, 0.0)
    with pytest.raises(TableError, match="not owned by DONE"):
        table(rows).step(toy, Input.SLOW, None, 1.0)


def test_the_diagram_has_a_line_for_each_edge() -> None:
    assert table().diagram().splitlines() == [
        "stateDiagram-v2",
        "    IDLE --> WAITING: GO / begin",
        "    WAITING --> WAITING: FAST / again",
        "    WAITING --> WAITING: PING / quiet",
        "    WAITING --> DONE: SLOW / give_up",
    ]

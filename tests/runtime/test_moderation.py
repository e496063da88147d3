"""The pause before a turn: none for the idle, longer for the busy, gone when the load is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.moderation import LONGEST, SHORTEST, WINDOW, Moderation


def loaded(share: float, turns: int = 1000, period: float = 0.001) -> Moderation:
    moderation = Moderation(0.0, 0.0)
    for number in range(1, turns):
        moderation.turned(number * period, share * number * period)
    return moderation


def test_an_idle_actor_answers_at_once() -> None:
    assert Moderation(0.0, 0.0).pause == 0.0
    assert loaded(0.015).pause == 0.0


def test_the_busier_the_longer_up_to_a_bound() -> None:
    pauses = [loaded(share).pause for share in (0.03, 0.04, 0.045, 0.3, 0.9)]
    assert pauses == sorted(pauses)
    assert SHORTEST <= pauses[0] < pauses[2] < LONGEST
    assert pauses[-1] == LONGEST


def test_time_that_others_had_the_processor_is_no_work() -> None:
    moderation = Moderation(0.0, 0.0)
    moderation.turned(0.1, 0.001)  # one turn, held up for most of it
    assert moderation.pause == 0.0


def test_one_idle_window_forgets_the_load() -> None:
    moderation = loaded(0.9)
    moderation.turned(1.0 + WINDOW, 0.9)
    assert moderation.pause == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1))))
def test_whatever_the_load_the_pause_stays_in_its_bounds(turns: list[tuple[float, float]]) -> None:
    moderation, now, worked = Moderation(0.0, 0.0), 0.0, 0.0
    for idle, work in turns:
        now += idle + work
        worked += work
        moderation.turned(now, worked)
        assert moderation.pause == 0.0 or SHORTEST <= moderation.pause <= LONGEST


def test_who_hurries_does_not_pause_however_busy() -> None:
    moderation = Moderation(0.0, 0.0)
    moderation.hurry = 2.0
    for turn in range(1, 30):
        moderation.turned(turn / 10, turn / 20)
        assert (moderation.pause == 0.0) == (turn / 10 < 2.0)

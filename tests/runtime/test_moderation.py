"""The pause before a turn: none for the idle, longer for the busy, gone when the load is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.moderation import FEW, HURRY, LONGEST, SHORTEST, TRUST, WINDOW, Moderation


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


def asked(messages: int, until: float, every: float = 0.01) -> list[float]:
    """The pauses of a busy actor whose turns, `every` so many seconds, each bring so many `messages` and a question."""
    moderation, now, pauses = loaded(0.9), 1.0, []
    while now < until:
        now += every
        moderation.took = messages
        moderation.rested = moderation.pause > 0.0
        moderation.awaited(now)
        moderation.turned(now, 0.9 * now)
        pauses.append(moderation.pause)
    return pauses


def test_who_asks_again_at_each_answer_finds_no_pause_however_busy() -> None:
    pauses = asked(1, until=21.0, every=0.001)
    assert sum(pause > 0.0 for pause in pauses) <= 2 * 20 / TRUST  # one now and then, to see what it gathers


def test_in_a_flood_of_questions_pauses_stay() -> None:
    assert min(asked(FEW + 1, until=3.0)) == LONGEST


def test_a_flood_that_begins_in_a_hurry_is_moderated_soon() -> None:
    moderation, now = loaded(0.9), 1.0
    moderation.rested, moderation.took = True, 1
    moderation.turned(now, 0.9)
    hurried = 0
    while moderation.pause == 0.0 or not hurried:
        now += 0.002
        moderation.took = 100
        moderation.awaited(now)
        moderation.turned(now, 0.9 * now)
        hurried += 1
    assert now <= 1.0 + TRUST + HURRY + 0.01


def test_nobody_who_asks_leaves_the_pause() -> None:
    moderation = loaded(0.9)
    moderation.rested, moderation.took = True, 1
    moderation.turned(1.1, 0.99)
    assert moderation.pause == LONGEST

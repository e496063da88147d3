"""Keeping flows alive, in virtual time: RFC 5626 section 4.4, edge by edge, and what holds for any sequence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.transport.keepalive import (
    DATAGRAM,
    PONG_TIMEOUT,
    STREAM,
    Alive,
    AliveInput,
    AliveState,
    Dead,
    News,
    Ping,
    Terms,
    expire,
    step,
    terms,
)

I, S = AliveInput, AliveState  # noqa: E741
OUTER = (I.BEGIN, I.PONG, I.TERMS, I.LOST)  # all but the timers


def _begun(
    low: float = 80.0, high: float = 100.0, *, counts: bool = False, stream: bool = True, chance: float = 0.5
) -> Alive:
    alive, effects = step(Alive(), I.BEGIN, News(chance, Terms(low, high, counts, stream)), 0.0)
    assert effects == ()
    return alive


def _due(alive: Alive) -> float:
    assert alive.next_deadline is not None
    return alive.next_deadline


@pytest.mark.parametrize(
    ("stream", "interval", "low", "high"),
    [(True, 0.0, *STREAM), (False, 0.0, *DATAGRAM), (True, 30.0, 24.0, 30.0), (False, 0.001, 1.0, 1.0)],
)
def test_the_interval_is_the_peer_s_or_that_of_the_rfc(stream: bool, interval: float, low: float, high: float) -> None:
    assert terms(stream=stream, interval=interval, agreed=True) == (low, high, True, stream)


@given(st.floats(0, 1))
def test_pings_are_jittered_within_the_interval(chance: float) -> None:
    assert 80.0 <= _due(_begun(chance=chance)) <= 100.0


def test_without_an_agreement_a_missing_pong_means_nothing() -> None:
    alive = _begun()
    for turn in range(1, 4):
        alive, effects = expire(alive, News(0.5), 90.0 * turn)
        assert effects == (Ping(),)
        assert (alive.state, _due(alive)) == (S.WAITING, 90.0 * (turn + 1))


def test_with_an_agreement_a_missing_pong_is_the_end() -> None:
    alive, effects = expire(_begun(counts=True), News(0.5), 90.0)
    assert effects == (Ping(),)
    assert (alive.state, _due(alive)) == (S.ASKED, 90.0 + PONG_TIMEOUT)
    assert expire(alive, News(0.5), 99.9) == (alive, ())
    alive, effects = expire(alive, News(0.5), 100.0)
    assert effects == (Dead("no pong came"),)
    assert (alive.state, alive.deadlines) == (S.DEAD, ())


def test_a_datagram_that_should_be_answered_is_repeated_until_it_is() -> None:
    alive, _ = expire(_begun(counts=True, stream=False), News(0.5), 90.0)
    for now in (92.0, 94.0, 96.0):
        assert expire(alive, News(0.5), now - 0.1) == (alive, ())
        alive, effects = expire(alive, News(0.5), now)
        assert effects == (Ping(),)
    alive, effects = step(alive, I.PONG, News(0.5), 97.0)
    assert (alive.state, effects, len(alive.deadlines)) == (S.WAITING, (), 1)


def test_a_peer_that_has_ponged_once_is_counted_on() -> None:
    alive, _ = expire(_begun(), News(0.5), 90.0)
    alive, effects = step(alive, I.PONG, News(), 91.0)
    assert effects == ()
    alive, _ = expire(alive, News(0.5), 180.0)
    assert alive.state is S.ASKED
    alive, _ = step(alive, I.PONG, News(0.5), 181.0)
    assert (alive.state, _due(alive)) == (S.WAITING, 271.0)


def test_of_two_who_need_a_flow_the_more_frequent_one_decides_and_an_agreement_stays() -> None:
    alive, _ = step(_begun(counts=True), I.TERMS, News(0.5, Terms(20.0, 30.0, False)), 10.0)
    assert (alive.low, alive.high, alive.counts, _due(alive)) == (20.0, 30.0, True, 35.0)
    alive, _ = step(alive, I.TERMS, News(0.5, Terms(200.0, 300.0, False)), 20.0)
    assert (alive.low, alive.high) == (20.0, 30.0)
    assert step(alive, I.TERMS, News(0.5), 20.0)[0] == alive
    asked, _ = expire(alive, News(0.5), 50.0)
    again, effects = step(asked, I.TERMS, News(0.5, Terms(5.0, 6.0, False)), 51.0)
    assert (again.deadlines, again.low, effects) == (asked.deadlines, 5.0, ())


@pytest.mark.parametrize("asked", [True, False])
def test_a_connection_that_is_gone_is_the_end(asked: bool) -> None:
    alive = _begun(counts=True)
    if asked:
        alive, _ = expire(alive, News(0.5), 90.0)
    alive, effects = step(alive, I.LOST, News(reason="reset"), 91.0)
    assert effects == (Dead("reset"),)
    assert alive.deadlines == ()


@given(
    st.booleans(),
    st.booleans(),
    st.lists(
        st.tuples(st.sampled_from([None, I.BEGIN, I.PONG, I.TERMS, I.LOST]), st.floats(0, 200), st.floats(0, 1)),
        max_size=30,
    ),
)
def test_in_any_sequence_a_flow_has_one_timer_or_is_dead_and_dies_once(
    counts: bool, stream: bool, steps: list[tuple[AliveInput | None, float, float]]
) -> None:
    alive, now, deaths = _begun(counts=counts, stream=stream), 0.0, 0
    for event, later, chance in steps:
        now += later
        news = News(chance, Terms(20.0, 30.0, False, stream), "gone")
        alive, effects = expire(alive, news, now) if event is None else step(alive, event, news, now)
        deaths += sum(isinstance(effect, Dead) for effect in effects)
        assert len(alive.deadlines) == {S.WAITING: 1, S.ASKED: 2 - alive.stream, S.DEAD: 0}[alive.state]
    assert deaths == (alive.state is S.DEAD)

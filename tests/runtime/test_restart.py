"""The restart decision, by table and by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.restart import MAX_DELAY, History, Intensity, Restart, Verdict, decide

START, LEAVE, GIVE_UP = Verdict
INTENSITY = Intensity(deaths=3, period=10.0)
NEW = History()
SERVED = History(was_ready=True)


def after(*deaths: float, was_ready: bool = True) -> History:
    return History(deaths, was_ready)


@pytest.mark.parametrize(
    ("restart", "death", "history", "verdict", "delay"),
    [
        (Restart.PERMANENT, "kill", NEW, START, 0.0),
        (Restart.PERMANENT, "exit:0", SERVED, START, 0.0),
        (Restart.TRANSIENT, "exit:0", SERVED, LEAVE, 0.0),
        (Restart.TRANSIENT, "exit:70", SERVED, START, 0.0),
        (Restart.TRANSIENT, "hang", SERVED, START, 0.0),
        (Restart.TEMPORARY, "kill", SERVED, LEAVE, 0.0),
        (Restart.PERMANENT, "kill", after(98.0, 99.0), START, 0.0),
        (Restart.PERMANENT, "kill", after(97.0, 98.0, 99.0), START, 0.1),
        (Restart.PERMANENT, "kill", after(96.0, 97.0, 98.0, 99.0), START, 0.2),
        (Restart.PERMANENT, "kill", after(*(90.0 + 0.1 * at for at in range(99))), START, MAX_DELAY),
        (Restart.PERMANENT, "kill", after(80.0, 85.0, 89.0, 99.0), START, 0.0),
        (Restart.PERMANENT, "kill", after(97.0, 98.0, 99.0, was_ready=False), GIVE_UP, 0.0),
        (Restart.TRANSIENT, "exit:1", after(97.0, 98.0, 99.0, was_ready=False), GIVE_UP, 0.0),
        (Restart.PERMANENT, "kill", after(80.0, 98.0, 99.0, was_ready=False), START, 0.0),
    ],
)
def test_decision(restart: Restart, death: str, history: History, verdict: Verdict, delay: float) -> None:
    decision = decide(restart, death, history, INTENSITY, 100.0)
    assert decision.verdict is verdict
    assert decision.delay == pytest.approx(delay)


gaps = st.lists(st.floats(0.0, 30.0), max_size=80)
intensities = st.builds(Intensity, deaths=st.integers(0, 10), period=st.floats(0.1, 60.0))


@given(gaps, intensities, st.sampled_from(["kill", "hang", "signal:11", "exit:70"]))
def test_a_permanent_child_that_was_ready_is_always_started_again_within_the_longest_delay(
    gaps: list[float], intensity: Intensity, death: str
) -> None:
    history, now = SERVED, 1000.0
    for gap in gaps:
        decision = decide(Restart.PERMANENT, death, history, intensity, now)
        assert decision.verdict is START
        assert 0.0 <= decision.delay <= MAX_DELAY
        history = decision.history
        now += decision.delay + gap


@given(gaps, intensities)
def test_a_child_is_started_at_once_exactly_while_its_deaths_are_within_the_intensity(
    gaps: list[float], intensity: Intensity
) -> None:
    history, now, deaths = SERVED, 1000.0, list[float]()
    for gap in gaps:
        deaths.append(now)
        recent = sum(1 for at in deaths if now - at <= intensity.period)
        decision = decide(Restart.PERMANENT, "kill", history, intensity, now)
        assert (decision.delay == 0.0) == (recent <= intensity.deaths)
        history = decision.history
        now += gap


@given(intensities, st.integers(0, 200))
def test_a_child_that_never_was_ready_is_given_up_after_exactly_the_intensity(intensity: Intensity, extra: int) -> None:
    history = NEW
    verdicts = []
    for _ in range(intensity.deaths + 1 + extra):
        decision = decide(Restart.PERMANENT, "exit:70", history, intensity, 5.0)
        verdicts.append(decision.verdict)
        history = decision.history
    assert verdicts.index(GIVE_UP) == intensity.deaths


def test_the_history_does_not_grow_with_a_long_life() -> None:
    history = SERVED
    for hour in range(1000):
        history = decide(Restart.PERMANENT, "kill", history, INTENSITY, hour * 3600.0).history
    assert len(history.deaths) == 1

"""The ring between two clocks: drift followed unheard, counts that add up, shortage and excess."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media.device import Elastic
from actors.media.sound import _WAKING, SoundError, _Side, _Streams
from tests.live.sound import pitch

RATE = 48_000
FRAME = RATE // 50
LOUD = np.full(FRAME, 8000, np.int16)
QUIET = np.zeros(FRAME, np.int16)


def sine(first: int, count: int, frequency: float = 440.0) -> np.ndarray:
    at = np.arange(first, first + count)
    return (12_000 * np.sin(2 * np.pi * frequency * at / RATE)).astype(np.int16)


def run(ring: Elastic, seconds: float, drift: float, block: int = 480) -> tuple[np.ndarray, list[int]]:
    """Push frames each 20 ms of our clock, pull blocks at a card's, faster by `drift`; what came, what was held."""
    given_, held = [], []
    pushed, taken = 0, 0.0
    for tick in range(int(seconds * 50)):
        ring.push(sine(pushed, FRAME))
        pushed += FRAME
        taken += FRAME * (1.0 + drift)
        while taken >= block:
            given_.append(ring.pull(block))
            taken -= block
        if tick > 500:
            held.append(ring.held)
    return np.concatenate(given_), held


@pytest.mark.parametrize("drift", [0.0, 0.0002, -0.0002, 0.0008, -0.0008])
def test_a_clock_that_drifts_is_followed_without_a_gap(drift: float) -> None:
    ring = Elastic(RATE)
    heard, held = run(ring, 120, drift)
    assert ring.short == 0
    assert ring.skipped == 0
    assert max(held) < 0.1 * RATE
    assert abs(pitch(heard[-10 * RATE :], RATE) - 440) < 1
    jumps = np.abs(np.diff(heard[RATE:].astype(int)))
    assert jumps.max() < 2 * 12_000 * 2 * np.pi * 440 / RATE  # no step that the tone itself does not make


def test_the_pace_is_altered_by_a_thousandth_at_most() -> None:
    ring = Elastic(RATE)
    for _ in range(10):
        ring.push(LOUD)
    for _ in range(400):
        ring.push(LOUD)
        ring.pull(FRAME)
        assert abs(ring.bend) <= 0.001
    assert ring.bend > 0


def test_what_is_too_much_is_left_out_where_it_is_quiet_and_only_there() -> None:
    ring = Elastic(RATE)
    for _ in range(10):
        ring.push(LOUD)
    for _ in range(150):
        ring.push(LOUD)
        ring.pull(FRAME)
    before = ring.held
    assert ring.skipped == 0
    for _ in range(30):
        ring.push(QUIET)
        ring.pull(FRAME)
    assert ring.skipped > 0
    assert ring.held < before - 5 * FRAME


def test_nothing_is_given_before_enough_is_there() -> None:
    ring = Elastic(RATE)
    ring.push(LOUD)
    assert not ring.pull(480).any()
    ring.push(LOUD)
    assert ring.pull(480).all()


def test_a_shortage_is_silence_and_more_is_held_after_it() -> None:
    ring = Elastic(RATE)
    ring.push(np.concatenate((LOUD, LOUD)))
    assert ring.pull(FRAME).all()
    assert ring.pull(FRAME).all()
    assert not ring.pull(FRAME).any()
    assert ring.short == FRAME
    ring.push(LOUD[:500])
    ring.push(LOUD)
    assert not ring.pull(FRAME).any()
    ring.push(LOUD)
    assert ring.pull(FRAME).all()


def test_a_side_that_stopped_costs_no_memory_and_no_delay() -> None:
    ring = Elastic(RATE)
    for _ in range(1000):
        ring.push(LOUD)
        assert ring.held <= 0.4 * RATE
    assert ring.skipped + ring.held == ring.pushed


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3000)), max_size=60))
def test_samples_in_are_samples_out_and_those_accounted_for(steps: list[tuple[bool, int]]) -> None:
    ring = Elastic(8000)
    pushed = pulled = 0
    for push, count in steps:
        if push:
            ring.push(np.ones(count, np.int16))
            pushed += count
        else:
            assert len(ring.pull(count)) == count
            pulled += count
    assert (ring.pushed, ring.pulled) == (pushed, pulled)
    assert 0 <= ring.held <= 0.4 * 8000
    assert ring.held + ring.skipped <= pushed


def test_a_card_that_wakes_up_is_waited_for_and_one_that_stops_is_not() -> None:
    try:
        card = _Streams()
    except SoundError as error:
        pytest.skip(str(error))
    side = _Side(8000)
    card._sides.append(side)
    side.beats = 5  # a first gulp
    assert [card.alive for _ in range(_WAKING)] == [True] * _WAKING
    assert not card.alive
    side.beats += 1
    assert card.alive
    assert not card.alive

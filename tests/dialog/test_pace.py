"""Turns for what time sets off: so many a second, and none kept for who does not come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.dialog.pace import FEW, MISSED, Pace


def test_who_was_given_a_turn_has_it_and_nobody_has_two() -> None:
    pace = Pace(10.0)
    assert pace.claim(b"a", 0.0) == 0.0
    assert pace.claim(b"b", 0.0) == 0.1
    assert pace.claim(b"c", 0.0) == 0.2
    assert pace.claim(b"b", 0.1) == 0.1
    assert pace.claim(b"b", 0.1) > 0.2


def test_turns_of_those_that_are_gone_are_forgotten() -> None:
    pace = Pace(1000.0)
    for number in range(100_000):
        pace.claim(b"%d" % number, number / 1000 - 1.0 if number else 0.0)
        assert len(pace._given) <= 4 * (FEW + 1000 * (MISSED + 1.0))
    before = len(pace._given)
    for number in range(2 * before):
        pace.claim(b"again %d" % number, 1000.0)
    assert len([key for key in pace._given if not key.startswith(b"again")]) == 0


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.floats(0.0, 0.5)), max_size=200))
def test_no_more_go_than_the_rate_allows(claims: list[tuple[bytes, float]]) -> None:
    pace, now, went = Pace(10.0), 0.0, []
    for key, later in claims:
        now += later
        if pace.claim(key, now) <= now:
            went.append(now)
    for first, at in enumerate(went):
        assert len([each for each in went[first:] if each < at + 1.0]) <= 11 + 3  # turns that were given may be late

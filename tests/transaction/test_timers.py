"""The timer values of RFC 3261 table 4, RFC 6026 section 8.11 and RFC 4320 section 4.1."""

from __future__ import annotations

import pytest

from actors.transaction.timers import Timers


def test_the_defaults_are_those_of_the_rfc() -> None:
    timers = Timers()
    assert (timers.t1, timers.t2, timers.t4) == (0.5, 4.0, 5.0)
    assert timers.timeout == 32.0
    assert timers.timer_d == 32.0


def test_timer_d_is_never_below_32_seconds() -> None:
    assert Timers(t1=0.1).timer_d == 32.0
    assert Timers(t1=1.0).timer_d == 64.0


def test_what_derives_from_t1_can_be_set_by_itself() -> None:
    timers = Timers(own_timeout=3.0, own_timer_d=1.0)
    assert (timers.timeout, timers.timer_d) == (3.0, 1.0)


@pytest.mark.parametrize(("t1", "t2", "expected"), [(0.5, 4.0, 3.5), (1.0, 4.0, 3.0), (0.5, 3.0, 3.5), (4.0, 4.0, 0.0)])
def test_the_late_100_waits_until_timer_e_is_reset_to_t2(t1: float, t2: float, expected: float) -> None:
    assert Timers(t1, t2).late_trying == expected

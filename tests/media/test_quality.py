"""The E-model at the points that G.107 prints, and in the shape it must have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media.quality import Heard, Watch, delay_impairment, loss_impairment, mos, rating


@pytest.mark.parametrize(("r", "expected"), [(93.2, 4.41), (90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)])
def test_ratings_are_the_opinions_of_g107_table_b1(r: float, expected: float) -> None:
    assert mos(r) == pytest.approx(expected, abs=0.0075)  # the table rounds 4.024 up


def test_a_perfect_call_has_the_rating_of_g107s_defaults() -> None:
    assert rating("PCMU", Heard(0.0, 1.0, 0.0)) == 93.2
    assert mos(-5) == 1.0
    assert mos(120) == 4.5


@pytest.mark.parametrize(
    ("percent", "burst", "expected"),
    # 95 * Ppl / (Ppl / BurstR + 25.1), reckoned by hand; a burst of 2 at 10 % is a BurstR of 1.8.
    [(0, 1, 0.0), (1, 1, 95 / 26.1), (5, 1, 475 / 30.1), (10, 2, 950 / (10 / 1.8 + 25.1))],
)
def test_loss_costs_what_the_formula_says(percent: float, burst: float, expected: float) -> None:
    assert loss_impairment("PCMA", percent / 100, burst) == pytest.approx(expected, abs=1e-9)


def test_delay_costs_nothing_up_to_100_ms_and_25_times_its_curve_beyond() -> None:
    assert delay_impairment(100) == 0.0
    # X = 1 at 200 ms: 2**(1/6) - 3 * (1 + 3**-6)**(1/6) + 2
    assert delay_impairment(200) == pytest.approx(25 * (2 ** (1 / 6) - 3 * (1 + 3**-6) ** (1 / 6) + 2))
    assert delay_impairment(150) < delay_impairment(200) < delay_impairment(400)


def test_gsm_sounds_worse_than_g711() -> None:
    heard = Heard(0.01, 1.0, 80.0)
    assert rating("GSM", heard) < rating("PCMU", heard) - 15


@given(st.floats(0, 0.3), st.floats(1, 50), st.floats(0, 2000))  # beyond a third BurstR is no model any more
def test_more_loss_or_delay_never_sounds_better(loss: float, burst: float, delay: float) -> None:
    here = rating("PCMU", Heard(loss, burst, delay))
    assert 0 <= here <= 93.2
    assert 1.0 <= mos(here) <= 4.5
    assert rating("PCMU", Heard(min(1.0, loss + 0.01), burst, delay)) <= here + 1e-9
    assert rating("PCMU", Heard(loss, burst, delay + 10)) <= here + 1e-9


def test_a_threshold_is_told_once_each_way() -> None:
    watch = Watch()
    said = [watch.judge(value) for value in (4.4, 3.0, 2.0, 3.3, 3.7, 3.2, 3.05)]
    assert said == ["", "quality_low", "", "", "quality_restored", "", "quality_low"]

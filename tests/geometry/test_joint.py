from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ragdiag.geometry.intervals import Z, mean_interval, wilson
from ragdiag.geometry.joint import movement
from ragdiag.types import Measure


def test_symmetric_intervals_join_as_standard_errors_do() -> None:
    moved = movement(Measure(1.0, 0.7, 1.3, 0.0, 50), Measure(2.0, 1.6, 2.4, 0.0, 50))
    assert moved is not None
    assert (moved.delta, moved.low, moved.high) == pytest.approx((1.0, 0.5, 1.5))
    assert moved.p == pytest.approx(math.erfc(1.959964 * 2 / math.sqrt(2)), rel=1e-5)


def test_the_end_that_faces_the_other_counts() -> None:
    # Up: what the old one may be more, and the new one less (Zou & Donner 2008, eq. 6).
    moved = movement(Measure(1.0, 0.9, 1.3, 0.0, 50), Measure(2.0, 1.6, 2.1, 0.0, 50))
    assert moved is not None
    assert (moved.low, moved.high) == pytest.approx((0.5, 1 + math.hypot(0.1, 0.1)))


def test_counted_shares_have_the_noise_of_another_draw() -> None:
    moved = movement(Measure.counted(0.0, n=100, null=0.0), Measure.counted(0.02, n=100, null=0.0))
    assert moved is not None
    up, low = wilson(0, 100).high, wilson(2, 100).low
    assert up is not None
    assert low is not None
    assert moved.low == pytest.approx(0.02 - math.hypot(up, 0.02 - low))
    assert moved.p > 0.2


def test_of_another_exact_number_no_chance_is_known() -> None:
    exact, drawn = Measure.counted(9.0, n=9), Measure(4.0, 3.9, 4.1, 0.0, 9)
    for old, new in ((Measure.counted(4.0, n=9), exact), (drawn, exact), (exact, drawn)):
        moved = movement(old, new)
        assert moved is not None
        assert (abs(moved.delta), moved.p) == (5.0, 1.0)


def test_without_a_value_or_an_interval_nothing_is_said() -> None:
    whole = Measure(1.0, 0.5, 1.5, 0.0, 9)
    assert movement(Measure.missing("why"), whole) is None
    assert movement(whole, Measure(1.0, None, None, 0.0, 9)) is None


def test_away_is_from_the_null_and_notable_is_a_tenth() -> None:
    def moved(was: float, now: float, null: float | None = 0.5) -> tuple[bool, bool]:
        found = movement(Measure(was, was, was + 1e-9, null, 9), Measure(now, now, now + 1e-9, null, 9))
        assert found is not None
        return found.away, found.notable

    assert moved(0.4, 0.3) == (True, True)
    assert moved(0.3, 0.4) == (False, True)
    assert moved(0.4, 0.39) == (True, False)
    assert moved(0.05, 0.058) == (False, False)  # over a tenth, but under .01
    assert moved(0.4, 0.3, null=None)[0] is False


def test_equal_means_move_as_often_as_they_may() -> None:
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(1000):
        moved = movement(mean_interval(rng.standard_normal(60)), mean_interval(rng.standard_normal(90)))
        assert moved is not None
        false += moved.p < 0.05
    assert 30 <= false <= 65


def test_values_at_the_ends_of_their_intervals_have_the_width_of_the_other_side() -> None:
    moved = movement(Measure(0.1, 0.06, 0.1, 0.0, 50), Measure(0.2, 0.2, 0.23, 0.0, 50))
    assert moved is not None
    assert (moved.low, moved.high) == pytest.approx((0.1, 0.1 + np.hypot(0.04, 0.03)))
    assert moved.p == pytest.approx(2 * stats.norm.sf(Z * 0.1 / 0.05))


def test_what_no_float_can_hold_is_no_movement() -> None:
    assert movement(Measure(-1.7e308, -1.7e308, -1e308, 0.0, 9), Measure(1.7e308, 1e308, 1.7e308, 0.0, 9)) is None

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import InvalidCostModelError
from costmodel.intervals import (
    ConformalInterval,
    conformal_quantile,
    residual_sigma,
    total_interval,
)
from costmodel.one_request import interval


def test_the_scale_is_the_meter_s_noise_for_short_runs_and_the_floor_for_long_ones():
    noise = [0.25, 0.25, 0.25, 0.08 / 0.4, 0.08 / 0.8, 0.0]
    runtimes = [0.0, 1e-300, 0.31, 0.4, 0.8, 1e9]
    assert residual_sigma(runtimes) == pytest.approx([math.hypot(0.04, one) for one in noise])
    assert residual_sigma(2.0) == pytest.approx(math.hypot(0.04, 0.04))


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20))
def test_the_scale_never_rises_with_the_runtime(runtimes):
    scale = residual_sigma(sorted(runtimes))
    assert (np.diff(scale) <= 0).all()
    assert scale.max() <= math.hypot(0.04, 0.25)


@given(st.floats(0, 1e4), st.floats(0, 1e6))
def test_one_request_has_the_half_width_that_arrays_have(quantile, runtime_s):
    expected = ConformalInterval(quantile, 9).half_width([runtime_s])[0]
    assert interval(1.0, quantile, runtime_s)[1] == pytest.approx(expected, rel=1e-12)


def test_bounds_are_the_prediction_times_and_over_one_factor():
    low, high = ConformalInterval(2.0, 20).bounds([100.0, 0.0], [2.0, 2.0])
    factor = math.exp(2.0 * math.hypot(0.04, 0.04))
    assert low == pytest.approx([100 / factor, 0.0])
    assert high == pytest.approx([100 * factor, 0.0])


def test_bounds_of_the_shortest_requests_stay_near():
    low, high = ConformalInterval(1.5, 20).bounds([2.0, 2.0], [0.0, 1e-300])
    assert low == pytest.approx([1.368, 1.368], abs=1e-3)
    assert high == pytest.approx([2.924, 2.924], abs=1e-3)


def test_bounds_of_a_cost_model_that_knows_nothing_stay_finite():
    low, high = ConformalInterval(1e9, 20).bounds([1e9, 1.0], [0.0, 1e9])
    assert np.isfinite(low).all()
    assert np.isfinite(high).all()


@given(st.lists(st.floats(0, 100), min_size=9, max_size=60))
def test_with_one_score_a_point_the_quantile_is_the_finite_sample_one(scores):
    rank = math.ceil((len(scores) + 1) * 0.9 - 1e-9)
    assert conformal_quantile(np.array(scores)) == sorted(scores)[rank - 1]


def test_too_few_scores_have_no_finite_quantile():
    assert conformal_quantile(np.ones(8)) == math.inf


def test_a_point_measured_often_is_no_more_evidence_than_one_measured_once():
    once = np.arange(1.0, 20.0)
    often = np.concatenate([once, np.full(50, 1.0)])
    ids = np.concatenate([np.arange(19), np.zeros(50, dtype=int)])
    assert conformal_quantile(often, ids) == conformal_quantile(once)


def test_an_interval_covers_nine_in_ten_new_measurements():
    rng = np.random.default_rng(3)
    runtime = rng.uniform(0.01, 20, 4000)
    measured = 50 * np.exp(rng.normal(0, 1.3, 4000) * residual_sigma(runtime))
    half = slice(0, 2000), slice(2000, None)
    interval = ConformalInterval.fit(measured[half[0]], np.full(2000, 50.0), runtime[half[0]])
    assert interval is not None
    low, high = interval.bounds(np.full(2000, 50.0), runtime[half[1]])
    covered = np.mean((low <= measured[half[1]]) & (measured[half[1]] <= high))
    assert covered == pytest.approx(0.9, abs=0.02)
    assert interval.points == 2000


def test_fewer_than_nine_points_have_no_interval():
    ones = np.ones(40)
    assert ConformalInterval.fit(ones, ones, ones, np.arange(40) % 8) is None
    assert ConformalInterval.fit(ones, ones, ones, np.arange(40) % 9) == ConformalInterval(0.0, 9)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_residuals_of_no_positive_measurement_are_refused(value):
    with pytest.raises(InvalidCostModelError, match="above 0"):
        ConformalInterval.fit([value] * 10, np.ones(10), np.ones(10))


@pytest.mark.parametrize("changes", [{"quantile": math.nan}, {"quantile": -1.0}, {"points": 8}])
def test_an_interval_out_of_range_is_refused(changes):
    with pytest.raises(InvalidCostModelError, match=r"^Expected"):
        ConformalInterval(**{"quantile": 1.0, "points": 9, **changes})


def test_errors_of_one_artefact_add_up_and_of_two_add_in_quadrature():
    values, lows, highs = [100.0, 100.0], [90.0, 90.0], [120.0, 120.0]
    one = total_interval(values, lows, highs, [0, 0])
    assert one == pytest.approx((200 - math.hypot(20, 10), 200 + math.hypot(40, 10)))
    two = total_interval(values, lows, highs, [0, 7])
    widths = math.hypot(10, 10, 5, 5), math.hypot(20, 20, 5, 5)
    assert two == pytest.approx((200 - widths[0], 200 + widths[1]))


def test_a_total_of_exact_predictions_still_has_the_campaign_term():
    assert total_interval([200.0], [200.0], [200.0], [1]) == pytest.approx((190.0, 210.0))


def test_a_total_with_one_unknown_error_is_unknown():
    assert total_interval([1.0, 1.0], [0.9, np.nan], [1.1, np.nan], [0, 1]) is None


def test_a_total_of_nothing_is_nothing():
    assert total_interval([], [], [], []) == (0.0, 0.0)


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(1, 5), st.integers(0, 3)), min_size=1, max_size=20
    )
)
def test_a_total_s_interval_holds_the_total_and_is_never_below_zero(rows):
    values, factors, groups = (np.array(column) for column in zip(*rows, strict=True))
    low, high = total_interval(values, values / factors, values * factors, groups)
    assert 0 <= low <= values.sum() * (1 + 1e-9)
    assert high >= values.sum() * (1 - 1e-9)

"""When a ratio of measurements to predictions is applied, and when it has drifted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.calibration import ENERGY, RUNTIME, BiasEstimator, BiasKey, Calibration


def of(ratios: list[float]) -> BiasEstimator:
    found = BiasEstimator()
    for ratio in ratios:
        found.add(ratio)
    return found


def test_fifty_observations_are_enough_and_one_less_is_not() -> None:
    assert of([1.3] * 49).factor == 1.0
    assert of([1.3] * 50).factor == pytest.approx(1.3)


def test_a_bias_below_five_per_cent_is_left_alone() -> None:
    for ratio in (1.049, 1 / 1.049):
        assert of([ratio] * 500).factor == 1.0
    for ratio in (1.051, 1 / 1.051):
        assert of([ratio] * 500).factor == pytest.approx(ratio)


def test_a_bias_that_noise_may_have_made_is_left_alone() -> None:
    noisy = [1.2 * 8.0**sign for sign in (1, -1) * 30]
    assert of(noisy).mean == pytest.approx(1.2, rel=0.05)
    assert of(noisy).factor == 1.0
    calm = [1.2 * 1.05**sign for sign in (1, -1) * 30]
    assert of(calm).factor == pytest.approx(1.2, rel=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_noise_without_a_bias_is_seldom_taken_for_one(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    corrected = sum(of(list(drawn.lognormal(0, 0.4, 200))).factor != 1.0 for _ in range(100))
    assert corrected <= 3


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=200))
def test_no_correction_is_larger_than_three(ratios: list[float]) -> None:
    assert 1 / 3 - 1e-9 <= of(ratios).factor <= 3 + 1e-9


def test_what_is_off_by_more_than_three_is_corrected_by_three_and_drifts() -> None:
    found = of([5.0] * 100)
    assert found.factor == pytest.approx(3.0)
    assert found.drifted


def test_a_change_is_drift_until_it_is_learned() -> None:
    found = of([1.0] * 500)
    assert not found.drifted
    for _ in range(100):
        found.add(1.4)
    assert found.drifted
    for _ in range(1500):
        found.add(1.4)
    assert not found.drifted
    assert found.factor == pytest.approx(1.4, rel=0.03)


def test_old_ratios_are_forgotten() -> None:
    found = of([2.0] * 1000 + [1.0] * 5000)
    assert found.factor == 1.0
    assert found.mean == pytest.approx(1.0, abs=0.01)


def test_pairs_and_quantities_are_apart_and_what_is_not_positive_says_nothing() -> None:
    calibration = Calibration()
    calibration.load({("a", device): "first" for device in "xyz"})
    for _ in range(60):
        calibration.add(BiasKey("a", "x", "first", ENERGY), 20.0, 10.0)
        calibration.add(BiasKey("a", "y", "first", ENERGY), 0.0, 10.0)
        calibration.add(BiasKey("a", "z", "first", ENERGY), 10.0, 0.0)
    assert calibration.factor("a", "x", ENERGY) == pytest.approx(2.0)
    assert calibration.factor("a", "x", RUNTIME) == 1.0
    assert [key for key, _ in calibration] == [BiasKey("a", "x", "first", ENERGY)]


X = "a", "x"


def learned(cost_model: str, fleet: dict[tuple[str, str], str] | None = None) -> Calibration:
    """Return a calibration by twice the joules of what a cost model predicts."""
    calibration = Calibration()
    if fleet is not None:
        calibration.load(fleet)
    for _ in range(60):
        calibration.add(BiasKey(*X, cost_model, ENERGY), 20.0, 10.0)
    return calibration


def test_ratios_of_a_former_cost_model_are_dropped_and_not_taken_in_again() -> None:
    calibration = learned("first", {X: "first"})
    assert calibration.factor(*X, ENERGY) == pytest.approx(2.0)
    calibration.load({X: "second"})
    assert calibration.factor(*X, ENERGY) == 1.0
    calibration.add(BiasKey(*X, "first", ENERGY), 20.0, 10.0)
    assert calibration.pairs == {}
    calibration.load({X: "first"})
    assert calibration.factor(*X, ENERGY) == 1.0


@pytest.mark.parametrize(("loaded", "factor"), [("first", 2.0), ("second", 1.0)])
def test_what_is_known_before_the_fleet_counts_for_its_cost_model(
    loaded: str, factor: float
) -> None:
    calibration = learned("first")
    assert list(calibration) == []
    calibration.load({X: loaded})
    assert calibration.factor(*X, ENERGY) == pytest.approx(factor)


def test_ratios_of_a_pair_that_leaves_the_fleet_wait_unseen_for_its_return() -> None:
    calibration = learned("first", {X: "first"})
    calibration.load({("a", "y"): "other"})
    assert list(calibration) == []
    assert calibration.factor(*X, ENERGY) == 1.0
    calibration.load({X: "first"})
    assert calibration.factor(*X, ENERGY) == pytest.approx(2.0)
    assert len(list(calibration)) == 1

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.cost_matrix import predict
from costmodel.errors import InvalidCostModelError
from costmodel.output_lengths import TAIL, OutputLengths
from costmodel.workload import Workload
from tests.planner.instances import cost_model

QUANTILES = st.lists(st.floats(1.0, 20_000.0), min_size=3, max_size=3).map(sorted)


@given(QUANTILES)
def test_a_distribution_passes_through_its_quantiles(tokens: list[float]) -> None:
    lengths = OutputLengths.from_quantiles(
        {p: [t] for p, t in zip((0.05, 0.5, 0.99), tokens, strict=True)}
    )
    for probability, value in zip((0.05, 0.5, 0.99), tokens, strict=True):
        assert lengths.quantile(probability)[0] == pytest.approx(value)


@given(QUANTILES, st.floats(0.001, 0.998), st.floats(0.0, 1.0))
def test_quantiles_never_fall_and_never_go_below_one_token(
    tokens: list[float], probability: float, up: float
) -> None:
    lengths = OutputLengths.from_quantiles(
        {p: [t] for p, t in zip((0.1, 0.5, 0.9), tokens, strict=True)}
    )
    higher = probability + up * (0.999 - probability)
    below, above = lengths.quantile(probability)[0], lengths.quantile(higher)[0]
    assert 1.0 <= below <= above * (1 + 1e-12)


def test_two_quantiles_make_the_log_normal_that_passes_through_them() -> None:
    lengths = OutputLengths.from_quantiles({0.5: [100.0], 0.9: [200.0]})
    sigma = math.log(2.0) / 1.2815515655446004
    assert lengths.quantile(0.99)[0] == pytest.approx(100 * math.exp(2.3263478740408408 * sigma))
    # The cut at the 99.9th percentile takes a little of the log-normal's mean.
    assert lengths.moments[0, 0] == pytest.approx(100 * math.exp(sigma**2 / 2), rel=0.005)


def test_moments_are_the_means_over_many_draws() -> None:
    lengths = OutputLengths.from_quantiles(
        {0.1: [20.0, 5.0], 0.5: [90.0, 200.0], 0.9: [400.0, 210.0]}
    )
    draws = lengths.at_scores(np.random.default_rng(0).standard_normal((2, 400_000)))
    for power in (1, 2, 3):
        values = draws**power
        error = values.std(axis=1) / math.sqrt(values.shape[1])
        assert np.all(np.abs(values.mean(axis=1) - lengths.moments[:, power - 1]) < 4 * error)


def test_the_tails_are_cut_at_the_stated_probability() -> None:
    lengths = OutputLengths.from_quantiles({0.5: [100.0], 0.9: [400.0]})
    draws = lengths.at_scores(np.array([[-9.0, -4.0, 4.0, 9.0]]))[0]
    assert draws[0] == draws[1] == pytest.approx(lengths.quantile(TAIL)[0])
    assert draws[2] == draws[3] == pytest.approx(lengths.quantile(1 - TAIL)[0])


@pytest.mark.parametrize("basis", ["kv_on", "kv_off"])
def test_predictions_of_distributions_are_means_of_predictions(basis: str) -> None:
    lengths = OutputLengths.from_quantiles({0.1: [30.0], 0.5: [90.0], 0.9: [400.0]})
    pair = cost_model("small", basis=basis)
    drawn = lengths.at_scores(np.random.default_rng(1).standard_normal((1, 200_000)))[0]
    expected = predict(Workload.expected(np.array([700]), lengths), [(pair, 1.0)])
    for found, each in (
        (expected.energy_j[0, 0], pair.energy_j(700, drawn, 1.0)),
        (expected.device_seconds[0, 0], pair.device_seconds(700, drawn, 1.0)),
    ):
        assert found == pytest.approx(each.mean(), abs=4 * each.std() / math.sqrt(each.size))
        assert found > 0


def test_certain_lengths_are_priced_as_counts() -> None:
    certain = OutputLengths.from_quantiles({0.5: [120.0, 7.0], 0.9: [120.0, 7.0]})
    workload = Workload.expected(np.array([10, 20]), certain)
    assert workload.lengths is None
    assert workload.output_tokens.tolist() == [120, 7]


def test_merged_parts_keep_their_quantiles_and_the_others_are_certain() -> None:
    one = OutputLengths.from_quantiles({0.5: [100.0], 0.9: [300.0]})
    other = OutputLengths.from_quantiles({0.05: [1.0], 0.3: [40.0], 0.99: [900.0]})
    merged = OutputLengths.merge(
        [(np.array([0]), one), (np.array([3]), other)], np.array([1, 55, 9, 1])
    )
    assert merged.certain.tolist() == [False, True, True, False]
    assert merged.moments[1:3, 0].tolist() == [55.0, 9.0]
    for probability in (0.02, 0.2, 0.4, 0.77, 0.95, 0.997):
        found = merged.quantile(probability)
        assert found[0] == pytest.approx(one.quantile(probability)[0])
        assert found[3] == pytest.approx(other.quantile(probability)[0])


def test_taking_requests_takes_their_distributions() -> None:
    lengths = OutputLengths.from_quantiles({0.5: [10.0, 20.0, 30.0], 0.9: [20.0, 90.0, 31.0]})
    workload = Workload.expected(np.array([1, 2, 3]), lengths).take(np.array([2, 0]))
    assert workload.lengths is not None
    assert workload.lengths.quantile(0.9) == pytest.approx([31.0, 20.0])
    assert workload.input_tokens.tolist() == [3, 1]


@pytest.mark.parametrize(
    "quantiles",
    [
        {0.5: [10.0]},
        {0.5: [10.0], 0.9: [9.0]},
        {0.5: [0.5], 0.9: [9.0]},
        {0.5: [1.0], 0.9999: [9.0]},
        {0.5: [1.0], 0.9: [float("nan")]},
    ],
)
def test_quantiles_that_make_no_distribution_are_refused(
    quantiles: dict[float, list[float]],
) -> None:
    with pytest.raises(InvalidCostModelError, match="Expected"):
        OutputLengths.from_quantiles(quantiles)


def test_lengths_of_another_number_of_requests_are_refused() -> None:
    lengths = OutputLengths.from_quantiles({0.5: [10.0], 0.9: [12.0]})
    with pytest.raises(InvalidCostModelError, match="Expected 2 lengths, got 1"):
        Workload(np.array([1, 2]), np.array([1, 2]), lengths)

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import InvalidCostModelError, NameRefusedError
from costmodel.provenance import Provenance
from tests.costmodel.builders import (
    BUILDERS,
    cost_models,
    decode_cost_model,
    kv_off_cost_model,
    kv_on_cost_model,
)

token_counts = st.integers(0, 2**40)
batches = st.floats(1, 512)


def test_joules_device_seconds_and_latency_at_concurrency_1_8_and_64():
    cost_model = kv_on_cost_model()
    tin, tout, s1 = 100, 50, 50 * 100 + 50 * 49 / 2
    for batch in (1.0, 8.0, 64.0):
        energy = 3.0 / batch + 1.0 + 0.01 + 50 * (0.05 + 4.0 / batch + 0.5 / batch**0.5) + 1e-5 * s1
        seconds = (
            0.02 / batch + 1e-3 + 1e-5 + 50 * (1e-4 + 8e-3 / batch + 1e-3 / batch**0.5) + 1e-8 * s1
        )
        assert cost_model.energy_j([tin], [tout], batch) == pytest.approx([energy])
        assert cost_model.device_seconds([tin], [tout], batch) == pytest.approx([seconds])
        low, high = cost_model.energy_bounds_j([tin], [tout], batch)
        sigma = np.hypot(0.04, min(0.25, 0.08 / (seconds * batch)))
        assert low == pytest.approx([energy * np.exp(-2.0 * sigma)])
        assert high == pytest.approx([energy * np.exp(2.0 * sigma)])


@given(cost_models(), token_counts, token_counts, token_counts, batches)
def test_longer_requests_never_cost_less(cost_model, tin, tout, more, batch):
    for predict in (cost_model.energy_j, cost_model.device_seconds):
        base, longer_in, longer_out = predict(
            [tin, tin + more, tin], [tout + 1, tout + 1, tout + 1 + more], batch
        )
        assert 0 <= base <= longer_in
        assert base <= longer_out


@given(cost_models(), token_counts, st.integers(1, 2**40), batches, batches)
def test_sharing_a_device_never_costs_a_request_more(cost_model, tin, tout, one, other):
    fewer, more = sorted((one, other))
    shared, alone = (cost_model.energy_j([tin], [tout], batch)[0] for batch in (more, fewer))
    assert shared <= alone * (1 + 1e-12)


@given(cost_models(), st.permutations(range(6)))
def test_permuting_requests_permutes_predictions(cost_model, order):
    tin, tout = np.array([1, 5, 900, 0, 64, 7]), np.array([9, 1, 33, 512, 64, 2])
    straight = cost_model.energy_j(tin, tout, 4.0)
    assert np.array_equal(cost_model.energy_j(tin[order], tout[order], 4.0), straight[order])


def test_concurrency_is_one_for_all_or_one_for_each():
    cost_model = kv_on_cost_model()
    each = cost_model.energy_j([10, 10], [20, 20], [1.0, 8.0])
    assert each[0] == pytest.approx(cost_model.energy_j(10, 20, 1)[0])
    assert each[1] == pytest.approx(cost_model.energy_j(10, 20, 8)[0])


def test_bounds_hold_the_prediction_and_are_none_without_an_interval():
    low, high = kv_off_cost_model().device_seconds_bounds([10], [20], 1)
    assert low < kv_off_cost_model().device_seconds([10], [20], 1) < high
    assert decode_cost_model().energy_bounds_j([10], [20], 8) is None
    assert decode_cost_model().device_seconds_bounds([10], [20], 8) is None


def test_a_decode_cost_model_predicts_without_input_tokens():
    cost_model = decode_cost_model()
    known = cost_model.energy_j([100.0], [500], 64)
    assert np.array_equal(cost_model.energy_j([np.nan], [500], 64), known)


@pytest.mark.parametrize("builder", BUILDERS.values())
def test_a_cost_model_survives_pickling_and_equals_its_copy(builder):
    cost_model = builder()
    assert pickle.loads(pickle.dumps(cost_model)) == cost_model


@pytest.mark.parametrize(
    "changes",
    [
        {"basis": "bilinear", "energy_coefficients": (1.0, 1.0, 1.0)},
        {"basis": "quadratic"},
        {"energy_coefficients": (1.0, 1.0, 1.0)},
        {"energy_coefficients": (1.0, -1e-300, 1.0, 1.0)},
        {"device_seconds_coefficients": (1.0, np.nan, 1.0, 1.0)},
        {"device_seconds_coefficients": (1.0, np.inf, 1.0, 1.0)},
        {"device_seconds_coefficients": (0.0, 0.0, 0.0, 0.0)},
        {"energy_coefficients": (1e300, 0.0, 0.0, 0.0)},
        {"num_gpus": 2},
        {"load_s": -1.0},
        {"load_energy_j": np.nan},
        {"idle_watts": np.inf},
        {"max_context_tokens": 0},
        {"region": decode_cost_model().region},
    ],
)
def test_a_cost_model_out_of_range_is_refused(changes):
    with pytest.raises(InvalidCostModelError, match=r"^Expected"):
        kv_off_cost_model(**changes)


@pytest.mark.parametrize("changes", [{"llm": "../etc"}, {"device": "h100"}])
def test_a_cost_model_of_a_refused_name_is_refused(changes):
    with pytest.raises(NameRefusedError):
        kv_off_cost_model(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"source": ""}, {"kv_cache": "yes"}, {"energy_scope": "rack"}, {"notes": "not a tuple"}],
)
def test_provenance_out_of_range_is_refused(changes):
    given = {"source": "bench", "kv_cache": "on", "energy_scope": "gpu", **changes}
    with pytest.raises(InvalidCostModelError, match=r"^Expected"):
        Provenance(**given)


@pytest.mark.parametrize("batch", [0.5, 0, -1, np.nan, np.inf, [1.0, 0.0]])
def test_a_concurrency_below_one_is_refused(batch):
    with pytest.raises(InvalidCostModelError, match="concurrency of at least 1"):
        kv_off_cost_model().energy_j([1, 1], [1, 1], batch)


@pytest.mark.parametrize(("tin", "tout"), [(-1, 1), (np.nan, 1), (1, -1), (1, np.nan), (np.inf, 1)])
def test_tokens_that_cannot_be_are_refused(tin, tout):
    with pytest.raises(InvalidCostModelError, match="tokens of at least 0"):
        kv_off_cost_model().energy_j([tin], [tout], 1)


def test_a_cost_model_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        kv_off_cost_model().load_s = 0.0

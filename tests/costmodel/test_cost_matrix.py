import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.cost_matrix import predict, slot_seconds
from costmodel.errors import InvalidCostModelError
from costmodel.workload import Workload
from tests.costmodel.builders import decode_cost_model, kv_off_cost_model, kv_on_cost_model

COLUMNS = [
    (kv_off_cost_model(), 1.0),
    (kv_on_cost_model(), 8.0),
    (kv_on_cost_model(), 65.0),
    (decode_cost_model(), 64.0),
]


def random_workload(size):
    rng = np.random.default_rng(11)
    return Workload(rng.integers(0, 4096, size), rng.integers(1, 2048, size))


@pytest.mark.parametrize("size", [0, 1, 100, 70_001])
def test_each_column_is_what_its_cost_model_predicts(size):
    workload = random_workload(size)
    matrix = predict(workload, COLUMNS)
    tin, tout = workload.input_tokens, workload.output_tokens
    for column, (cost_model, batch) in enumerate(COLUMNS):
        assert np.array_equal(matrix.energy_j[:, column], cost_model.energy_j(tin, tout, batch))
        seconds = cost_model.device_seconds(tin, tout, batch)
        assert np.array_equal(matrix.device_seconds[:, column], seconds)
        outside = cost_model.region.outside(tin, tout, batch)
        assert np.array_equal(matrix.outside[:, column], outside)
        bounds = cost_model.energy_bounds_j(tin, tout, batch)
        low, high = bounds or (np.full(size, np.nan), np.full(size, np.nan))
        assert np.array_equal(matrix.energy_low_j[:, column], low, equal_nan=True)
        assert np.array_equal(matrix.energy_high_j[:, column], high, equal_nan=True)


def test_without_intervals_the_bounds_are_nan_and_take_no_memory():
    workload = random_workload(1000)
    matrix = predict(workload, COLUMNS, intervals=False)
    assert np.isnan(matrix.energy_low_j).all()
    assert matrix.energy_high_j.shape == (1000, 4)
    assert matrix.energy_high_j.strides == (0, 0)
    assert np.array_equal(matrix.energy_j, predict(workload, COLUMNS).energy_j)


def test_a_matrix_of_no_placements_has_no_columns():
    assert predict(random_workload(5), []).energy_j.shape == (5, 0)


@pytest.mark.parametrize("batch", [0.9, np.nan, [1.0, 2.0]])
def test_a_placement_has_one_concurrency_of_at_least_one(batch):
    with pytest.raises(InvalidCostModelError, match="concurrency"):
        predict(random_workload(2), [(kv_off_cost_model(), batch)])


def test_latency_alone_is_the_device_seconds():
    seconds = np.array([0.5, 7.0])
    assert slot_seconds(np.array([10, 99]), seconds, 1.0).tolist() == [0.5, 7.0]


def test_latency_together_is_the_output_times_the_mean_step_of_the_mix():
    assert slot_seconds(np.array([10, 30]), np.array([1.0, 1.0]), 8.0).tolist() == [4.0, 12.0]


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 100)), min_size=1, max_size=50),
    st.floats(1, 256),
)
def test_slot_times_add_up_to_concurrency_times_the_device_seconds(rows, batch):
    tokens, seconds = (np.array(column) for column in zip(*rows, strict=True))
    slots = slot_seconds(tokens, seconds, batch)
    assert slots.sum() == pytest.approx(batch * seconds.sum(), rel=1e-9, abs=1e-300)


def test_latency_of_nothing_is_nothing():
    assert slot_seconds(np.array([], dtype=int), np.array([]), 8.0).size == 0

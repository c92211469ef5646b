import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.provenance import GPU
from profiler.fit.cross_validation import largest_level, nested, out_of_fold, seeded_folds, splits
from profiler.fit.error_figures import error_figures
from profiler.fit.training import ENERGY, QUANTITIES, training_set
from profiler.observations import joined
from tests.profiler.builders import GRID, SERVED, kv_off_trials, kv_on_trials

REPEATED = joined([kv_off_trials(noise=0.05, seed=seed) for seed in range(3)])


@given(st.lists(st.integers(0, 20), min_size=10, max_size=60), st.integers(0, 2**32 - 1))
def test_repeats_of_a_point_share_their_fold(cells, seed):
    cell = np.array(cells)
    fold = seeded_folds(cell, 5, seed)
    for point in np.unique(cell):
        assert len(set(fold[cell == point].tolist())) == 1


def test_folds_hold_equally_many_points():
    fold = seeded_folds(np.arange(82), 5, seed=3)
    assert sorted(np.bincount(fold).tolist()) == [16, 16, 16, 17, 17]


def test_ten_splits_differ_and_repeat_exactly():
    data = training_set(REPEATED, GPU)
    first, again = splits(data), splits(data)
    assert len({fold.tobytes() for fold in first}) == 10
    assert [fold.tobytes() for fold in first] == [fold.tobytes() for fold in again]


def test_a_held_out_measurement_never_reaches_its_own_prediction():
    clean = training_set(kv_off_trials(noise=0.05), GPU)
    joules = kv_off_trials(noise=0.05).energy_gpu_j.copy()
    joules[7] *= 100.0
    spoilt = training_set(kv_off_trials(noise=0.05, energy_gpu_j=joules), GPU)
    everything = np.ones(16, dtype=np.bool_)
    for fold in splits(clean):
        before = out_of_fold(clean, fold, everything)[ENERGY]
        after = out_of_fold(spoilt, fold, everything)[ENERGY]
        assert after[7] == before[7]
        assert not np.array_equal(after, before)


def test_inner_folds_know_nothing_of_the_outer_fold():
    data = training_set(REPEATED, GPU)
    for asked, held, learnt in nested(data, splits(data)[0]):
        for quantity in QUANTITIES:
            assert np.isnan(learnt[quantity][asked]).all()
            assert np.isfinite(learnt[quantity][~asked]).all()
            assert np.isfinite(held[quantity][asked]).all()


def test_exact_measurements_leave_no_error():
    figures = error_figures(training_set(kv_off_trials(), GPU))
    for quantity in QUANTITIES:
        assert figures[quantity].score.mape < 1e-6
        assert figures[quantity].score.negative == 0
        assert figures[quantity].control.mape > 0.5


def test_served_measurements_with_concurrency_leave_no_error():
    figures = error_figures(training_set(kv_on_trials(), GPU))
    assert set(figures[ENERGY].held_out) == {"input_tokens", "output_tokens", "concurrency"}
    for quantity in QUANTITIES:
        assert figures[quantity].score.mape < 1e-3


def test_intervals_cover_about_nine_tenths_of_what_they_never_saw():
    grid = np.array([(a, b, 1.0) for a in 2 ** np.arange(3, 12) for b in 2 ** np.arange(3, 12)])
    inside = judged = 0
    for seed in range(4):
        found = error_figures(training_set(kv_off_trials(grid, noise=0.06, seed=seed), GPU))
        inside += found[ENERGY].coverage.inside
        judged += found[ENERGY].coverage.judged
    assert 0.85 <= inside / judged <= 0.95


def test_too_few_points_give_no_interval():
    figures = error_figures(training_set(kv_off_trials(GRID[:8], noise=0.05), GPU))
    assert figures[ENERGY].interval is None
    assert figures[ENERGY].coverage.ratio is None


def test_repeats_are_not_taken_for_points():
    eight = joined([kv_off_trials(GRID[:8], noise=0.05, seed=seed) for seed in range(5)])
    assert error_figures(training_set(eight, GPU))[ENERGY].interval is None


def test_batches_are_left_out_one_at_a_time_where_inputs_were_never_recorded():
    unknown = np.full(len(SERVED), np.nan)
    data = training_set(kv_on_trials(input_tokens=unknown), GPU)
    assert data.basis.name == "kv_on_decode"
    (fold,) = splits(data)
    assert len(np.unique(fold)) == 3


@pytest.mark.parametrize(
    ("values", "top"),
    [([8.0, 64.0, 512.0], [False, False, True]), ([500.0, 512.0], None), ([8.0, np.nan], None)],
)
def test_the_largest_level_is_what_lies_near_the_largest_value(values, top):
    found = largest_level(np.array(values))
    assert (found if found is None else found.tolist()) == top

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from profiler.fit.cells import MIN_GROUP_SHARE, grid_cells, near_groups

TOKENS = hnp.arrays(np.float64, st.integers(1, 40), elements=st.integers(1, 4096).map(float))


def test_measured_lengths_of_one_limit_are_one_point():
    lengths = np.array([2048.0, 1995.0, 1844.0, 1024.0, 922.0])
    assert grid_cells(np.full(5, 9.0), lengths).tolist() == [0, 0, 0, 1, 1]


def test_a_dense_sweep_does_not_chain_into_one_point():
    assert len(set(near_groups(np.arange(100.0, 200.0)).tolist())) >= 6


def test_unrecorded_lengths_are_one_point():
    assert grid_cells(np.full(3, np.nan), np.array([8.0, 8.0, 64.0])).tolist() == [1, 1, 0]


@given(TOKENS)
def test_members_of_a_group_lie_within_a_tenth_of_its_largest(values):
    groups = near_groups(values)
    for group in set(groups.tolist()):
        members = values[groups == group]
        assert members.min() >= MIN_GROUP_SHARE * members.max()


@given(TOKENS, st.randoms(use_true_random=False))
def test_the_order_of_trials_does_not_matter(values, shuffler):
    order = list(range(len(values)))
    shuffler.shuffle(order)
    np.testing.assert_array_equal(near_groups(values)[order], near_groups(values[order]))

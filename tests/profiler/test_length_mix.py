"""The law of the mix: a window of several lengths is a linear observation of their means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.bases import BASES
from profiler.length_mix import MEAN_COLUMNS, WindowTerms, mean_cells, means_known
from tests.profiler.builders import kv_on_trials, mixed_trials

LENGTHS = st.lists(
    st.tuples(st.integers(1, 100_000), st.integers(1, 10_000)), min_size=1, max_size=30
)


def window(lengths, batch=8.0):
    tin, tout = np.array(lengths, dtype=float).T
    return mixed_trials([(tin, tout, batch)])


@settings(deadline=None, max_examples=100)
@given(LENGTHS, st.integers(1, 256))
def test_a_windows_features_are_the_means_over_its_requests(lengths, batch):
    tin, tout = np.array(lengths, dtype=float).T
    for name in ("kv_on", "kv_off", "kv_on_decode"):
        basis = BASES[name]
        mean = basis.features(tin, tout, float(batch)).mean(axis=0)
        found = basis.features_of(WindowTerms(window(lengths)), float(batch))
        np.testing.assert_allclose(found[0], mean, rtol=1e-7)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 100_000), st.integers(1, 10_000), st.integers(1, 50))
def test_a_window_of_equal_lengths_is_a_uniform_one(tin, tout, count):
    uniform = kv_on_trials(np.array([(tin, tout, 8.0)]))
    basis = BASES["kv_on"]
    np.testing.assert_allclose(
        basis.features_of(WindowTerms(window([(tin, tout)] * count)), 8.0),
        basis.features_of(WindowTerms(uniform), 8.0),
        rtol=1e-7,
    )


@pytest.mark.parametrize("text", ["", "unknown", "nan", "inf", "-4", "99"])
def test_means_that_no_requests_can_have_are_not_taken(text):
    trials = window([(10, 5), (30, 5)])
    extra = {**trials.extra, MEAN_COLUMNS["tin^2"]: np.array([text])}
    assert means_known(trials).all()
    spoilt = mixed_trials([(np.array([10.0, 30.0]), np.array([5.0, 5.0]), 8.0)], extra=extra)
    assert not means_known(spoilt).any()
    assert WindowTerms(spoilt)["tin^2"].tolist() == [400.0]


def test_the_cells_of_a_window_are_its_means():
    assert mean_cells(np.array([1.0, 3.0]), np.array([2.0, 4.0])) == {
        "input_tokens": "2",
        "output_tokens": "3",
        "input_tokens_squared": "5",
        "context_sum": "10.5",
        "context_square_sum": "45.5",
    }

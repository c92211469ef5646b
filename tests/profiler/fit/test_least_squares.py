import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.bases import BASES
from profiler.fit.least_squares import fit_non_negative, fit_ordinary, significant
from tests.profiler.builders import GRID, KV_OFF_JOULES, KV_ON_JOULES, SERVED


@pytest.mark.parametrize(
    ("basis", "points", "truth"),
    [("kv_off", GRID, KV_OFF_JOULES), ("kv_on", SERVED, KV_ON_JOULES)],
)
def test_exact_measurements_give_back_their_coefficients(basis, points, truth):
    features = BASES[basis].features(*points.T)
    np.testing.assert_allclose(fit_non_negative(features, features @ truth), truth, rtol=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_coefficients_are_never_negative(seed):
    features = BASES["kv_off"].features(*GRID.T)
    measured = np.random.default_rng(seed).lognormal(3.0, 2.0, len(GRID))
    assert (fit_non_negative(features, measured) >= 0).all()


def test_coefficients_scale_with_the_measurements():
    features = BASES["kv_off"].features(*GRID.T)
    measured = np.random.default_rng(1).lognormal(3.0, 1.0, len(GRID))
    once, thrice = fit_non_negative(features, measured), fit_non_negative(features, 3 * measured)
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-9)


def test_the_published_form_turns_negative_where_ours_does_not():
    features = BASES["kv_off"].features(*GRID.T)
    measured = features @ KV_OFF_JOULES
    bilinear = BASES["bilinear"].features(*GRID.T)
    assert (bilinear @ fit_ordinary(bilinear, measured)).min() < 0
    assert (features @ fit_non_negative(features, measured)).min() > 0


def test_rounding_keeps_the_sign_and_the_size():
    assert significant(-123456.0, 2) == -120000.0
    assert significant(0.0, 5) == 0.0

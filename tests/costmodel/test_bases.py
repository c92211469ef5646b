import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.bases import BASES, TokenTerms
from costmodel.formulas import context_square_sum, context_sum

tokens = st.integers(0, 3000)


@given(tokens, st.integers(0, 400))
def test_closed_forms_equal_the_sums_they_stand_for(tin, tout):
    contexts = [tin + j for j in range(tout)]
    arrays = np.array([float(tin)]), np.array([float(tout)])
    assert context_sum(*arrays)[0] == sum(contexts)
    assert context_square_sum(*arrays)[0] == pytest.approx(sum(c * c for c in contexts), rel=1e-14)


def test_closed_forms_do_not_overflow_at_the_largest_token_counts():
    huge = np.array([float(2**62)])
    assert context_sum(huge, huge)[0] == pytest.approx(1.5 * 2.0**124)
    assert context_square_sum(huge, huge)[0] == pytest.approx((2 + 1 / 3) * 2.0**186)


def test_features_are_the_terms_that_the_basis_names():
    tin, tout, batch = 100.0, 50.0, 4.0
    s1 = sum(100.0 + j for j in range(50))
    s2 = sum((100.0 + j) ** 2 for j in range(50))
    expected = {
        "bilinear": [100, 50, 5000],
        "kv_off": [1, 50, s1, s2],
        "kv_on": [1 / 4, 100, 10000, 50, 50 / 4, 50 / 2, s1],
        "kv_on_decode": [50, 50 / 4, 50 / 2],
    }
    assert set(BASES) == set(expected)
    for name, values in expected.items():
        features = BASES[name].features([tin], [tout], batch)
        assert features.tolist() == [pytest.approx(values, rel=1e-14)]
        assert len(BASES[name].terms) == len(values)


@pytest.mark.parametrize("name", BASES)
def test_features_take_one_concurrency_or_one_for_each_request(name):
    tin, tout = np.array([3.0, 40.0, 500.0]), np.array([5.0, 60.0, 7.0])
    each = BASES[name].features(tin, tout, [8.0, 8.0, 8.0])
    assert each.shape == (3, len(BASES[name].terms))
    assert np.array_equal(BASES[name].features(tin, tout, 8.0), each)


@pytest.mark.parametrize("name", BASES)
@given(
    tin=st.lists(tokens, min_size=1, max_size=5),
    tout=st.integers(1, 2000),
    batch=st.floats(1, 300),
    data=st.data(),
)
def test_evaluating_equals_features_times_coefficients(name, tin, tout, batch, data):
    basis = BASES[name]
    size = len(basis.terms)
    coefficients = data.draw(st.lists(st.floats(0, 10), min_size=size, max_size=size))
    inputs, outputs = np.array(tin, dtype=float), np.full(len(tin), float(tout))
    expected = basis.features(inputs, outputs, batch) @ np.array(coefficients)
    terms = TokenTerms(inputs, outputs)
    assert basis.evaluate(coefficients, terms, batch) == pytest.approx(expected, rel=1e-12)
    each = basis.evaluate(coefficients, terms, np.full(len(tin), batch))
    assert each == pytest.approx(expected, rel=1e-12)


def test_the_decode_basis_does_not_read_input_tokens():
    assert not BASES["kv_on_decode"].needs_input
    features = BASES["kv_on_decode"].features([np.nan], [10.0], 4.0)
    assert features.tolist() == [[10.0, 2.5, 5.0]]
    assert all(BASES[name].needs_input for name in ("bilinear", "kv_off", "kv_on"))

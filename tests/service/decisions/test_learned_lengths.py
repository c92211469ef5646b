"""Lengths of answers: means are exact, quantiles right within a bin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.learned_lengths import (
    BIN_EDGES,
    HALVED_AT,
    MAX_ROUTES,
    MIN_ANSWERS,
    LearnedLengths,
    LengthHistogram,
)

BIN = 2 ** (1 / 4)
"""A bin's upper end over its lower one; whole tokens make the first ones wider."""


def of(answers: list[int]) -> LengthHistogram:
    found = LengthHistogram()
    for tokens in answers:
        found.add(tokens)
    return found


@given(
    st.lists(st.integers(16, BIN_EDGES[-1]), min_size=1, max_size=300),
    st.floats(0.01, 1.0),
)
def test_mean_and_quantile_are_those_of_the_answers(answers: list[int], share: float) -> None:
    found = of(answers)
    assert found.mean() == pytest.approx(np.mean(answers))
    true = np.quantile(answers, share, method="inverted_cdf")
    assert true / BIN / 1.05 <= found.quantile(share) <= true * BIN * 1.05


@pytest.mark.parametrize("seed", range(3))
def test_quantiles_of_many_answers_lie_within_a_tenth(seed: int) -> None:
    drawn = np.random.default_rng(seed).lognormal(5, 0.8, 4000).astype(int) + 1
    found = of(drawn.tolist())
    for share in (0.5, 0.9):
        assert found.quantile(share) == pytest.approx(np.quantile(drawn, share), rel=0.1)


@given(st.lists(st.integers(16, 5000), min_size=1, max_size=100), st.integers(1, 5000))
def test_a_limit_cuts_every_answer(answers: list[int], limit: int) -> None:
    found = of(answers)
    cut = float(np.mean(np.minimum(answers, limit)))
    assert cut * (1 - 1e-9) <= found.mean(limit) <= min(limit, cut * BIN * 1.05)
    assert found.quantile(0.9, limit) <= limit


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=100))
def test_quantiles_do_not_fall_and_the_last_holds_all(answers: list[int]) -> None:
    found = of(answers)
    shares = [found.quantile(share / 10) for share in range(1, 11)]
    assert shares == sorted(shares)


def test_old_answers_are_forgotten() -> None:
    found = of([1000] * int(HALVED_AT) + [10] * int(4 * HALVED_AT))
    assert found.answers < HALVED_AT
    assert found.mean() < 60
    assert found.quantile(0.9) == 10


def test_a_route_is_used_from_thirty_answers_on_and_the_llm_until_then() -> None:
    lengths = LearnedLengths()
    for _ in range(MIN_ANSWERS):
        lengths.add("a", "long", 1000)
    for _ in range(MIN_ANSWERS - 1):
        lengths.add("a", "short", 10)
    other = lengths.of("a", "short")
    assert other is not None
    assert other.mean() > 100
    lengths.add("a", "short", 10)
    own = lengths.of("a", "short")
    assert own is not None
    assert own.mean() == 10
    assert lengths.of("b", "short") is None


def test_routes_are_bounded_and_those_in_use_stay() -> None:
    lengths = LearnedLengths()
    for number in range(3 * MAX_ROUTES):
        lengths.add("a", f"route-{number}", 10)
        lengths.add("a", "busy", 20)
    known = [key for key, _ in lengths]
    assert len(known) <= MAX_ROUTES
    assert ("a", "busy") in known
    assert ("a", None) in known

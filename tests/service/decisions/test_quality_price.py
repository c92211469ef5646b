"""The price of quality keeps the mean quality of decisions at its floor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.decisions.policy import Policy
from service.decisions.quality_price import MAX_SHORTFALL, MEMORY_DECISIONS, QualityPriceController

CHEAP, DEAR = 0.4, 0.8
Requests = list[tuple[float, float]]
"""Tokens of each, and joules per token of the dear LLM; the cheap one takes one."""


def drawn(seed: int, count: int) -> Requests:
    draw = np.random.default_rng(seed)
    tokens = draw.lognormal(6, 1, count)
    return list(zip(tokens.tolist(), draw.uniform(1.5, 6.0, count).tolist(), strict=True))


def decided(controller: QualityPriceController, policy: Policy, requests: Requests) -> float:
    """Decide by the rule, and return the token-weighted mean quality."""
    quality = total = 0.0
    for tokens, dear_j in requests:
        price = controller.price(policy)
        assert price >= 0.0
        dear = tokens * dear_j - price * DEAR * tokens < tokens - price * CHEAP * tokens
        score, energy_j = (DEAR, tokens * dear_j) if dear else (CHEAP, tokens)
        controller.add(policy, tokens, score, energy_j)
        quality, total = quality + tokens * score, total + tokens
    return quality / total


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("floor", [0.45, 0.6, 0.75])
@pytest.mark.parametrize("price", [0.0, 5.0, 40.0])
def test_the_mean_comes_to_the_floor_whatever_the_price_of_the_plan(
    seed: int, floor: float, price: float
) -> None:
    policy = Policy(joules_per_quality_token=price, min_mean_quality=floor)
    found = decided(QualityPriceController(), policy, drawn(seed, 12_000))
    assert found == pytest.approx(floor, abs=0.005)


def test_a_floor_that_holds_by_itself_costs_nothing() -> None:
    controller = QualityPriceController()
    policy = Policy(min_mean_quality=0.3)
    assert decided(controller, policy, drawn(0, 3000)) == pytest.approx(CHEAP)
    assert controller.price(policy) == 0.0


def test_what_could_not_be_kept_is_made_good_for_within_bounds() -> None:
    controller = QualityPriceController()
    impossible = Policy(min_mean_quality=0.7)
    for _ in range(50_000):
        controller.add(impossible, 500.0, CHEAP, 500.0)
    mean_tokens = controller.tokens / controller.decisions
    assert controller.shortfall == pytest.approx(MAX_SHORTFALL * MEMORY_DECISIONS * mean_tokens)
    # From now on both may serve: what is owed is paid by 50 / 0.1 decisions of the dear one.
    decided(controller, impossible, [(500.0, 4.0)] * 500)
    later = decided(controller, impossible, [(500.0, 4.0)] * 8000)
    assert later == pytest.approx(0.7, abs=0.005)


def test_another_floor_does_not_pay_for_the_last_one() -> None:
    controller = QualityPriceController()
    for _ in range(2000):
        controller.add(Policy(min_mean_quality=0.9), 500.0, CHEAP, 500.0)
    lower = Policy(min_mean_quality=0.3)
    assert controller.price(lower) == 0.0
    assert decided(controller, lower, [(500.0, 4.0)] * 10) == pytest.approx(CHEAP)


@given(
    st.lists(
        st.tuples(st.floats(1, 1e6), st.one_of(st.none(), st.floats(0, 1)), st.floats(0, 1e6)),
        max_size=100,
    ),
    st.floats(0, 1),
    st.floats(0, 1e3),
)
@settings(max_examples=200)
def test_a_price_is_never_below_zero_and_without_a_floor_it_is_the_plans(
    made: list[tuple[float, float | None, float]], floor: float, price: float
) -> None:
    controller = QualityPriceController()
    policy = Policy(joules_per_quality_token=price, min_mean_quality=floor)
    free = replace(policy, min_mean_quality=None)
    for tokens, score, energy_j in made:
        controller.add(policy, tokens, score, energy_j)
        controller.add(free, tokens, score, energy_j)
        assert controller.price(policy) >= 0.0
        assert controller.price(free) == price

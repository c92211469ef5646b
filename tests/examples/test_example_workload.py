"""The example requests are what the seeded script makes of its stated distributions."""

from __future__ import annotations

import json
import math
from statistics import NormalDist, median

import pytest

from examples.make_workload import (
    BODY,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    SEED,
    SIZE,
    LogNormal,
    render,
    sample,
)


def test_making_the_example_again_gives_the_same_bytes() -> None:
    assert render(sample(SIZE, SEED)).encode() == BODY.read_bytes()


def test_another_seed_gives_other_requests() -> None:
    assert sample(20, SEED) != sample(20, SEED + 1)


def test_the_example_is_a_thousand_requests_with_a_deadline_and_a_floor_on_quality() -> None:
    body = json.loads(BODY.read_text())
    assert len({request["id"] for request in body["requests"]}) == 1000
    assert body["constraints"].keys() == {"deadline_seconds", "min_mean_quality"}


@pytest.mark.parametrize(
    ("column", "distribution"), [(0, INPUT_TOKENS), (1, OUTPUT_TOKENS)], ids=["input", "output"]
)
def test_drawn_tokens_have_the_stated_median_and_range(
    column: int, distribution: LogNormal
) -> None:
    drawn = [pair[column] for pair in sample(20_000, seed=1)]
    assert median(drawn) == pytest.approx(distribution.median, rel=0.03)
    assert distribution.smallest <= min(drawn) <= max(drawn) <= distribution.largest


def test_one_standard_deviation_up_multiplies_the_median_by_exp_sigma() -> None:
    tokens = LogNormal(median=1000.0, sigma=0.5, smallest=1, largest=10_000)
    assert tokens.quantile(NormalDist().cdf(1.0)) == round(1000.0 * math.exp(0.5))

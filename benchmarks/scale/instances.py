"""Named, seeded planning instances, as a `PlacementProblem` and as the body of `POST /plan`.

    build("mixed", 10_000, 8).problem()
    build("mixed", 10_000, 8).body()

``shares``    a share of the requests for each LLM
``deadline``  a deadline for the batch
``masks``     a deadline, and twelve different sets of LLMs or pools that requests admit
``mixed``     see `benchmarks.scale.mixing`

Every limit that a form names binds: without it the optimum falls by at least 1 %, as
``python -m benchmarks.scale --check-binding`` shows. Deadlines are 1.05 times the least feasible.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.scale.fleets import KINDS, MAX_TOKENS, fleet_body
from benchmarks.scale.fractional import min_deadline_s
from benchmarks.scale.instance import Form, Instance
from benchmarks.scale.mixing import RECIPES, dated, mixed, rates
from benchmarks.scale.relaxed import fractional, terms_of
from benchmarks.scale.tokens import bootstrap

SIZES = (100, 500, 1_000, 10_000, 100_000, 1_000_000)
PLACEMENTS = tuple(KINDS)
SLACK = 1.05
"""Deadlines are so many times the least feasible."""
SHARE_SPREAD = 0.1
"""How far a share may lie from its middle, as a part of it."""
MASKS = 12
MASKED_PLACEMENTS = 8
"""The fleet on which the masks bind: those of vLLM alone can serve any of them as well."""


def build(
    form: Form, requests: int, placements: int, seed: int = 1, data: Path | None = None
) -> Instance:
    """Make an instance; the same arguments make the same one.

    Parameters
    ----------
    requests
        Number of requests, at least 1; the benchmark's are `SIZES`.
    placements
        One of `PLACEMENTS`.
    data
        Folder of the Azure traces to draw tokens from; None for the shipped example.

    Raises
    ------
    ValueError
        If masks are asked for on other than 8 placements, on which they would not bind or not be so
        many.
    """
    if form == "masks" and placements != MASKED_PLACEMENTS:
        msg = f"Expected {MASKED_PLACEMENTS} placements for {MASKS} masks, got {placements}."
        raise ValueError(msg)
    bare = unlimited(form, requests, placements, seed, data)
    if form == "shares":
        return replace(bare, constraints={"shares": _shares(bare, seed)})
    if form == "mixed":
        return mixed(bare, RECIPES[placements], seed, SLACK)
    if form == "masks":
        drawn = np.random.default_rng([seed, 2]).integers(0, MASKS, requests)
        bare = replace(bare, mask=drawn, masks=_masks(bare, seed))
    return dated(bare, min_deadline_s(*fractional(bare), terms_of(bare)), SLACK)


def unlimited(
    form: Form, requests: int, placements: int, seed: int = 1, data: Path | None = None
) -> Instance:
    """Return the requests and the fleet of an instance without any limit."""
    workload = bootstrap(requests, seed, MAX_TOKENS, data=data)
    nobody = np.full(requests, -1)
    fleet = fleet_body(placements, requests)
    return Instance(form, workload, fleet, {}, {"zeta": 1.0}, nobody, np.zeros_like(nobody))


def _shares(bare: Instance, seed: int) -> dict[str, dict[str, float]]:
    """Return shares about a random split over the LLMs, more to those that could serve more."""
    llms = bare.candidates.llms
    weights = np.random.default_rng([seed, 1]).uniform(0.5, 1.5, len(llms)) * np.sqrt(rates(bare))
    return {
        llm: {
            "min": round(share * (1.0 - SHARE_SPREAD), 4),
            "max": round(share * (1.0 + SHARE_SPREAD), 4),
        }
        for llm, share in zip(llms, (weights / weights.sum()).tolist(), strict=True)
    }


def _masks(instance: Instance, seed: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return distinct masks, the first of which admits all and the others about half.

    Each admits what a request of `MAX_TOKENS` needs: two placements that hold so many.
    """
    generator = np.random.default_rng([seed, 4])
    candidates = instance.candidates
    names = {"llms": candidates.llms, "pools": candidates.pool_names}
    long = np.array([(p.max_context_tokens or MAX_TOKENS) for p in candidates.placements])
    masks: list[tuple[str, tuple[str, ...]]] = [("llms", ())]
    while len(masks) < MASKS:
        field = ("llms", "pools")[int(generator.integers(2))]
        known = names[field]
        lower, upper = max(2, len(known) // 3), max(3, 2 * len(known) // 3)
        size = int(generator.integers(lower, upper + 1))
        chosen = np.sort(generator.choice(len(known), size, replace=False))
        tried = (*masks, (field, tuple(known[i] for i in chosen.tolist())))
        table = replace(instance, masks=tried).mask_table
        distinct = len(np.unique(table, axis=0)) == len(tried)
        if distinct and (table[-1] & (long >= MAX_TOKENS)).sum() >= 2:
            masks = list(tried)
    return tuple(masks)

"""The service's own fleet as the plain numbers that single decisions are made of."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from costmodel.arrays import FloatArray
from costmodel.bases import BASES
from costmodel.cost_model import CostModel
from costmodel.intervals import ConformalInterval
from costmodel.one_request import Weights
from costmodel.region import RegionSlice
from service.calls.fleet.placements import Candidates
from service.calls.placement_row import PlacementRow, Profiled

IDENTITY_DIGITS = 16
"""Digits of a SHA-256: one pair has few cost models."""


def decision_rows(fleet: Candidates) -> tuple[PlacementRow, ...]:
    """Return a row for each placement of a fleet, in order."""
    rows = []
    for index, placement in enumerate(fleet.placements):
        cost_model, pool = placement.cost_model, fleet.pools[placement.pool]
        basis, batch = BASES[cost_model.basis], float(placement.concurrency)
        rows.append(
            PlacementRow(
                index=index,
                llm=placement.llm,
                pool=pool.name,
                device=pool.device,
                concurrency=placement.concurrency,
                devices=pool.count,
                quality=placement.quality,
                max_context_tokens=placement.max_context_tokens,
                energy=_plain(basis.weights(cost_model.energy_coefficients, batch)),
                seconds=_plain(basis.weights(cost_model.device_seconds_coefficients, batch)),
                energy_quantile=_quantile(cost_model.energy_interval),
                seconds_quantile=_quantile(cost_model.device_seconds_interval),
                idle_watts=pool.idle_watts,
                cost_model=_identity(cost_model),
                profiled=profiled_of(cost_model.region.at(batch)),
            )
        )
    return tuple(rows)


def profiled_of(region: RegionSlice) -> Profiled | None:
    """Return what was profiled; None where nothing was at that concurrency.

    So it is too where input lengths were never recorded: any prompt may be beyond them.
    """
    inputs, upper, lower = region.input_tokens, region.upper, region.lower
    if region.base or inputs is None or upper is None or lower is None:
        return None
    return Profiled(
        (inputs.low, inputs.high),
        (region.output_tokens.low, region.output_tokens.high),
        (tuple(upper.steps.tolist()), tuple(upper.limits.tolist())),
        (tuple(lower.steps.tolist()), tuple(lower.limits.tolist())),
    )


def _identity(cost_model: CostModel) -> str:
    """Return a digest of what predictions are made of, not of the card's other lines."""
    made_of = (
        cost_model.basis,
        cost_model.energy_coefficients,
        cost_model.device_seconds_coefficients,
    )
    return sha256(repr(made_of).encode()).hexdigest()[:IDENTITY_DIGITS]


def _plain(weights: Mapping[str, float | FloatArray]) -> Weights:
    return tuple((name, float(weight)) for name, weight in weights.items())


def _quantile(interval: ConformalInterval | None) -> float | None:
    return None if interval is None else interval.quantile

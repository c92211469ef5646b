"""Artefacts against observations: how far predictions lie from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from costmodel.arrays import FloatArray
from costmodel.bases import BASES
from costmodel.cost_model import CostModel
from profiler.fit.scoring import Score, score
from profiler.fit.selection import (
    IMPOSSIBLE_FLAG,
    IMPOSSIBLE_JOULES,
    WALL,
    WARM_UP,
    leave_out,
    metered,
    scoped_energy_j,
)
from profiler.length_mix import WindowTerms
from profiler.observations import Observations

CAMPAIGN_TERM = 0.10


@dataclass(frozen=True)
class PairCheck:
    """Scores of one artefact against observations.

    Attributes
    ----------
    llm, device
        Names.
    energy, runtime
        Scores of joules per request, and of the latency at the observed concurrency.
    energy_coverage, runtime_coverage
        Share of the trials inside the 90 % interval; None where the artefact has none.
    """

    llm: str
    device: str
    energy: Score
    runtime: Score
    energy_coverage: float | None
    runtime_coverage: float | None

    def holds(self, cost_model: CostModel) -> bool:
        """Say whether the artefact still predicts what was measured.

        Separate runs of the same thing differ by 5 to 10 % (Wilkins et al. 2024), so each weighted
        error may be that of the cross-validation and ten points more.
        """
        return all(
            scored.wape <= (cost_model.errors.get(name, {}).get("wape") or 0.0) + CAMPAIGN_TERM
            for name, scored in (("energy", self.energy), ("runtime", self.runtime))
        )

    def record(self) -> dict[str, Any]:
        """Return the check as the plain data that `check --json` prints."""
        return {
            "llm": self.llm,
            "device": self.device,
            "n": self.energy.trials,
            "energy": _ratios(self.energy, self.energy_coverage),
            "runtime": _ratios(self.runtime, self.runtime_coverage),
        }


def check_pairs(
    observations: Observations, cost_models: Mapping[tuple[str, str], CostModel]
) -> tuple[list[PairCheck], list[str]]:
    """Score every artefact that observations speak of.

    Parameters
    ----------
    observations
        Any trials; warm-ups are left out.
    cost_models
        By (LLM, device).

    Returns
    -------
    tuple
        A check a pair, and one sentence for each pair of which trials are left out.
    """
    checks, skipped = [], []
    for llm, device, trials in observations.pairs():
        cost_model = cost_models.get((llm, device))
        if cost_model is None:
            skipped.append(f"{llm} on {device}: no artefact")
            continue
        matching, left_out = matching_trials(trials, cost_model)
        if left_out:
            skipped.append(f"{llm} on {device}, of {len(trials)} trials: {shown_reasons(left_out)}")
        if len(matching):
            checks.append(check_pair(matching, cost_model))
    return checks, skipped


def matching_trials(
    trials: Observations, cost_model: CostModel
) -> tuple[Observations, Mapping[str, int]]:
    """Choose the trials that an artefact can be held to.

    Parameters
    ----------
    trials
        Trials of the artefact's pair.
    cost_model
        The artefact.

    Returns
    -------
    tuple
        Those that are no warm-up, have the same KV-cache setting and (where both name one) task,
        joules that were metered in the same scope and can be, and input tokens where the basis
        needs them; and the number of the others by reason.
    """
    provenance = cost_model.provenance
    tasks, scopes = (
        trials.extra.get(name, np.full(len(trials), "")) for name in ("task", "energy_scope")
    )
    # Only a meter of the whole machine writes another scope into the same column.
    other_meter = (scopes == WALL) != (provenance.energy_scope == WALL)
    joules = scoped_energy_j(trials, provenance.energy_scope)
    reasons = {
        WARM_UP: trials.warmup,
        f"with the KV cache not {provenance.kv_cache}": trials.kv_cache != provenance.kv_cache,
        f"of another task than {provenance.task}": (provenance.task is not None)
        & ~np.isin(tasks, ["", provenance.task or ""]),
        "without input tokens": BASES[cost_model.basis].needs_input
        & ~np.isfinite(trials.input_tokens),
        f"without joules of {provenance.energy_scope}": ~metered(joules) | other_meter,
        IMPOSSIBLE_JOULES: trials.flagged(IMPOSSIBLE_FLAG),
    }
    chosen, left_out = leave_out(len(trials), reasons)
    return trials.take(chosen), left_out


def shown_reasons(left_out: Mapping[str, int]) -> str:
    """Say how many trials are left out for which reason."""
    return ", ".join(f"{count} {reason}" for reason, count in left_out.items())


def check_pair(trials: Observations, cost_model: CostModel) -> PairCheck:
    """Score one artefact.

    Parameters
    ----------
    trials
        One trial or more, all of which `matching_trials` admits.
    cost_model
        The artefact.

    Returns
    -------
    PairCheck
        Runtime is device-seconds times the observed concurrency; a window of several lengths is
        predicted by the means over its requests, where they are recorded.
    """
    point = WindowTerms(trials), trials.concurrency
    joules = scoped_energy_j(trials, cost_model.provenance.energy_scope)
    runtime_s = cost_model.device_seconds_of(*point) * trials.concurrency
    return PairCheck(
        cost_model.llm,
        cost_model.device,
        score(joules, cost_model.energy_of(*point)),
        score(trials.runtime_s, runtime_s),
        _inside(joules, cost_model.energy_bounds_of(*point)),
        _inside(trials.device_seconds, cost_model.device_seconds_bounds_of(*point)),
    )


def _inside(measured: FloatArray, bounds: Sequence[FloatArray] | None) -> float | None:
    if bounds is None:
        return None
    low, high = bounds
    return float(np.mean((low <= measured) & (measured <= high)))


def _ratios(scored: Score, coverage: float | None) -> dict[str, float | None]:
    return {
        "mape": scored.mape,
        "median_ape": scored.median_ape,
        "wape": scored.wape,
        "p90_ape": scored.p90_ape,
        "coverage90": coverage,
    }

"""One (LLM, device) pair from its trials to its cost model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from costmodel.cost_model import CostModel
from costmodel.provenance import Provenance
from costmodel.region import ProfiledRegion
from profiler.fit.calibration import LoadFigures
from profiler.fit.card_errors import card_errors
from profiler.fit.least_squares import significant
from profiler.fit.mixed import score_mixed
from profiler.fit.pair_facts import load_notes, null_reasons, pair_facts
from profiler.fit.selection import choose_trials
from profiler.fit.training import (
    ENERGY,
    QUANTITIES,
    RUNTIME,
    TrainingSet,
    fit_cost_model,
    training_set,
)
from profiler.observations import Observations

COEFFICIENT_DIGITS = 8
LOAD_DIGITS = 6


@dataclass(frozen=True)
class PairFit:
    """A fitted pair.

    Attributes
    ----------
    cost_model
        To be saved.
    left_out
        Trials that the fit did not learn from, by reason.
    """

    cost_model: CostModel
    left_out: Mapping[str, int]


def fit_pair(
    llm: str, device: str, trials: Observations, load: LoadFigures | None, date: str | None
) -> PairFit:
    """Fit and cross-validate one pair.

    The same trials give the same cost model: splits are seeded, and figures are rounded to what the
    arithmetic of any machine agrees on.

    Parameters
    ----------
    llm, device
        Names.
    trials
        All trials of the pair, warm-ups included.
    load
        What loading takes; None where not measured.
    date
        Of the measurements; None to take the campaign's.

    Returns
    -------
    PairFit
        With everything that its card says.

    Raises
    ------
    UnfittablePairError
        Where trials are too few or do not belong together.
    """
    facts = pair_facts(llm, device, trials, date)
    chosen, left_out = choose_trials(trials, facts.energy_scope)
    data = training_set(trials.take(chosen), facts.energy_scope)
    errors, figures = card_errors(data)
    everything = np.ones(len(data), dtype=np.bool_)
    coefficients = {
        quantity: _coefficients(fit_cost_model(data, quantity, everything))
        for quantity in QUANTITIES
    }
    mixed_lengths = score_mixed(trials, facts.energy_scope, data.basis, coefficients)
    counts = tuple(f"Left out: {count} trials, {why}." for why, count in left_out.items())
    provenance = Provenance(
        source=facts.source,
        kv_cache=facts.kv_cache,
        energy_scope=facts.energy_scope,
        date=facts.date,
        hardware=facts.hardware,
        driver=facts.driver,
        engine=facts.engine,
        task=facts.task,
        observations=len(data),
        points=data.distinct_points,
        notes=(*facts.notes, *load_notes(load), *counts),
        null_reasons=null_reasons(
            facts,
            load,
            data.distinct_points,
            input_recorded=data.basis.needs_input,
            mixed=mixed_lengths is not None,
        ),
    )
    cost_model = CostModel(
        llm=llm,
        device=device,
        num_gpus=int(trials.num_gpus[0]),
        basis=data.basis.name,
        energy_coefficients=coefficients[ENERGY],
        device_seconds_coefficients=coefficients[RUNTIME],
        region=ProfiledRegion(_distinct(data)),
        provenance=provenance,
        energy_interval=figures[ENERGY].interval,
        device_seconds_interval=figures[RUNTIME].interval,
        load_s=_of_load(load, "load_s"),
        load_energy_j=_of_load(load, "load_energy_j"),
        idle_watts=_of_load(load, "idle_watts"),
        max_context_tokens=facts.max_context_tokens,
        mixed_lengths=mixed_lengths,
        errors=errors,
    )
    return PairFit(cost_model, left_out)


def _coefficients(values: FloatArray) -> tuple[float, ...]:
    return tuple(significant(float(value), COEFFICIENT_DIGITS) for value in values)


def _of_load(load: LoadFigures | None, name: str) -> float | None:
    value = None if load is None else getattr(load, name)
    return None if value is None else significant(value, LOAD_DIGITS)


def _distinct(data: TrainingSet) -> FloatArray:
    _, first = np.unique(np.nan_to_num(data.points, nan=-1.0), axis=0, return_index=True)
    return data.points[first]

"""One (LLM, device) pair from its trials to its cost model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from costmodel.cost_model import CostModel
from costmodel.nearest import counted
from costmodel.provenance import Provenance
from costmodel.region import ProfiledRegion
from profiler.fit.card_errors import card_errors
from profiler.fit.identification import confounded
from profiler.fit.learning import Learning, choose_learning
from profiler.fit.least_squares import significant
from profiler.fit.loads import LoadFigures
from profiler.fit.mixed import score_mixed
from profiler.fit.pair_facts import load_notes, null_reasons, pair_facts
from profiler.fit.training import (
    ENERGY,
    QUANTITIES,
    RUNTIME,
    TrainingSet,
    fit_cost_model,
)
from profiler.observations import Observations

COEFFICIENT_DIGITS = 8
ONE_MIX_NOTE = (
    "All windows are of one mix of lengths, which cannot tell what a prompt takes from what an "
    "answer takes: a token of the answer carries its share of the prompts. Windows of other "
    "lengths would tell."
)
LOAD_DIGITS = 6


@dataclass(frozen=True)
class PairFit:
    """A fitted pair.

    Attributes
    ----------
    cost_model
        Cost model to be saved.
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
        Date of the measurements; None to take the campaign's.

    Returns
    -------
    PairFit
        Fit with everything that its card says.

    Raises
    ------
    UnfittablePairError
        If trials are too few or do not belong together.
    """
    facts = pair_facts(llm, device, trials, date)
    learning, data = choose_learning(trials, facts.energy_scope)
    errors, figures = card_errors(data)
    everything = np.ones(len(data), dtype=np.bool_)
    coefficients = {
        quantity: _coefficients(fit_cost_model(data, quantity, everything))
        for quantity in QUANTITIES
    }
    # What a fit has learnt from says nothing of its errors.
    mixed_lengths = (
        None
        if learning.mixed
        else score_mixed(trials, facts.energy_scope, data.basis, coefficients)
    )
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
        notes=(*facts.notes, *load_notes(load), *_notes(learning, data)),
        null_reasons=null_reasons(
            facts,
            load,
            data.distinct_points,
            input_recorded=bool(np.isfinite(data.points[:, 0]).all()),
            mixed=mixed_lengths is not None,
            mixed_taught=learning.mixed,
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
    return PairFit(cost_model, learning.left_out)


def _notes(learning: Learning, data: TrainingSet) -> tuple[str, ...]:
    notes = [
        f"Left out: {counted(count, 'trial')}, {why}." for why, count in learning.left_out.items()
    ]
    if learning.mixed:
        notes.append(
            f"Of mixed lengths: {learning.mixed} of the {len(data)} windows. Their features are "
            "the means over their requests, and the profiled points their mean lengths."
        )
    if not data.basis.needs_input and np.isfinite(data.points[:, 0]).all():
        notes.append(ONE_MIX_NOTE)
    alike = confounded(data.features, data.targets[ENERGY].measured, data.basis.terms)
    if alike:
        notes.append(
            f"The measured lengths and concurrencies do not tell {', '.join(alike)} apart: trust "
            "predictions between the profiled points alone."
        )
    return tuple(notes)


def _coefficients(values: FloatArray) -> tuple[float, ...]:
    return tuple(significant(float(value), COEFFICIENT_DIGITS) for value in values)


def _of_load(load: LoadFigures | None, name: str) -> float | None:
    value = None if load is None else getattr(load, name)
    return None if value is None else significant(value, LOAD_DIGITS)


def _distinct(data: TrainingSet) -> FloatArray:
    _, first = np.unique(np.nan_to_num(data.points, nan=-1.0), axis=0, return_index=True)
    return data.points[first]

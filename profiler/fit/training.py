"""The trials of one pair as the arrays that fits and cross-validation work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.bases import BASES, CONTROL_BASIS, Basis
from profiler.errors import UnfittablePairError
from profiler.fit.cells import grid_cells
from profiler.fit.identification import MAX_MEANS_RATIO, of_one_mix
from profiler.fit.least_squares import fit_non_negative, fit_ordinary
from profiler.fit.selection import scoped_energy_j
from profiler.length_mix import MIXED_FLAG, WindowTerms
from profiler.observations import Observations

ENERGY, RUNTIME = "energy", "runtime"
QUANTITIES = (ENERGY, RUNTIME)


@dataclass(frozen=True)
class Target:
    """One of the two fitted quantities of n trials.

    Attributes
    ----------
    measured
        Shape (n,): joules per request, or device-seconds.
    scale
        Shape (n,), factor from the fitted to the scored quantity: 1 for joules, the concurrency for
        device-seconds, since errors are those of the runtime.
    """

    measured: FloatArray
    scale: FloatArray


@dataclass(frozen=True)
class TrainingSet:
    """n trials of one pair.

    Attributes
    ----------
    basis
        Basis of the cost model.
    features, control_features
        Shape (n, p) and (n, q): of the cost model and of the control.
    points
        Shape (n, 3): input tokens, output tokens, concurrency.
    cell
        Shape (n,), number of the grid point; repeats share one.
    targets
        Measured values by quantity.
    """

    basis: Basis
    features: FloatArray
    control_features: FloatArray
    points: FloatArray
    cell: IntArray
    targets: Mapping[str, Target]

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self.cell)

    @property
    def distinct_points(self) -> int:
        """Number of distinct grid points."""
        return len(np.unique(self.cell))


def choose_basis(trials: Observations) -> Basis:
    """Name the basis that a pair's trials can identify.

    Parameters
    ----------
    trials
        Trials of one pair that a fit may learn from.

    Returns
    -------
    Basis
        Without a KV cache the sums over positions; with one, the phases with concurrency, or decode
        alone where input lengths were never recorded, or where all windows are of one mix of
        lengths: then what the prompts took is in the price of an answer's token.

    Raises
    ------
    UnfittablePairError
        If the settings are mixed or no basis fits them.
    """
    settings = sorted(set(trials.kv_cache.tolist()))
    recorded = np.isfinite(trials.input_tokens)
    if len(settings) > 1:
        raise UnfittablePairError("trials with and without a KV cache in one pair")
    if not settings:
        raise UnfittablePairError("no trial to learn from")
    if recorded.any() and not recorded.all():
        raise UnfittablePairError("input tokens recorded for some trials only")
    if settings == ["on"]:
        distinguished = bool(recorded.all()) and not of_one_mix(trials)
        return BASES["kv_on" if distinguished else "kv_on_decode"]
    if not recorded.all():
        raise UnfittablePairError("without a KV cache the input tokens must be recorded")
    if np.any(trials.concurrency != 1):
        raise UnfittablePairError("without a KV cache only concurrency 1 can be fitted")
    return BASES["kv_off"]


def training_set(trials: Observations, scope: str) -> TrainingSet:
    """Build the arrays that a pair's fit works on.

    Parameters
    ----------
    trials
        Trials of one pair that a fit may learn from.
    scope
        Energy scope.

    Returns
    -------
    TrainingSet
        Arrays of all of them.

    Raises
    ------
    UnfittablePairError
        If there are fewer distinct grid points than coefficients.

    Notes
    -----
    A window of several lengths is a trial like any other: its features are the means over its
    requests. The control knows the mean lengths alone.
    """
    basis = choose_basis(trials)
    axes = trials.input_tokens, trials.output_tokens, trials.concurrency
    if basis.needs_input:
        cell = grid_cells(trials.concurrency, trials.input_tokens, trials.output_tokens)
        control = BASES[CONTROL_BASIS].features(*axes)
    else:
        cell = grid_cells(trials.concurrency)
        # Without input lengths the paper's form keeps its output term alone.
        control = trials.output_tokens[:, None]
    if len(np.unique(cell)) < len(basis.terms):
        raise UnfittablePairError(_too_few(trials, basis, len(np.unique(cell))))
    joules = scoped_energy_j(trials, scope)
    targets = {
        ENERGY: Target(joules, np.ones(len(trials))),
        RUNTIME: Target(trials.device_seconds, trials.concurrency),
    }
    points_at = np.stack(axes, axis=1)
    features = basis.features_of(WindowTerms(trials), trials.concurrency)
    return TrainingSet(basis, features, control, points_at, cell, targets)


def _too_few(trials: Observations, basis: Basis, distinct: int) -> str:
    points = "grid point" if distinct == 1 else "grid points"
    if basis.needs_input or not np.isfinite(trials.input_tokens).all():
        needed = f"{distinct} distinct {points}, {len(basis.terms)} needed"
        if not trials.flagged(MIXED_FLAG).all():
            return needed
        decode = len(BASES["kv_on_decode"].terms)
        return (
            f"{needed}, since mean lengths differ between windows; of windows whose mean lengths "
            f"are within a factor of {MAX_MEANS_RATIO:g}, {decode} concurrencies would do"
        )
    tin, tout = trials.input_tokens.mean(), trials.output_tokens.mean()
    full = len(BASES["kv_on"].terms)
    return (
        f"{distinct} distinct {points}: all {len(trials)} windows are of one mix of lengths (about "
        f"{tin:.0f} tokens in, {tout:.0f} out), which cannot tell what a prompt takes from what an "
        f"answer takes; {len(basis.terms)} distinct concurrencies are needed for a token of the "
        f"answer with its share of the prompt, {full} distinct points of several lengths and "
        "concurrencies for both"
    )


def fit_cost_model(data: TrainingSet, quantity: str, learn: BoolArray) -> FloatArray:
    """Fit the cost model's coefficients of one quantity on some of the trials.

    Parameters
    ----------
    data
        n trials.
    quantity
        One of `QUANTITIES`.
    learn
        Shape (n,), the trials to learn from.

    Returns
    -------
    numpy.ndarray
        Shape (p,), zero or more.
    """
    return fit_non_negative(data.features[learn], data.targets[quantity].measured[learn])


def fit_control(data: TrainingSet, quantity: str, learn: BoolArray) -> FloatArray:
    """Fit the control's coefficients; arguments as `fit_cost_model`, shape (q,), of any sign."""
    return fit_ordinary(data.control_features[learn], data.targets[quantity].measured[learn])

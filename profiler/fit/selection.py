"""Which trials of a pair a fit learns from.

Left out: warm-ups; trials that followed an unmarked restart; trials whose joules the meter did not
see; and `mps_shape_compile_in_single_trial` (87 trials of the M1 Pro, which compiles a kernel for
each new shape within the timed run: up to 3.7 times the seconds and 1.9 times the joules of the
same lengths in the other suites).

Decided by measurement, cross-validated with the questionable trials in and out of the training
folds:

=================== ======= ============================= ==============================
flag                trials  errors on all other trials    errors on all trials
=================== ======= ============================= ==============================
mps_shape_compile   86/87   energy MAPE 4.9 in, 4.3 out;  energy WAPE 5.0 in, 4.9 out;
                            runtime 13.3 in, 9.2 out      runtime WAPE 16.6 in, 20.2 out
exceeds_model       43/190  energy MAPE 7.3 in, 7.1 out;  energy WAPE 4.4 in, 15.0 out;
_context                    runtime 8.6 in, 7.5 out       runtime WAPE 6.0 in, 29.2 out
retok_*             10      energy MAPE 6.5 in, 6.5 out   energy WAPE 5.0 in, 4.9 out
early_stop          10      energy MAPE 6.4 in, 6.5 out   energy WAPE 5.0 in, 4.9 out
=================== ======= ============================= ==============================

(`exceeds_model_context` as on Falcon-7B and the PCIe A100, its largest share; the others as on
Llama-2-7B and the M1 Pro.) So trials past the LLM's context stay: without a KV cache the work of a
token does not depend on what the LLM was trained for. Early stops stay: output tokens are measured.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from costmodel.provenance import GPU_AND_CPU
from profiler.length_mix import MEAN_COLUMNS, MIXED_FLAG, means_known
from profiler.observations import Observations

COMPILED_FLAG = "mps_shape_compile_in_single_trial"
LONGER_OUTPUT_RATIO = 1.5
"""Times the output tokens of another trial from which a trial must not finish sooner than it."""
RESTART_RUNTIME_RATIO = 1.1
"""Times the seconds of a longer trial from which a shorter one must have followed a restart."""

IMPOSSIBLE_FLAG = "impossible_watts"
"""Marks windows whose joules their device cannot draw: kept, lest a campaign be lost."""

MIN_JOULES = 1e-3
"""Resolution of the finest of the energy counters (NVML's, in millijoules)."""

WARM_UP = "warm-up"
IMPOSSIBLE_JOULES = "joules that the device cannot have drawn"
KERNELS_COMPILED = "compiled kernels while timed"
MEANS_UNKNOWN = "of mixed lengths without the means of their requests"
MIXED_LENGTHS = "windows of mixed lengths, scored apart"
RESTARTED = "after an unmarked restart"
ZERO_JOULES = "zero joules"
UNMETERED = "joules of the processor not metered"
REMEDIES: Mapping[str, str] = {
    WARM_UP: "set warmup to 0 where the LLM was warm, or measure each point again",
    KERNELS_COMPILED: "measure each point again after a run that compiles its kernels",
    MEANS_UNKNOWN: (
        "record each request's lengths (vllm bench serve --save-detailed) and import again, or "
        f"fill in {', '.join(MEAN_COLUMNS.values())}"
    ),
    MIXED_LENGTHS: "measure more of them, at other concurrencies and lengths",
    IMPOSSIBLE_JOULES: "see what the meter and --device are of, and measure again",
    RESTARTED: "mark the first run after each load as warmup, and measure the point again",
    ZERO_JOULES: (
        "the meter saw nothing: check the column of the joules and its unit, and import again"
    ),
    UNMETERED: "fill in energy_cpu_j, or set energy_scope to gpu",
}
"""What to do, by the reason why a trial is left out."""

WALL = "wall"


def scoped_energy_j(trials: Observations, scope: str) -> FloatArray:
    """Joules per request in an energy scope.

    Parameters
    ----------
    trials
        n trials.
    scope
        "gpu" or "gpu+cpu"; any other scope is that of a meter that wrote its whole reading into
        `energy_gpu_j`.

    Returns
    -------
    numpy.ndarray
        Shape (n,), [J]; NaN where the scope's processor part was not metered.
    """
    if scope == GPU_AND_CPU:
        return trials.energy_gpu_j + trials.energy_cpu_j
    return trials.energy_gpu_j


def metered(joules: FloatArray) -> BoolArray:
    """Say where a meter saw anything; NaN and zero mean that it did not.

    Parameters
    ----------
    joules
        Shape (n,), [J].

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    return np.asarray(joules >= MIN_JOULES)


def follows_restart(trials: Observations) -> BoolArray:
    """Find trials that took longer than a much longer answer to the same prompt.

    In steady state that cannot be: the trial followed a load or restart that nobody marked, such as
    llama-2-70b-chat at 541 in, 8 out (8.8 s; 16 out took 7.6 s).

    Parameters
    ----------
    trials
        Trials of one pair.

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    sooner = trials.runtime_s[None, :] * RESTART_RUNTIME_RATIO < trials.runtime_s[:, None]
    longer = trials.output_tokens[None, :] >= LONGER_OUTPUT_RATIO * trials.output_tokens[:, None]
    same_prompt = trials.input_tokens[None, :] == trials.input_tokens[:, None]
    same_batch = trials.concurrency[None, :] == trials.concurrency[:, None]
    return np.asarray((sooner & longer & same_prompt & same_batch).any(axis=1), dtype=np.bool_)


def choose_trials(
    trials: Observations, scope: str, *, mixed: bool = False, unknown_means: bool = False
) -> tuple[BoolArray, dict[str, int]]:
    """Choose the trials of a pair that a fit learns from.

    Parameters
    ----------
    trials
        Trials of one pair.
    scope
        Energy scope of the fit.
    mixed
        Whether windows of mixed lengths teach too, where their means are recorded.
    unknown_means
        Whether they teach where only their mean lengths are.

    Returns
    -------
    tuple
        Which to learn from, shape (n,), and the number left out by reason, a key of `REMEDIES`. The
        module says why.
    """
    compiled, of_mix = trials.flagged(COMPILED_FLAG), trials.flagged(MIXED_FLAG)
    means_recorded = means_known(trials)
    steady = ~(trials.warmup | compiled | of_mix)
    restarted = np.zeros(len(trials), dtype=np.bool_)
    restarted[steady] = follows_restart(trials.take(steady))
    joules = scoped_energy_j(trials, scope)
    reasons = {
        WARM_UP: trials.warmup,
        IMPOSSIBLE_JOULES: trials.flagged(IMPOSSIBLE_FLAG),
        KERNELS_COMPILED: compiled,
        MEANS_UNKNOWN: of_mix & ~means_recorded & (not unknown_means),
        MIXED_LENGTHS: of_mix & means_recorded & (not mixed),
        RESTARTED: restarted,
        ZERO_JOULES: joules < MIN_JOULES,
        UNMETERED: np.isnan(joules),
    }
    return leave_out(len(trials), reasons)


def leave_out(count: int, reasons: Mapping[str, BoolArray]) -> tuple[BoolArray, dict[str, int]]:
    """Leave trials out for the first reason that each of them has.

    Parameters
    ----------
    count
        Number of all trials, n.
    reasons
        Shape (n,) each: which trials a reason holds for.

    Returns
    -------
    tuple
        Which have none, shape (n,), and the number left out by reason, where there are any.
    """
    chosen = np.ones(count, dtype=np.bool_)
    left_out = {}
    for reason, rows in reasons.items():
        if (chosen & rows).any():
            left_out[reason] = int((chosen & rows).sum())
        chosen &= ~rows
    return chosen, left_out

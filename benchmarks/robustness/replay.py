"""What really happens to a plan: lengths of held-out requests, errors of held-out measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.robustness.batches import SampledBatch
from benchmarks.robustness.length_bins import LengthBins
from benchmarks.workloads import CONTEXT_TOKENS
from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.workload import Workload
from planner.result import Plan


@dataclass(frozen=True)
class Outcomes:
    """What a number of replays gave, shape (replays,) each.

    Attributes
    ----------
    kept
        Whether every deadline was kept.
    energy_j
        Joules of the requests.
    """

    kept: BoolArray
    energy_j: FloatArray


@dataclass(frozen=True)
class Reality:
    """Draws that all plans of a batch meet alike.

    Attributes
    ----------
    output_tokens
        Shape (replays, n): of a held-out request with a prompt of the same bin.
    runtime_ratios, energy_ratios
        Shape (replays, k): measured over predicted at a held-out grid point of each pair.
    """

    output_tokens: IntArray
    runtime_ratios: FloatArray
    energy_ratios: FloatArray


def draw_reality(
    batch: SampledBatch, held_out: Workload, bins: LengthBins, replays: int, seed: int
) -> Reality:
    """Draw a bootstrap batch for each replay: answers anew from the bin of each prompt."""
    rng = np.random.default_rng([seed, 2])
    prompts = batch.problem.requests.workload.input_tokens
    wanted, there = bins.bin_of(prompts), bins.bin_of(held_out.input_tokens)
    tokens = np.empty((replays, prompts.size), dtype=np.int64)
    for number in np.unique(wanted):
        asked, pool = wanted == number, np.flatnonzero(there == number)
        drawn = rng.choice(pool, size=(replays, int(asked.sum())))
        tokens[:, asked] = held_out.output_tokens[drawn]
    np.minimum(tokens, np.maximum(1, CONTEXT_TOKENS - prompts), out=tokens)
    runtime, energy = [], []
    for pair in batch.pairs.values():
        points = rng.integers(0, pair.runtime_ratios.size, replays)
        runtime.append(pair.runtime_ratios[points])
        energy.append(pair.energy_ratios[points])
    return Reality(tokens, np.stack(runtime, axis=1), np.stack(energy, axis=1))


def replay(batch: SampledBatch, plan: Plan, reality: Reality) -> Outcomes:
    """Run each device's requests in the order of the plan, each as long as it really takes."""
    problem = batch.problem
    prompts = problem.requests.workload.input_tokens
    replays = reality.output_tokens.shape[0]
    seconds = np.empty((replays, problem.n))
    joules = np.empty((replays, problem.n))
    for k, placement in enumerate(problem.placements):
        on = plan.placement == k
        tokens = prompts[on], reality.output_tokens[:, on], 1.0
        seconds[:, on] = placement.cost_model.device_seconds(*tokens)
        seconds[:, on] *= reality.runtime_ratios[:, k, None]
        joules[:, on] = placement.cost_model.energy_j(*tokens)
        joules[:, on] *= reality.energy_ratios[:, k, None]
    kept = np.ones(replays, dtype=bool)
    pool = problem.pool_of[plan.placement]
    for where in sorted(set(zip(pool.tolist(), plan.device_index.tolist(), strict=True))):
        line = np.flatnonzero((pool == where[0]) & (plan.device_index == where[1]))
        line = line[np.argsort(plan.start_s[line], kind="stable")]
        ends = np.cumsum(seconds[:, line], axis=1)
        kept &= (ends <= problem.deadline_s[line]).all(axis=1)
    return Outcomes(kept, joules.sum(axis=1))

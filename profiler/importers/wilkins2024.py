"""Single-request trials of Wilkins et al., already in the observations schema."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from profiler.errors import ObservationError
from profiler.fit.published import WILKINS2024
from profiler.observation_files import read_observations
from profiler.observations import Observations

LEAST_GPU_WATTS = 20.0
"""Less than an idling data-centre GPU: joules in another unit than assumed."""
MOST_GPU_WATTS = 450.0
"""More than an A100-SXM4's 400 W limit with its overshoot: joules in another unit than assumed."""


def import_wilkins2024(path: Path) -> Observations:
    """Read the campaign's observations and check what it promises.

    Every trial is one request (the nominal batch of 32 never took effect), the KV cache is off, and
    the joules of a data-centre GPU give a power that such a GPU can have.

    Parameters
    ----------
    path
        `observations.csv`, or the folder that holds it.

    Returns
    -------
    Observations
        All rows, warm-ups and flagged ones included: `fit` chooses.

    Raises
    ------
    ObservationError
        Where a row breaks the schema or one of the promises.
    """
    file = path / "observations.csv" if path.is_dir() else path
    trials = read_observations(file)
    watts = trials.energy_gpu_j / trials.runtime_s / trials.num_gpus
    on_cuda = np.char.isdigit(trials.device.astype("U1"))
    promises = (
        ("source", trials.source == WILKINS2024, f"Expected the source {WILKINS2024!r}"),
        ("kv_cache", trials.kv_cache == "off", "Expected a KV cache that is off"),
        ("concurrency", trials.concurrency == 1, "Expected one request at a time"),
        (
            "energy_gpu_j",
            ~on_cuda | ((watts >= LEAST_GPU_WATTS) & (watts <= MOST_GPU_WATTS)),
            f"Expected {LEAST_GPU_WATTS:.0f} to {MOST_GPU_WATTS:.0f} W per GPU",
        ),
    )
    for column, kept, promise in promises:
        if not kept.all():
            trial = int(np.argmin(kept))
            problem = f"{promise}, got something else in trial {trial + 1}."
            raise ObservationError(file, problem, column=column)
    return trials

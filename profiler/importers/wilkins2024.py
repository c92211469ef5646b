"""Single-request trials of Wilkins et al., already in the observations schema."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from profiler.errors import ObservationError
from profiler.fit.published import WILKINS2024
from profiler.observation_files import read_observations
from profiler.observations import Observations


def import_wilkins2024(path: Path) -> Observations:
    """Read the campaign's observations and check what it promises.

    Every trial is one request (the nominal batch of 32 never took effect), and the KV cache is off.

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
        If a row breaks the schema or one of the promises.
    """
    file = path / "observations.csv" if path.is_dir() else path
    trials = read_observations(file)
    promises = (
        ("source", trials.source == WILKINS2024, f"Expected the source {WILKINS2024!r}"),
        ("kv_cache", trials.kv_cache == "off", "Expected a KV cache that is off"),
        ("concurrency", trials.concurrency == 1, "Expected one request at a time"),
    )
    for column, kept, promise in promises:
        if not kept.all():
            trial = int(np.argmin(kept))
            problem = f"{promise}, got something else in trial {trial + 1}."
            raise ObservationError(file, problem, column=column)
    return trials

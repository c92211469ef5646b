"""JSON files of the ML.ENERGY Leaderboard v3 (``public/data/models`` and ``tasks``) as table rows.

A file of an LLM and a task has ``model_id`` and ``task`` above its ``configurations``, each with
its ``parallelization``; a file of a task has all of them in each configuration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from costmodel.files import open_input
from costmodel.kinds import kind_of
from profiler.errors import ObservationError

_OF_TOKENS = "energy_per_request_joules"
_ABOVE = ("model_id", "task", "weight_precision", "architecture")

Rows = list[tuple[int, dict[str, str]]]


def read_leaderboard(file: Path) -> tuple[Rows, str | None]:
    """Read one file.

    Parameters
    ----------
    file
        JSON.

    Returns
    -------
    tuple
        Number and text by column of each configuration, counted from 1, and why there are none
        where they are of images or videos.

    Raises
    ------
    ObservationError
        If it is not such a file.
    """
    try:
        with open_input(file) as opened:
            found = json.loads(opened.read())
    except (OSError, ValueError, RecursionError) as error:
        raise ObservationError(file, f"Expected a JSON file, got: {error}.") from None
    configurations = found.get("configurations") if isinstance(found, dict) else None
    if not isinstance(configurations, list) or not configurations:
        problem = "Expected configurations of the ML.ENERGY Leaderboard, got none."
        raise ObservationError(file, problem)
    above = {name: found[name] for name in _ABOVE if name in found}
    rows = []
    for number, one in enumerate(configurations, start=1):
        if not isinstance(one, dict):
            problem = f"Expected a configuration as an object, got {kind_of(one)}."
            raise ObservationError(file, problem, row=number)
        rows.append((number, _cells({**above, **one})))
    if not any(_OF_TOKENS in cells for _, cells in rows):
        return [], f"{file.name}: no {_OF_TOKENS}, as of images and videos"
    return rows, None


def _cells(one: Mapping[str, Any]) -> dict[str, str]:
    parallel = one.get("parallelization")
    flat = {**one, **(parallel if isinstance(parallel, dict) else {})}
    if flat.get("avg_output_len") is None:
        flat["avg_output_len"] = _output_length(flat)
    return {
        name: "" if value is None else str(value)
        for name, value in flat.items()
        if not isinstance(value, dict | list)
    }


def _output_length(flat: Mapping[str, Any]) -> float | None:
    """Return the mean tokens of an answer: joules of a request over joules of a token."""
    request_j, token_j = (flat.get(f"energy_per_{part}_joules") for part in ("request", "token"))
    if not all(isinstance(value, int | float) and value > 0 for value in (request_j, token_j)):
        return None
    return float(request_j) / float(token_j)  # type: ignore[arg-type]

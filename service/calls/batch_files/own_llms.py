"""What is told where lines stay on the LLM that they name, and no plan is found for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.problems import Problem

FLOOR = "min_mean_quality"
STAYS = (
    " The lines stay on the LLMs that they name: {} would let any LLM of the fleet serve them, and "
    "lift what keeps the mean quality down."
)
"""With what the caller would say."""
OTHERS = " {} would let the fleet's LLMs serve such lines."
"""Of lines that name an LLM which the fleet has not; with what the caller would say."""


def stays_below(problem: Problem, columns: Mapping[str, Any]) -> bool:
    """Say whether a floor on quality cannot be met while lines stay on the LLMs that they name.

    Parameters
    ----------
    problem
        What there is instead of a plan.
    columns
        Of the batch.
    """
    is_floor = problem.slug == "infeasible" and FLOOR in problem.extra.get("conflict", ())
    return is_floor and any(llms is not None for llms in columns.get("llms") or ())

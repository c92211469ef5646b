"""What to measure next, read off a card."""

from __future__ import annotations

from costmodel.cost_model import CostModel
from costmodel.intervals import MIN_INTERVAL_POINTS
from profiler.fit.training import ENERGY, RUNTIME

MIN_AXIS_ERROR = 0.2
"""Error at an axis' largest level, held out, above which a longer axis should be measured."""
MIN_SPREAD = 0.08
_AXES = {
    "input_tokens": "--input-tokens",
    "output_tokens": "--output-tokens",
    "concurrency": "--concurrency",
}


def suggestions(cost_model: CostModel) -> list[str]:
    """Say what would make a cost model better, most telling first.

    Parameters
    ----------
    cost_model
        Cost model with its errors.

    Returns
    -------
    list of str
        One sentence or more.
    """
    said = []
    points = cost_model.provenance.points or 0
    if points < MIN_INTERVAL_POINTS:
        said.append(
            f"{points} distinct points give no 90 % interval: measure {MIN_INTERVAL_POINTS} or "
            "more, with a smaller --target-error or --design grid."
        )
    for name in (ENERGY, RUNTIME):
        figures = cost_model.errors.get(name, {})
        for axis, held in figures.get("held_out", {}).items():
            if held["mape"] > MIN_AXIS_ERROR:
                said.append(
                    f"The largest {axis.replace('_', ' ')} is predicted {held['mape']:.0%} off in "
                    f"{name} from the rest: beyond it expect worse. If you plan for more, widen "
                    f"{_AXES.get(axis, axis)}."
                )
        if figures.get("mape") is not None and figures["mape"] > MIN_SPREAD:
            said.append(
                f"Cross-validated {name} is {figures['mape']:.0%} off: measure on with a smaller "
                "--target-error, and look at the residuals above for an axis that bends."
            )
    if cost_model.mixed_lengths is None:
        said.append("Measure windows of mixed lengths: plans at a concurrency rely on them.")
    if cost_model.load_s is None:
        said.append("Measure a load with --start COMMAND: without it the LLM must be resident.")
    return said or ["Nothing stands out. Check the artefact on another day with check --url."]

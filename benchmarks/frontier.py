"""Fronts of the example workload on the default fleet, as a table and as a plot.

`python -m benchmarks.frontier` starts the service, asks `POST /plan/frontier` for joules against
makespan and for joules against mean quality, prints what comes and draws a picture.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.markdown import table
from examples.local_service import running_service
from examples.make_workload import BODY

PICTURE = Path(__file__).parents[1] / "docs" / "studies" / "frontier.png"
PLAN, FAINT, TEXT = "#0b5cad", "#8c8c8c", "#333333"
DPI = 160
PATIENCE_S = 60.0
"""Seconds beyond the time limit for which an answer is awaited."""

Line = dict[str, Any]


@dataclass(frozen=True)
class Section:
    """One front: what is asked for, and how it is shown."""

    across: str
    member: str
    label: str
    constraints: dict[str, float]


SECTIONS = (
    Section("makespan", "makespan_seconds", "makespan [s]", {"min_mean_quality": 0.6}),
    Section("mean_quality", "mean_quality", "mean quality", {"deadline_seconds": 600.0}),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask, print and draw."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="python -m benchmarks.frontier", description=__doc__
    )
    parser.add_argument("--points", type=int, default=13, help="levels of each front")
    parser.add_argument("--seconds", type=float, default=110.0, help="time limit of each front")
    parser.add_argument("--out", type=Path, default=PICTURE, help="the picture")
    given = parser.parse_args(arguments)
    figure = Figure(figsize=(9.2, 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(SECTIONS))
    with running_service(_settings(given.seconds)) as url:
        for section, axes in zip(SECTIONS, panels, strict=True):
            lines = front(url, section, given.points, given.seconds)
            print(f"\nEnergy against {section.label}\n\n{front_table(lines)}", flush=True)
            draw(axes, section, lines)
    figure.savefig(given.out, dpi=DPI, metadata={"Software": None})


def _settings(seconds: float) -> dict[str, str]:
    return {
        "JOULEPLAN_MAX_TIME_LIMIT_SECONDS": str(seconds),
        "JOULEPLAN_CALL_LIMIT_SECONDS": str(seconds + PATIENCE_S),
    }


def front(url: str, section: Section, points: int, seconds: float) -> list[Line]:
    """Return the lines of a front of the example workload."""
    body = json.loads(BODY.read_bytes()) | {
        "constraints": section.constraints,
        "solver": {"time_limit_seconds": seconds},
        "frontier": {"axes": ["energy", section.across], "points": points},
    }
    answer = httpx.post(f"{url}/plan/frontier", json=body, timeout=seconds + PATIENCE_S)
    answer.raise_for_status()
    return [json.loads(line) for line in answer.text.splitlines()]


def front_table(lines: Sequence[Line]) -> str:
    """Tabulate the points of a front."""
    rows = [
        [
            f"{line['energy_joules'] / 1e3:.1f}",
            f"{line['makespan_seconds']:.1f}",
            f"{line['mean_quality']:.3f}",
            f"{line['lower_bound'] / 1e3:.1f}",
            f"{line['gap']:.1%}",
        ]
        for line in lines
        if line["type"] == "point"
    ]
    return table(["energy [kJ]", "makespan [s]", "mean quality", "bound [kJ]", "gap"], rows)


def draw(axes: Axes, section: Section, lines: Sequence[Line]) -> None:
    """Draw the points of a front, and under each how far down its proof leaves room."""
    points = [line for line in lines if line["type"] == "point"]
    across = [line[section.member] for line in points]
    energy = [line["energy_joules"] / 1e3 for line in points]
    bounds = [line["lower_bound"] / 1e3 for line in points]
    axes.vlines(across, bounds, energy, color=FAINT, lw=1.0, label="room that the bound leaves")
    axes.plot(across, energy, color=PLAN, lw=1.2, marker="o", ms=4, label="verified plan")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.yaxis.set_minor_formatter(FuncFormatter(_plain))
    axes.set_xlabel(section.label, color=TEXT)
    axes.set_ylabel("energy [kJ], log scale", color=TEXT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, labelcolor=TEXT)


def _plain(value: float, _: int | None) -> str:
    return f"{value:g}"


if __name__ == "__main__":
    main()

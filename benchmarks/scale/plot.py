"""Time against requests, one panel for each form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

FAINT, TEXT = "#8c8c8c", "#333333"
COLOURS = {
    "http": "#0b5cad",
    "plan": "#5fa2dd",
    "greedy": "#8c8c8c",
    "min-cost-flow": "#3d8a4e",
    "naive CP-SAT": "#a6761d",
    "PuLP/CBC": "#c2571a",
}
NAMES = {"http": "jouleplan, end to end over HTTP", "plan": "jouleplan, in process"}
MARKS = {3: "o", 8: "s", 32: "^", 64: "D"}
DPI = 180


def draw(results: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a PNG: filled marks reached the plan's objective within 0.1 %, hollow ones did not."""
    forms = list(dict.fromkeys(row["form"] for row in results))
    figure = Figure(figsize=(4.3 * len(forms), 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(forms), sharey=True, squeeze=False)[0]
    for panel, form in zip(panels, forms, strict=True):
        _panel(panel, [row for row in results if row["form"] == form and row["runs"]])
        panel.set_title(form, loc="left", color=TEXT, fontsize=11)
        panel.set_xlabel("requests", color=TEXT)
    panels[0].set_ylabel("seconds, medians, log scale", color=TEXT)
    handles = [
        panels[0].plot([], [], color=colour, marker="o", ms=4, label=NAMES.get(method, method))[0]
        for method, colour in COLOURS.items()
        if any(row["method"] == method for row in results)
    ]
    handles += [
        panels[0].plot([], [], color=TEXT, marker=mark, ls="", ms=4, label=f"{k} placements")[0]
        for k, mark in MARKS.items()
        if any(row["placements"] == k for row in results)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _panel(panel: Axes, rows: list[dict[str, Any]]) -> None:
    panel.set_xscale("log")
    panel.set_yscale("log")
    for method, colour in COLOURS.items():
        for k, mark in MARKS.items():
            line = sorted(
                (row["requests"], row["seconds"]["total"], _reached(row))
                for row in rows
                if row["method"] == method and row["placements"] == k
            )
            if not line:
                continue
            panel.plot(
                *zip(*[point[:2] for point in line], strict=True), color=colour, lw=1.0, alpha=0.7
            )
            for face, chosen in ((colour, True), ("white", False)):
                points = [(a, b) for a, b, c in line if c is chosen]
                if points:
                    panel.plot(*zip(*points, strict=True), mark, color=colour, mfc=face, ms=5)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(colors=TEXT, color=FAINT, which="both")
    panel.grid(visible=True, which="major", color="#eeeeee", lw=0.6)


def _reached(row: dict[str, Any]) -> bool:
    """Whether a row counts as having the plan's objective: those of the plan itself do."""
    if row["method"] in ("http", "plan"):
        return True
    return str(row["against_plan"]).endswith("x")

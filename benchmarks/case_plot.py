"""The case study as a plot: energy and mean quality against zeta."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.case_costs import BLIND, CaseCosts, SweepPoint, single
from benchmarks.case_tables import CaseStudy, size_of

PLAN, SPLIT, FAINT, TEXT = "#0b5cad", "#c2571a", "#8c8c8c", "#333333"
ENERGY_TICKS_MJ = (1, 2, 5, 10, 20, 50)
DPI = 200


def draw(study: CaseStudy, path: Path) -> None:
    """Draw both sections side by side and write a PNG."""
    figure = Figure(figsize=(9.2, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2, sharex=True, sharey="row")
    columns = (
        ("Control: published coefficients", study.control_costs, study.control),
        ("Measured cost models", study.measured_costs, study.measured),
    )
    for column, (title, costs, points) in enumerate(columns):
        draw_energy(axes[0, column], points, costs)
        draw_quality(axes[1, column], points, costs)
        axes[0, column].set_title(title, loc="left", fontsize=11, color=TEXT, pad=8)
        axes[1, column].set_xlabel("zeta (0: only quality counts, 1: only energy)", color=TEXT)
    axes[0, 0].set_ylabel(f"energy of {len(costs.workload)} requests [MJ], log scale", color=TEXT)
    axes[1, 0].set_ylabel("token-weighted mean quality [%]", color=TEXT)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def draw_energy(axes: Axes, points: Sequence[SweepPoint], costs: CaseCosts) -> None:
    """Draw the joules of the plans, of the query-blind split and of each LLM alone."""
    axes.set_yscale("log")
    for llm in costs.llms:
        joules = points[-1].baselines_j[single(llm)]
        if joules is not None:
            _reference(axes, joules / 1e6, f"{size_of(llm)} alone")
    blind = [(p.zeta, j / 1e6) for p in points if (j := p.baselines_j[BLIND]) is not None]
    axes.plot(*zip(*blind, strict=True), color=SPLIT, lw=1.6, marker="o", ms=3)
    _plan(axes, points, [p.energy_j / 1e6 for p in points])
    early = points[len(points) // 4]
    _label(axes, *blind[len(blind) // 4], "query-blind split\nof equal quality", SPLIT)
    axes.annotate(
        "plan",
        (early.zeta, early.energy_j / 1e6),
        (-8, -12),
        textcoords="offset points",
        color=PLAN,
        ha="right",
    )
    axes.yaxis.set_major_locator(FixedLocator(ENERGY_TICKS_MJ))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    _quiet(axes)


def draw_quality(axes: Axes, points: Sequence[SweepPoint], costs: CaseCosts) -> None:
    """Draw the mean quality of the plans and the score of each LLM."""
    for llm, score in zip(costs.llms, costs.quality, strict=True):
        _reference(axes, 100.0 * float(score), f"{size_of(llm)} alone")
    _plan(axes, points, [100.0 * p.mean_quality for p in points])
    early = points[len(points) // 5]
    _label(axes, early.zeta, 100.0 * early.mean_quality, "plan", PLAN)
    _quiet(axes)


def _plan(axes: Axes, points: Sequence[SweepPoint], values: Sequence[float]) -> None:
    axes.plot([p.zeta for p in points], values, color=PLAN, lw=2.2, marker="o", ms=4)


def _reference(axes: Axes, level: float, name: str) -> None:
    axes.axhline(level, color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=0)
    axes.annotate(
        name,
        (1.0, level),
        (3, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        color=FAINT,
        fontsize=8.5,
        va="center",
        annotation_clip=False,
    )


def _label(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    """Name a line above and to the right of one of its points."""
    axes.annotate(text, (x, y), (6, 4), textcoords="offset points", color=colour, va="bottom")


def _quiet(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=TEXT, length=3, color=FAINT)
    axes.set_xlim(-0.03, 1.03)
    axes.xaxis.set_major_locator(FixedLocator([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]))

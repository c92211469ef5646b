"""The case study as tables, one row for each zeta."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.case_costs import (
    BLIND,
    BLIND_DRAWN,
    RANDOM,
    ROUND_ROBIN,
    CaseCosts,
    SweepPoint,
    single,
)
from benchmarks.markdown import percent, small, table


@dataclass(frozen=True)
class CaseStudy:
    """Both sections over one workload.

    Attributes
    ----------
    origin
        One sentence on where the requests are from.
    control, measured
        A plan for each zeta, in rising order.
    """

    origin: str
    control_costs: CaseCosts
    measured_costs: CaseCosts
    control: tuple[SweepPoint, ...]
    measured: tuple[SweepPoint, ...]


def plan_table(costs: CaseCosts, points: Sequence[SweepPoint]) -> str:
    """Tabulate what each plan costs, how long it takes and how good it is."""
    on_devices = any(point.makespan_s is not None for point in points)
    header = ["zeta", "energy MJ", "sum of runtimes s", "mean runtime s"]
    header += ["makespan s"] if on_devices else []
    header += ["mean quality %", f"requests on {_sizes(costs)}", "gap", "status"]
    rows = []
    for point in points:
        makespan = [] if point.makespan_s is None else [f"{point.makespan_s:,.0f}"]
        counts = np.bincount(point.choice, minlength=len(costs.llms))
        rows.append(
            [
                f"{point.zeta:.1f}",
                _mega(point.energy_j),
                f"{point.runtime_s.sum():,.0f}",
                f"{point.runtime_s.mean():.1f}",
                *makespan,
                percent(point.mean_quality, 2),
                " / ".join(map(str, counts)),
                small(point.gap),
                point.status,
            ]
        )
    return table(header, rows)


def saving_table(costs: CaseCosts, points: Sequence[SweepPoint]) -> str:
    """Tabulate the joules [%] that each plan saves against simpler policies."""
    names = {f"{size_of(llm)} alone": single(llm) for llm in costs.llms}
    names |= {"round robin": ROUND_ROBIN, "random": RANDOM, "query-blind, equal quality": BLIND}
    if any(BLIND_DRAWN in point.baselines_j for point in points):
        names["the same, drawn once"] = BLIND_DRAWN
    rows = [
        [f"{point.zeta:.1f}", *(percent(point.saving(name)) for name in names.values())]
        for point in points
    ]
    return table(["zeta", *names], rows)


def repricing_table(study: CaseStudy) -> str:
    """Tabulate what the control's plans cost by the measured cost models.

    The savings are against the query-blind split of equal quality: as the control believes, and
    with both plan and split priced by the measured cost models.
    """
    header = ["zeta", "negative J", "believed MJ", "measured MJ", "ratio"]
    header += ["believed saving %", "measured saving %"]
    rows = []
    for point in study.control:
        measured_j = study.measured_costs.total_energy_j(point.choice)
        believed = study.control_costs.energy_j[np.arange(len(point.choice)), point.choice]
        rows.append(
            [
                f"{point.zeta:.1f}",
                str(int((believed < 0.0).sum())),
                _mega(point.energy_j),
                _mega(measured_j),
                f"{point.energy_j / measured_j:.2f}",
                percent(point.saving(BLIND)),
                percent(study.measured_costs.saving_at_equal_quality(point.choice)),
            ]
        )
    return table(header, rows)


def reading_table(study: CaseStudy) -> str:
    """Tabulate where the measured plans' savings come from [%].

    The saving against the largest LLM alone is split in what the query-blind split of equal quality
    saves too (downgrading) and the rest (choosing). The saving at equal quality, by the joules of
    the requests alone, is given for three ways to weigh requests when their quality is averaged.
    """
    costs = study.measured_costs
    largest = single(costs.llms[-1])
    header = [f"vs {size_of(costs.llms[-1])} alone", "downgrading", "choosing"]
    header += ["equal by tokens", "by output tokens", "by requests"]
    rows = []
    for point in study.measured:
        total, top = point.saving(largest), point.baselines_j[largest]
        blind = point.baselines_j[BLIND]
        downgrading = None if blind is None or top is None else 1.0 - blind / top
        choosing = None if downgrading is None or total is None else total - downgrading
        rows.append(
            [
                f"{point.zeta:.1f}",
                *map(percent, (total, downgrading, choosing)),
                *map(percent, _equal_savings(study, point)),
            ]
        )
    return table(["zeta", *header], rows)


def spread_table(studies: Sequence[CaseStudy]) -> str:
    """Tabulate the measured plans' savings at equal quality [%] over samples of the requests.

    Each cell is the mean over the samples and, in parentheses, the least and the largest.
    """
    rows = []
    for step, point in enumerate(studies[0].measured):
        columns = zip(*(_equal_savings(s, s.measured[step]) for s in studies), strict=True)
        rows.append([f"{point.zeta:.1f}", *map(_spread, columns)])
    return table(["zeta", "equal by tokens", "by output tokens", "by requests"], rows)


def _spread(ratios: Sequence[float]) -> str:
    low, high = percent(min(ratios)), percent(max(ratios))
    return f"{percent(sum(ratios) / len(ratios))} ({low} to {high})"


def _equal_savings(study: CaseStudy, point: SweepPoint) -> list[float]:
    """Return the saving at equal quality by tokens, by output tokens and by requests."""
    costs = study.measured_costs
    output = costs.workload.output_tokens.astype(float)
    weights = (costs.tokens, output, np.ones(len(output)))
    return [costs.saving_at_equal_quality(point.choice, weight) or 0.0 for weight in weights]


def workload_table(study: CaseStudy) -> str:
    """Tabulate each LLM serving all requests: both predictions, and how often they are absurd."""
    control, measured = study.control_costs, study.measured_costs
    header = ["LLM", "published MJ", "measured MJ", "ratio", "median ratio of a request"]
    rows = []
    for k, llm in enumerate(control.llms):
        believed, found = control.energy_j[:, k], measured.energy_j[:, k]
        rows.append(
            [
                llm,
                _mega(float(believed.sum())),
                _mega(float(found.sum())),
                f"{believed.sum() / found.sum():.2f}",
                f"{np.median(believed / found):.2f}",
                str(int((believed < 0.0).sum())),
            ]
        )
    return table([*header, "negative J"], rows)


def sections(study: CaseStudy) -> list[tuple[str, str]]:
    """Return the tables in order, each with its title."""
    return [
        ("Each LLM alone", workload_table(study)),
        ("Control: plans", plan_table(study.control_costs, study.control)),
        (
            "Control: believed savings, %",
            saving_table(study.control_costs, study.control),
        ),
        ("Control: priced by the measured cost models", repricing_table(study)),
        ("Measured cost models: plans", plan_table(study.measured_costs, study.measured)),
        (
            "Measured cost models: savings, %",
            saving_table(study.measured_costs, study.measured),
        ),
        ("Measured cost models: where the savings come from, %", reading_table(study)),
    ]


def _sizes(costs: CaseCosts) -> str:
    return " / ".join(map(size_of, costs.llms))


def size_of(llm: str) -> str:
    """Return the size in the name of a Llama 2.

    Examples
    --------
    >>> size_of("llama-2-70b-chat")
    '70B'
    """
    return llm.removeprefix("llama-2-").removesuffix("-chat").upper()


def _mega(joules: float) -> str:
    return f"{joules / 1e6:.3f}"

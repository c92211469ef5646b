"""What a study of an hour says: a table, a page and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.hindsight.replay import Outcome
from benchmarks.markdown import percent, table
from benchmarks.timing import machine
from service.planning import Plan

DECISIONS = "decisions"
PLAN = "plan in hindsight"
COLOURS = {"requests": "#0b5cad", "loading": "#c2571a", "idle": "#b8b8b8"}


@dataclass(frozen=True)
class Study:
    """One hour under one deadline.

    Attributes
    ----------
    deadline_s
        Of each request, from its arrival.
    floor
        On the mean quality.
    requests
        Their number.
    found
        The plan that knew all of them.
    outcomes
        Of each policy, by its name.
    """

    deadline_s: float
    floor: float
    requests: int
    found: Plan
    outcomes: Mapping[str, Outcome]

    def parts_mj(self, name: str) -> tuple[float, float, float]:
        """Return megajoules of requests, loading and idle devices."""
        if name == PLAN:
            energy = self.found.energy
            requests_j = energy.value_j - energy.loading_j - energy.idle_j
            return requests_j / 1e6, energy.loading_j / 1e6, energy.idle_j / 1e6
        one = self.outcomes[name]
        return one.requests_j / 1e6, one.loading_j / 1e6, one.idle_j / 1e6


def summary(study: Study) -> str:
    """Tabulate what each policy took."""
    plan_j = study.found.energy.value_j
    rows = [_row(study, PLAN, "-", study.found.mean_quality or 0.0, study.found.makespan_s, "-")]
    for name, one in study.outcomes.items():
        over = percent(one.energy_j / plan_j - 1.0, 2)
        missed = percent(one.missed, 2)
        rows.append(_row(study, name, missed, one.mean_quality, one.ended_s, over))
    header = [
        "who decides", "MJ", "requests", "loading", "idle", "missed %", "mean quality",
        "last ended s", "over the plan %",
    ]  # fmt: skip
    return table(header, rows)


def page(studies: Sequence[Study], counts: Mapping[str, int]) -> str:
    """Return the page of the reference."""
    fleet = ", ".join(f"{count} of {llm}" for llm, count in counts.items())
    first = studies[0]
    lines = [
        "# Decisions against hindsight",
        "",
        "Made by `python -m benchmarks.hindsight --deadlines 120 300 600 --out docs/reference` "
        "(with the traces at hand), never by hand.",
        "",
        f"The hour of Azure's conversation trace of 2023 (CC-BY, AzurePublicDataset), "
        f"{first.requests:,} requests that Llama 2 can hold, in their order and at their times of "
        f"arrival. The fleet: devices of the paper's A100 fleet as deployments of one LLM each, "
        f"{fleet}, always on. Runtimes and joules of the replay are those of the cost models with "
        "a factor of 5 % noise on each request; each device serves one at a time, each pool first "
        "come first served; the first request of a device pays the load, idle devices draw their "
        "idle watts until the hour, or the last request, has ended.",
        "",
        "*Decisions* are those of `POST /decision` with every deployment as a candidate, a floor "
        f"on the mean quality of {first.floor:g} and forecasts every 120 s: they know what has "
        "arrived, and the tokens of each request. The *plan in hindsight* knows the whole hour, "
        "may begin any request at once, and has until the hour and one deadline are over; so what "
        "it takes is less than anybody could who waits for requests to arrive. The others: *least "
        "joules* takes the cheapest deployment, whatever waits there; *round robin* and *least "
        "loaded* take all three in turn, or the one with the fewest in flight for each device.",
        "",
        "![Energy of the hour by who decides](hindsight.png)",
        "",
    ]
    for study in studies:
        lines += [
            f"## Deadline {study.deadline_s:g} s",
            "",
            summary(study),
            "",
            f"The plan's gap is {study.found.gap:.1e}. {_verdict(study)}",
            "",
        ]
    return "\n".join([*lines, f"Measured on: {machine().splitlines()[0]}.", ""])


def draw(studies: Sequence[Study], path: Path) -> None:
    """Draw the megajoules of each policy, a panel for each study."""
    figure = Figure(figsize=(3.4 * len(studies), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(studies), sharey=True, squeeze=False)[0]
    for axes, study in zip(panels, studies, strict=True):
        names = [PLAN, *study.outcomes]
        bottoms = [0.0] * len(names)
        for index, (part, colour) in enumerate(COLOURS.items()):
            heights = [study.parts_mj(name)[index] for name in names]
            axes.bar(names, heights, bottom=bottoms, color=colour, label=part)
            bottoms = [a + b for a, b in zip(bottoms, heights, strict=True)]
        for position, name in enumerate(names[1:], 1):
            missed = percent(study.outcomes[name].missed, 1)
            axes.text(
                position, bottoms[position], f"{missed} %\nlate", ha="center", va="bottom", size=8
            )
        axes.set_title(f"deadline {study.deadline_s:g} s", size=10)
        axes.set_ylim(0.0, 1.15 * max(bottoms))
        axes.tick_params(axis="x", rotation=40, labelsize=8)
    panels[0].set_ylabel("energy of the hour [MJ]")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _row(
    study: Study, name: str, missed: str, quality: float, ended_s: float, over: str
) -> list[str]:
    parts = study.parts_mj(name)
    joules = [f"{value:,.2f}" for value in (sum(parts), *parts)]
    return [name, *joules, missed, f"{quality:.4f}", f"{ended_s:,.0f}", over]


def _verdict(study: Study) -> str:
    ours = study.outcomes[DECISIONS]
    over = ours.energy_j / study.found.energy.value_j - 1.0
    saved = {
        name: 1.0 - ours.energy_j / study.outcomes[name].energy_j
        for name in ("round robin", "least loaded")
    }
    return (
        f"Decisions take {percent(over, 1)} % more than the plan, miss {percent(ours.missed, 2)} % "
        f"of the deadlines at a mean quality of {ours.mean_quality:.4f}, and take "
        f"{percent(saved['round robin'], 0)} % less than round robin and "
        f"{percent(saved['least loaded'], 0)} % less than least loaded."
    )

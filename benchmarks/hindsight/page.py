"""What a study of an hour says: a table, a page and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.hindsight.fleets import COUNTS, LEVELS, SHARED_COUNTS
from benchmarks.hindsight.replay import HourOutcome
from benchmarks.hindsight.setting import COPIES, NOISE, PERIOD_S
from benchmarks.markdown import percent, table
from benchmarks.timing import machine
from benchmarks.workloads import CONTEXT_TOKENS
from planner.result import Plan

DECISIONS = "decisions"
PLAN = "plan in hindsight"
ARRIVING = "its placements, as they come"
ABOVE = "least joules above"
COLOURS = {"requests": "#0b5cad", "loading": "#c2571a", "idle": "#b8b8b8"}


@dataclass(frozen=True)
class Study:
    """One hour under one deadline.

    Attributes
    ----------
    deadline_s
        Seconds that each request may take from its arrival.
    floor
        Floor on the mean quality.
    requests
        Their number.
    found
        The plan that knew all of them.
    outcomes
        Outcomes of each policy, by its name.
    shared
        Whether requests share a device.
    """

    deadline_s: float
    floor: float
    requests: int
    found: Plan
    outcomes: Mapping[str, HourOutcome]
    shared: bool = False

    def in_flight(self, name: str) -> float:
        """Return the mean number of requests on a device that has any."""
        if name != PLAN:
            return self.outcomes[name].in_flight
        busy_s = sum(one.busy_s for one in self.found.usage)
        return float(self.found.runtime_s.sum()) / busy_s

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
    plan_j, found = study.found.energy.value_j, study.found
    rows = [_row(study, PLAN, "-", found.mean_quality or 0.0, found.makespan_s, "-")]
    for name, one in study.outcomes.items():
        over = percent(one.energy_j / plan_j - 1.0, 2)
        missed = percent(one.missed, 2)
        rows.append(_row(study, name, missed, one.mean_quality, one.ended_s, over))
    parts = ["in flight"] if study.shared else ["requests", "loading", "idle"]
    header = [
        "who decides", "MJ", *parts, "missed %", "mean quality", "last ended s",
        "over the plan %",
    ]  # fmt: skip
    return table(header, rows)


def page(alone: Sequence[Study], together: Sequence[Study], seeds: Sequence[int]) -> str:
    """Return the page of the reference.

    Parameters
    ----------
    alone, together
        Studies of devices that serve one request at a time, and of those that requests share.
    seeds
        Seeds of the noise.
    """
    return "\n".join(
        [
            "# Decisions against hindsight",
            "",
            f"Made by `{_command(alone, together, seeds)}` (with the traces at hand), never by "
            "hand.",
            "",
            *_rules(),
            "",
            *_limits(seeds),
            "",
            *(_alone(alone) if alone else ()),
            *(_together(together) if together else ()),
            f"Measured on: {machine().splitlines()[0]}.",
            "",
        ]
    )


def _command(alone: Sequence[Study], together: Sequence[Study], seeds: Sequence[int]) -> str:
    def distinct(studies: Sequence[Study]) -> str:
        return " ".join(f"{one:g}" for one in dict.fromkeys(one.deadline_s for one in studies))

    return (
        f".venv/bin/python -m benchmarks.hindsight --deadlines {distinct(alone)} "
        f"--shared-deadlines {distinct(together)} --seeds {' '.join(map(str, seeds))} "
        "--out docs/studies"
    )


def _rules() -> list[str]:
    return [
        "Requests are those of the hour of Azure's conversation trace of 2023 (CC-BY, "
        f"AzurePublicDataset) that have at most {CONTEXT_TOKENS:,} tokens, in their order and at "
        "their times of arrival. Runtimes and joules of the replay are those of the cost models, "
        f"times a factor of {percent(NOISE, 0)} % noise for each request. Each pool serves first "
        "come first served.",
        "",
        "*Decisions* are those of `POST /decision` with every deployment as a candidate, a floor "
        f"on the mean quality and forecasts every {PERIOD_S:g} s: they know what has arrived, and "
        "the tokens of each request. The *plan in hindsight* knows the whole hour, may begin any "
        "request at once, and has until the hour and one deadline are over; so what it takes is, "
        "but for its gap, less than anybody could who keeps the floor and waits for requests to "
        "arrive. *Its placements, as they come* sends each request where that plan had it, but "
        "when it arrives. The others: *least joules* takes the cheapest deployment, whatever waits "
        "there, and *least joules above* the cheapest whose LLM alone keeps the floor; *round "
        "robin* and *least loaded* take all of them in turn, or the one with the fewest in flight "
        "for each device.",
    ]


def _limits(seeds: Sequence[int]) -> list[str]:
    drawn = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
    return [
        "## How far this goes",
        "",
        "It is a best case for decisions:",
        "",
        "- The end of each request is told at the very instant, and none is lost. Gateways tell "
        "later, and until they do the load that decisions go by is too high.",
        "- Output tokens are known when a request is decided; in service they are estimates.",
        "- The cost models are right but for the noise: no bias, no drift, no neighbour. "
        "Corrections are not exercised.",
        "- One service decides all the traffic. What it does not see it cannot take into account.",
        "- It is one hour of one service, and noise of "
        f"{drawn}. Counts of devices and floors were chosen so that the fleets are busy but keep "
        "up; a busier or an emptier one was not studied.",
    ]


def _alone(studies: Sequence[Study]) -> list[str]:
    fleet = ", ".join(f"{count} of {llm}" for llm, count in COUNTS.items())
    first = studies[0]
    return [
        "## One request at a time",
        "",
        "The fleet: devices of the paper's A100 fleet as deployments of one LLM each, "
        f"{fleet}, always on. Each device serves one request at a time, the only concurrency that "
        "was measured there. The first request of a device pays the load, idle devices draw their "
        "idle watts until the hour, or the last request, has ended. "
        f"{first.requests:,} requests, a floor of {first.floor:g}.",
        "",
        "![Energy of the hour by who decides](hindsight.png)",
        "",
        *_sections(studies),
    ]


def _together(studies: Sequence[Study]) -> list[str]:
    fleet = ", ".join(f"{count} of {name}" for name, count in SHARED_COUNTS.items())
    levels = ", ".join(map(str, LEVELS))
    first = studies[0]
    return [
        "## Requests that share a device",
        "",
        f"The fleet: pools of the default fleet, {fleet}, each at the concurrencies {levels} and "
        f"with one LLM loaded. {COPIES} copies of the trace, turned evenly around the hour, make "
        f"{first.requests:,} requests; the floor is {first.floor:g}. With k requests in flight on "
        "a device, each goes on at the pace, and takes joules at the rate, that the cost model has "
        "for concurrency k, and both change for all when one comes or goes; below what was "
        "profiled that is extrapolated. A request goes to the device of the pool with the fewest "
        f"in flight, and waits where all have {max(LEVELS)}. Idle watts of these devices were not "
        "measured, so idle devices are left out, of the plan too: who leaves devices empty is not "
        "charged for it.",
        "",
        "Here a request is the cheaper the more share its device, and the plan, which may begin "
        "any request at once, fills devices to the largest concurrency. Who serves requests as "
        "they come cannot: most of what anybody takes over the plan is that. Sent where the plan "
        "had them, requests spread over the pools at a concurrency that the plan never meant. And "
        "decisions price a request at the concurrency that it meets; that it makes the others on "
        "the device cheaper is not in the price, so that all traffic on one LLM above the floor "
        "may cost less.",
        "",
        "![Energy of the hour on shared devices by who decides](hindsight-shared.png)",
        "",
        *_sections(studies),
    ]


def _sections(studies: Sequence[Study]) -> list[str]:
    lines = []
    for study in studies:
        lines += [
            f"### Deadline {study.deadline_s:g} s",
            "",
            summary(study),
            "",
            f"The plan's gap is {study.found.gap:.1e}. {_verdict(study)}",
            "",
        ]
    return lines


def draw(studies: Sequence[Study], path: Path) -> None:
    """Draw the megajoules of each policy, a panel for each study."""
    figure = Figure(figsize=(3.8 * len(studies), 3.8), layout="constrained")
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
        axes.tick_params(axis="x", labelsize=8)
        for label in axes.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
    panels[0].set_ylabel("energy of the hour [MJ]")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _row(
    study: Study, name: str, missed: str, quality: float, ended_s: float, over: str
) -> list[str]:
    parts = study.parts_mj(name)
    shown = [f"{sum(parts):,.2f}", *(f"{value:,.2f}" for value in parts)]
    if study.shared:
        shown = [shown[0], f"{study.in_flight(name):.1f}"]
    return [name, *shown, missed, f"{quality:.4f}", f"{ended_s:,.0f}", over]


def _verdict(study: Study) -> str:
    ours = study.outcomes[DECISIONS]

    def against(energy_j: float, whom: str) -> str:
        change = ours.energy_j / energy_j - 1.0
        return f"{percent(abs(change), 1)} % {'more' if change >= 0 else 'less'} than {whom}"

    others = (ARRIVING, ABOVE, "round robin", "least loaded")
    compared = [against(study.found.energy.value_j, f"the {PLAN}")]
    compared += [against(study.outcomes[name].energy_j, f"*{name}*") for name in others]
    return (
        f"Decisions take {', '.join(compared)}. They miss {percent(ours.missed, 2)} % of the "
        f"deadlines at a mean quality of {ours.mean_quality:.4f}."
    )

"""The verb that measures: a live server or a recorded campaign to an observations file."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

import numpy as np

from costmodel.catalogue import Catalogue
from costmodel.cost_model import CostModel
from costmodel.names import check_llm, device_num_gpus
from profiler.campaign.journal import LOADS_SUFFIX, Journal, companion
from profiler.campaign.live import LiveRig, Subject
from profiler.campaign.points import Axes, Point, levels
from profiler.campaign.progress import CampaignProgress
from profiler.campaign.replay import ReplayRig
from profiler.campaign.rig import Rig
from profiler.campaign.run import Outcome, measure_point, run_campaign
from profiler.campaign.stages import ENERGY, EXHAUSTED, TARGET, TIME, Design, Step
from profiler.campaign.trial import SERVER_LIMITED, UNSTABLE, Trial
from profiler.checking import check_pair, matches
from profiler.commands import load_cost_models, print_checks
from profiler.errors import UnusableInputError
from profiler.fit.calibration import LOAD_COLUMNS
from profiler.meters.choice import REPLAY, make_meter
from profiler.observation_files import read_observations, read_table
from profiler.pages.tables import print_table
from profiler.server.process import ServerProcess

CHECK = "check"
AXES = ("input_tokens", "output_tokens", "concurrency")

_REASONS = {
    TARGET: "the wanted error is reached",
    TIME: "the time is spent",
    ENERGY: "the joules are spent",
    EXHAUSTED: "every point is measured",
}
_HEADER = ("LLM", "device", "points", "windows", "uncertainty %", "minutes", "kJ", "ended because")


def measure(options: argparse.Namespace) -> None:
    """Run a campaign, from nothing or from where it was.

    Parameters
    ----------
    options
        Of the command line, see `profiler.measure_options`.

    Raises
    ------
    ProfilerError
        Where something is wrong with the input, the server or the meter; windows that ended are
        kept, and the same command goes on from them.
    """
    check_llm(options.llm)
    device_num_gpus(options.device)
    design = Design(
        kind=options.design,
        target_error=options.target_error,
        max_seconds=None if options.max_minutes is None else 60.0 * options.max_minutes,
        max_joules=None if options.max_kilojoules is None else 1e3 * options.max_kilojoules,
        seed=options.seed,
    )
    with Journal(options.out, _settings(options)) as journal, _rig(options) as rig:
        if isinstance(rig, LiveRig) and journal.trials:
            rig.refuse_others(journal.trials[-1].cells)
        with CampaignProgress(design, len(rig.candidates())) as progress:
            outcome = run_campaign(design, rig, journal, progress)
        _print(options, outcome, journal.trials)


def _settings(options: argparse.Namespace) -> dict[str, object]:
    """What has to stay the same from the first window to the last; budgets may change."""
    kept = (
        *("llm", "device", "meter", "scope", "gpus", "query", "design", "seed", "source"),
        *("kv_cache", "task", "window_seconds"),
    )
    axes = None if options.meter == REPLAY else asdict(axes_of(options))
    return {name: getattr(options, name) for name in kept} | {"axes": axes}


def axes_of(options: argparse.Namespace) -> Axes:
    """Read the grid from the command line."""
    return Axes(
        levels(options.input_tokens, "--input-tokens"),
        levels(options.output_tokens, "--output-tokens"),
        levels(options.concurrency, "--concurrency"),
    )


def check_live(options: argparse.Namespace) -> None:
    """Measure a few random points of an artefact's region again, and say whether it still holds.

    Parameters
    ----------
    options
        Of the command line, see `profiler.measure_options`.

    Raises
    ------
    ProfilerError, CostModelError
        As `measure`; and where there is no artefact of the pair.
    """
    if options.llm is None or options.device is None:
        raise UnusableInputError("Expected --llm and --device with --url, got none.")
    cost_model = Catalogue(load_cost_models(options.models_dir)).get(options.llm, options.device)
    points = random_points(cost_model, options.points, options.seed)
    kept = ("llm", "device", "meter", "seed", "points")
    settings: dict[str, object] = {name: getattr(options, name) for name in kept}
    axes = Axes(*(tuple(sorted({getattr(p, name) for p in points})) for name in AXES))
    design = Design(seed=options.seed)
    with Journal(options.observations, settings | {"design": CHECK}) as journal:
        options.out = options.observations
        with (
            live_rig(options, axes) as rig,
            CampaignProgress(design, len(points)) as progress,
        ):
            before = len(journal.trials)
            for point in points:
                progress.step(Step(point, CHECK), journal.trials)
                measure_point(design, rig, journal, progress, point, CHECK)
            measured = len(journal.trials) - before
    if not measured:
        raise UnusableInputError(
            f"Expected windows to measure, got {options.observations} with all of them: give "
            "another file, or another --seed."
        )
    trials = read_observations(options.observations)
    trials = trials.take(matches(trials, cost_model))
    if not len(trials):
        known = cost_model.provenance
        raise UnusableInputError(
            f"Expected windows like those of the artefact (KV cache {known.kv_cache}, joules of "
            f"{known.energy_scope}), got none: choose --meter and --kv-cache accordingly."
        )
    checked = check_pair(trials, cost_model)
    holds = checked.holds(cost_model)
    print_checks([{**checked.record(), "holds": holds}], as_json=options.json)
    if not options.json:
        said = "still holds" if holds else "no longer holds: profile this pair again"
        sys.stdout.write(f"the artefact {said}\n")


def random_points(cost_model: CostModel, count: int, seed: int) -> list[Point]:
    """Draw points between profiled ones of the same concurrency.

    Parameters
    ----------
    cost_model
        With recorded input lengths.
    count
        1 or more.
    seed
        Of the draw.

    Raises
    ------
    UnusableInputError
        Where input lengths were not recorded, or no point is asked for.
    """
    if not cost_model.region.input_known or count < 1:
        raise UnusableInputError(
            "Expected one --points or more and an artefact with input lengths, got none."
        )
    random = np.random.default_rng(seed)
    profiled = cost_model.region.points
    drawn = []
    for _ in range(count):
        first = profiled[random.integers(len(profiled))]
        alike = profiled[np.isclose(profiled[:, 2], first[2], rtol=0.1)]
        second = alike[random.integers(len(alike))]
        share = random.random()
        tokens = np.exp(np.log(first[:2]) * share + np.log(second[:2]) * (1.0 - share))
        drawn.append(Point(round(tokens[0]), max(1, round(tokens[1])), round(first[2])))
    return drawn


@contextmanager
def _rig(options: argparse.Namespace) -> Iterator[Rig]:
    if options.meter == REPLAY:
        if options.replay is None:
            raise UnusableInputError("Expected --replay OBS with --meter replay, got none.")
        yield ReplayRig(options.llm, options.device, read_observations(options.replay))
        return
    with live_rig(options, axes_of(options)) as rig:
        yield rig


@contextmanager
def live_rig(options: argparse.Namespace, axes: Axes) -> Iterator[LiveRig]:
    """Open the meter and the server, and measure loading and idling where they are not yet.

    Parameters
    ----------
    options
        Of the command line.
    axes
        The grid.

    Yields
    ------
    LiveRig
        Open.
    """
    if options.url is None:
        raise UnusableInputError("Expected --url URL of an LLM server, got none.")
    url = options.url.rstrip("/").removesuffix("/v1")
    with ExitStack() as stack:
        meter = stack.enter_context(make_meter(options))
        load = None
        if options.start is not None:
            log = companion(options.out, ".server.log")
            begin = meter.mark()
            server = ServerProcess(options.start, url, log, options.start_timeout, _headers())
            stack.enter_context(server)
            server.await_ready()
            end = meter.mark()
            load = end.at_s - begin.at_s, meter.between(begin, end).total_j
        rig = LiveRig(
            url,
            _headers(),
            options.served_name,
            meter,
            _subject(options),
            axes,
            options.window_seconds,
            options.seed,
            mixed=options.mixed,
        )
        stack.enter_context(rig)
        _keep_load(options, rig, load)
        yield rig


def _subject(options: argparse.Namespace) -> Subject:
    named = {name: getattr(options, name) for name in ("engine", "hardware", "task")}
    return Subject(
        llm=options.llm,
        device=options.device,
        num_gpus=device_num_gpus(options.device),
        kv_cache=options.kv_cache,
        source=options.source,
        facts={name: text for name, text in named.items() if text is not None},
    )


def _headers() -> dict[str, str]:

    key = os.environ.get("JOULEPLAN_SERVER_API_KEY")
    return {"authorization": f"Bearer {key}"} if key else {}


def _keep_load(options: argparse.Namespace, rig: LiveRig, load: tuple[float, float] | None) -> None:
    path = companion(options.out, LOADS_SUFFIX)
    pair = options.llm, options.device
    rows = read_table(path)[1] if path.exists() else []
    known = [cells for _, cells in rows if (cells["llm"], cells["device"]) == pair]
    if load is None and (known or options.idle_seconds <= 0):
        return
    row: dict[str, object] = dict.fromkeys(LOAD_COLUMNS, "") | {
        "llm": options.llm,
        "device": options.device,
        "num_gpus": device_num_gpus(options.device),
    }
    if options.idle_seconds > 0:
        sys.stderr.write(f"idling for {options.idle_seconds:g} s\n")
        seconds, joules = rig.idle(options.idle_seconds)
        row["idle_watts"] = f"{joules.total_j / seconds:.9g}"
    if load is not None:
        row |= {"load_s": f"{load[0]:.9g}", "load_energy_gpu_j": f"{load[1]:.9g}"}
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, LOAD_COLUMNS, lineterminator="\n")
        if not rows:
            writer.writeheader()
        writer.writerow(row)


def _print(options: argparse.Namespace, outcome: Outcome, trials: list[Trial]) -> None:
    uncertainty = outcome.uncertainty
    row = [
        options.llm,
        options.device,
        str(outcome.points),
        str(outcome.windows),
        "-" if uncertainty is None else f"{100 * uncertainty:.1f}",
        f"{outcome.seconds / 60:.1f}",
        f"{outcome.joules / 1e3:.1f}",
        _REASONS[outcome.reason],
    ]
    print_table(f"{options.out}", _HEADER, [row])
    for flag, said in (
        (UNSTABLE, "repeats differ by more than 3 %: something else ran, or clocks moved"),
        (SERVER_LIMITED, "the server's own limit, not --concurrency, set the requests in flight"),
    ):
        count = sum(flag in trial.cells["flags"].split(";") for trial in trials)
        if count:
            sys.stderr.write(f"{count} windows {flag}: {said}\n")

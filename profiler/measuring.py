"""The verb that measures: a live server or a recorded campaign to an observations file."""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

from commandline.ending import say
from commandline.tables import print_table
from costmodel.names import check_llm, device_num_gpus
from costmodel.nearest import counted
from profiler.campaign.journal import LOADS_SUFFIX, Journal, companion
from profiler.campaign.live import LiveRig, Subject
from profiler.campaign.points import Axes, levels
from profiler.campaign.progress import CampaignProgress
from profiler.campaign.replay import ReplayRig
from profiler.campaign.rig import Rig
from profiler.campaign.run import Outcome, run_campaign
from profiler.campaign.stages import ENERGY, EXHAUSTED, TARGET, TIME, Design
from profiler.campaign.trial import SERVER_LIMITED, UNSTABLE, Trial
from profiler.delimited import read_table
from profiler.errors import UnusableInputError
from profiler.fit.loads import LOAD_COLUMNS
from profiler.measure_options import API_KEY
from profiler.meters.choice import REPLAY, make_meter
from profiler.observation_files import read_observations
from profiler.plausibility import unchecked_devices
from profiler.power_limits import PowerRange, limits
from profiler.server.process import ServerProcess

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
        Options of the command line, see `profiler.measure_options`.

    Raises
    ------
    ProfilerError
        If something is wrong with the input, the server or the meter; windows that ended are kept,
        and the same command goes on from them.
    """
    check_llm(options.llm)
    say(*unchecked_devices({options.device}))
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
        Options of the command line.
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
        _keep_load(options, rig, load, limits(options.device, meter.scope))
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
    key = os.environ.get(API_KEY)
    return {"authorization": f"Bearer {key}"} if key else {}


def _keep_load(
    options: argparse.Namespace, rig: LiveRig, load: tuple[float, float] | None, allowed: PowerRange
) -> None:
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
        say(f"idling for {options.idle_seconds:g} s")
        seconds, joules = rig.idle(options.idle_seconds)
        if _can_be(allowed, "idling", joules.total_j, seconds):
            row["idle_watts"] = f"{joules.total_j / seconds:.9g}"
    if load is not None and _can_be(allowed, "the load", load[1], load[0]):
        row |= {"load_s": f"{load[0]:.9g}", "load_energy_gpu_j": f"{load[1]:.9g}"}
    if not row["idle_watts"] and not row["load_s"]:
        return
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, LOAD_COLUMNS, lineterminator="\n")
        if not rows:
            writer.writeheader()
        writer.writerow(row)


def _can_be(allowed: PowerRange, what: str, joules: float, seconds: float) -> bool:
    """Say whether the device can have drawn that; warn where it cannot, since it is not kept."""
    problem = allowed.problem(joules / seconds, seconds)
    if problem:
        say(f"joules of {what} are not kept: {problem}")
    return problem is None


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
    print_table(f"{options.out}", _HEADER, [row], names=2)
    for flag, said in (
        (UNSTABLE, "repeats differ by more than 3 %: something else ran, or clocks moved"),
        (SERVER_LIMITED, "the server's own limit, not --concurrency, set the requests in flight"),
    ):
        count = sum(flag in trial.cells["flags"].split(";") for trial in trials)
        if count:
            say(f"{counted(count, 'window')} {flag}: {said}")

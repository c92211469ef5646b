"""The verb that imports: a file of measurements, in one of several formats, to observations."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from commandline.ending import say
from commandline.tables import print_table
from costmodel.nearest import counted
from costmodel.provenance import GPU
from costmodel.zones import read_zone
from profiler.errors import UnusableInputError
from profiler.fit.learning import describe_left_out
from profiler.fit.selection import MEANS_UNKNOWN, choose_trials
from profiler.importers.column_map import import_csv, parse_assignments
from profiler.importers.mlenergy import import_mlenergy
from profiler.importers.mlenergy_v3 import import_mlenergy_v3
from profiler.importers.vllm_bench import import_vllm_bench
from profiler.importers.wilkins2024 import import_wilkins2024
from profiler.observation_files import append_observations
from profiler.observations import Observations
from profiler.plausibility import warnings

_IMPORTED = ("LLM", "device", "trials", "warm-ups")
_OPTIONS: Mapping[str, frozenset[str]] = {
    "csv": frozenset({"column", "unit", "set"}),
    "vllm-bench": frozenset({"set", "power_log", "started_at", "zone", "log_zone"}),
    "mlenergy": frozenset({"set", "zone"}),
    "mlenergy_v3": frozenset(),
    "wilkins2024": frozenset(),
}
"""Options that each format reads; another one would be passed over."""


def import_file(options: argparse.Namespace) -> None:
    """Turn a measurement file into observations and append them.

    Parameters
    ----------
    options
        Options of the command line: `format`, `path`, `out`, and what the format reads besides.

    Raises
    ------
    UnusableInputError
        If an option is given that the format does not read.
    """
    _check_options(options)
    notes: list[str] = []
    path: Path = options.path
    fixed = parse_assignments(options.set, "--set")
    zone = read_zone(options.zone)
    if options.format == "wilkins2024":
        trials = import_wilkins2024(path)
    elif options.format == "mlenergy_v3":
        trials, left_out = import_mlenergy_v3(path)
        notes = [f"left out: {sentence}" for sentence in left_out]
    elif options.format == "mlenergy":
        trials, notes = import_mlenergy(path, fixed, zone)
    elif options.format == "vllm-bench":
        log_zone = None if options.log_zone is None else read_zone(options.log_zone)
        trials, notes = import_vllm_bench(
            path, options.power_log, options.started_at, fixed, zone, log_zone
        )
    else:
        units = parse_assignments(options.unit, "--unit")
        columns = parse_assignments(options.column, "--column")
        trials, notes = import_csv(path, columns, fixed, units)
    written = append_observations(options.out, trials)
    rows = [
        [llm, device, str(len(some)), str(int(some.warmup.sum()))]
        for llm, device, some in trials.pairs()
    ]
    print_table(f"{written} of {counted(len(trials), 'trial')} written", _IMPORTED, rows, names=2)
    say(*notes, *warnings(trials), *_untold(trials))


def _check_options(options: argparse.Namespace) -> None:
    for name in sorted(frozenset().union(*_OPTIONS.values()) - _OPTIONS[options.format]):
        if getattr(options, name):
            shown = f"--{name.replace('_', '-')}"
            takers = ", ".join(one for one, names in _OPTIONS.items() if name in names)
            msg = f"Expected {shown} with {takers} only, got it with {options.format}."
            raise UnusableInputError(msg)


def _untold(trials: Observations) -> list[str]:
    """Say at once which windows of mixed lengths no fit will learn from."""
    said = []
    for llm, device, some in trials.pairs():
        count = choose_trials(some, GPU, mixed=True)[1].get(MEANS_UNKNOWN)
        if count:
            left_out = describe_left_out({MEANS_UNKNOWN: count})
            said.append(
                f"{llm} on {device}: unless all windows are of one mix, fit will leave out, of "
                f"{len(some)}: {left_out}"
            )
    return said

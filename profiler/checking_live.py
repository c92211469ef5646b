"""The verb that holds an artefact against the live server that it is of."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from commandline.ending import say
from costmodel.catalogue import Catalogue
from costmodel.cost_model import CostModel
from profiler.campaign.journal import Journal
from profiler.campaign.points import Axes, Point
from profiler.campaign.progress import CampaignProgress
from profiler.campaign.run import measure_point
from profiler.campaign.stages import Design, Step
from profiler.checking import check_pair, matching_trials, shown_reasons
from profiler.commands import load_cost_models, print_checks
from profiler.errors import UnusableInputError
from profiler.fit.error_figures import POINT_COLUMNS
from profiler.measuring import live_rig
from profiler.observation_files import read_observations
from profiler.plausibility import unchecked_devices

CHECK = "check"


def check_live(options: argparse.Namespace) -> None:
    """Measure a few random points of an artefact's region again, and say whether it still holds.

    Parameters
    ----------
    options
        Options of the command line, see `profiler.measure_options`.

    Raises
    ------
    ProfilerError, CostModelError
        If `measure` fails, or there is no artefact of the pair.
    """
    if options.llm is None or options.device is None:
        raise UnusableInputError("Expected --llm and --device with --url, got none.")
    say(*unchecked_devices({options.device}))
    cost_model = Catalogue(load_cost_models(options.models_dir)).get(options.llm, options.device)
    points = random_points(cost_model, options.points, options.seed)
    kept = ("llm", "device", "meter", "seed", "points")
    settings: dict[str, object] = {name: getattr(options, name) for name in kept}
    axes = Axes(*(tuple(sorted({getattr(p, name) for p in points})) for name in POINT_COLUMNS))
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
    trials, left_out = matching_trials(read_observations(options.observations), cost_model)
    if not len(trials):
        raise UnusableInputError(
            f"Expected windows like those of the artefact, got {shown_reasons(left_out)}: choose "
            "--meter, --kv-cache and --task accordingly."
        )
    say(*([f"not checked: {shown_reasons(left_out)}"] if left_out else []))
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
        Cost model with recorded input lengths.
    count
        1 or more.
    seed
        Seed of the draw.

    Raises
    ------
    UnusableInputError
        If input lengths were not recorded, or no point is asked for.
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

"""The verbs of the command line: each does one thing and prints its result on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from commandline.ending import say
from commandline.tables import print_table
from costmodel.artefact import CARD_SUFFIX, JOBLIB_SUFFIX, load, save
from costmodel.catalogue import Catalogue
from costmodel.cost_model import CostModel
from costmodel.names import STEM_SEPARATOR, llm_name
from costmodel.nearest import counted
from costmodel.provenance import GPU
from profiler.campaign.journal import LOADS_SUFFIX, companion
from profiler.checking import check_pairs, shown_reasons
from profiler.errors import UnfittablePairError, UnusableInputError
from profiler.fit.anova import PUBLISHED, PUBLISHED_DEVICE, PUBLISHED_LLMS, Effect, analyse
from profiler.fit.loads import load_figures, read_loads, unused_loads
from profiler.fit.pair_fit import fit_pair
from profiler.fit.selection import leave_out
from profiler.fit.training import ENERGY, RUNTIME
from profiler.observation_files import read_observations
from profiler.observations import Observations, joined
from profiler.pages.errors_page import errors_page
from profiler.pages.show import show
from profiler.pages.tables import percent, statistic
from profiler.plausibility import warnings

_FITTED = (
    *("LLM", "device", "basis", "points", "trials", "energy MAPE %", "WAPE %", "coverage %"),
    *("control MAPE %", "runtime MAPE %", "WAPE %", "coverage %", "left out"),
)
_GRID = "grid"
"""Suite of a campaign that varied both axes; its other suites varied one at a time."""
_CHECKED = (
    *("LLM", "device", "n", "energy MAPE %", "median %", "WAPE %", "p90 %", "coverage %"),
    *("runtime MAPE %", "median %", "WAPE %", "p90 %", "coverage %"),
)


def fit(
    paths: Sequence[Path],
    loads: Path | None,
    models_dir: Path,
    date: str | None,
    report: Path | None = None,
) -> None:
    """Fit every pair of some observations and write its artefact.

    Parameters
    ----------
    paths
        Observations files, taken together.
    loads
        Seconds and joules of loads; None for what campaigns kept beside their observations.
    models_dir
        Made where absent; artefacts of the same pairs are replaced.
    date
        Date of the measurements; None to take the campaign's.
    report
        HTML page to write; None for none.

    Raises
    ------
    UnusableInputError
        If no pair can be fitted.
    """
    trials = joined([read_observations(path) for path in paths])
    beside = [companion(path, LOADS_SUFFIX) for path in paths] if loads is None else [loads]
    pairs = list(trials.pairs())
    scopes = {(llm, device): some.only("energy_scope") or GPU for llm, device, some in pairs}
    measured = read_loads([path for path in beside if loads or path.exists()], scopes)
    figures = load_figures(measured)
    say(*warnings(trials), *unused_loads(measured, scopes))
    models_dir.mkdir(parents=True, exist_ok=True)
    fitted: list[tuple[CostModel, Observations]] = []
    rows, skipped = [], []
    console = Console(file=sys.stderr)
    quiet = not console.is_terminal
    for llm, device, some in track(
        pairs, "fitting", console=console, transient=True, disable=quiet
    ):
        try:
            found = fit_pair(llm, device, some, figures.get((llm, device)), date)
        except UnfittablePairError as reason:
            skipped.append(f"{llm} on {device}: {reason}")
            continue
        save(found.cost_model, models_dir)
        rows.append(_fitted_row(found.cost_model, found.left_out))
        fitted.append((found.cost_model, some))
    if not fitted:
        raise UnusableInputError(f"Expected a pair that can be fitted, got: {'; '.join(skipped)}.")
    print_table(f"{counted(len(fitted), 'pair')} fitted", _FITTED, rows, names=3)
    if skipped:
        print_table(
            f"{counted(len(skipped), 'pair')} skipped", ["why"], [[reason] for reason in skipped]
        )
    if report is not None:
        # Drawing is slow to import, and few ask for it.
        from profiler.pages.report import write_report  # noqa: PLC0415

        write_report(report, fitted, skipped)
        say(f"report: {report}")


def check(path: Path, models_dir: Path, *, as_json: bool) -> None:
    """Score artefacts against observations.

    Parameters
    ----------
    path
        An observations file.
    models_dir
        The artefacts.
    as_json
        Print one JSON array instead of a table.

    Raises
    ------
    UnusableInputError
        If no trial can be held against an artefact.
    """
    trials = read_observations(path)
    checks, skipped = check_pairs(trials, load_cost_models(models_dir))
    if not checks:
        raise UnusableInputError(
            f"Expected trials of an artefact in {models_dir}, got none to check: "
            f"{'; '.join(skipped)}."
        )
    say(*warnings(trials), *(f"not checked: {sentence}" for sentence in skipped))
    print_checks([one.record() for one in checks], as_json=as_json)


def print_checks(records: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print checks as a table, or as one JSON array."""
    if as_json:
        sys.stdout.write(json.dumps(list(records), indent=2) + "\n")
        return
    names = ("mape", "median_ape", "wape", "p90_ape", "coverage90")
    rows = [
        [one["llm"], one["device"], str(one["n"])]
        + [percent(one[quantity][name]) for quantity in (ENERGY, RUNTIME) for name in names]
        for one in records
    ]
    print_table(f"{counted(len(rows), 'artefact')} checked", _CHECKED, rows, names=2)


def show_artefact(path: Path) -> None:
    """Print one artefact as tables.

    Parameters
    ----------
    path
        Joblib file of the artefact, or its card.

    Raises
    ------
    UnusableInputError
        If the file is neither an artefact nor a card, or there is none.
    ArtefactError
        If the artefact is refused.
    """
    what = "the .joblib file of an artefact, or the .json beside it"
    if path.is_dir():
        raise UnusableInputError(f"Expected {what}, got the folder {path}: name one of its files.")
    if path.suffix not in {JOBLIB_SUFFIX, CARD_SUFFIX} or STEM_SEPARATOR not in path.name:
        raise UnusableInputError(
            f"Expected {what}, as LLM{STEM_SEPARATOR}DEVICE{JOBLIB_SUFFIX}, got {path}."
        )
    if not path.exists():
        raise UnusableInputError(f"Expected {what}, got {path}, which is not there.")
    show(load(path.with_suffix(JOBLIB_SUFFIX)))


def print_errors(models_dir: Path) -> None:
    """Print the page of cross-validated errors as Markdown.

    Parameters
    ----------
    models_dir
        The artefacts.
    """
    sys.stdout.write(errors_page(load_cost_models(models_dir)))


def print_anova(path: Path, pool_names: str | None, device: str | None) -> None:
    """Print analyses of variance: the pool's as published, the pool's cleaned, and each pair's.

    Parameters
    ----------
    path
        An observations file; rows without input tokens are left out, and of rows with a `suite`
        those that are not of the grid.
    pool_names
        LLMs to take together, joined by commas; None for those of the published table.
    device
        Device that they ran on; None for that of the published table.

    Raises
    ------
    UnusableInputError
        If there is nothing to analyse.
    """
    pool = PUBLISHED_LLMS if pool_names is None else tuple(map(llm_name, pool_names.split(",")))
    device = device or PUBLISHED_DEVICE
    trials = read_observations(path)
    suites = trials.extra.get("suite", np.full(len(trials), _GRID))
    chosen, left_out = leave_out(
        len(trials),
        {
            "without input tokens": ~(trials.input_tokens > 0),
            f"of a suite other than {_GRID}": suites != _GRID,
        },
    )
    trials = trials.take(chosen)
    pooled = trials.take(np.isin(trials.llm, pool) & (trials.device == device))
    name = f"{', '.join(pool)} on {device}"
    wanted = {f"{name}, warm-ups included": pooled, f"{name}, warm-ups dropped": _warm(pooled)}
    if not len(pooled):
        say(f"{name}: no trials in {path}")
        wanted.clear()
    wanted |= {
        f"{llm} on {its_device}, warm-ups dropped": _warm(some)
        for llm, its_device, some in trials.pairs()
    }
    effects = {title: analyse(some) if len(some) else None for title, some in wanted.items()}
    if left_out:
        say(f"left out: {shown_reasons(left_out)}")
    if not any(effects.values()):
        raise UnusableInputError(
            f"Expected repeats to judge an interaction by, got none in {path}: measure points of "
            "several input and output lengths more than once."
        )
    if len(pooled) and pool == PUBLISHED_LLMS and device == PUBLISHED_DEVICE:
        _print_effects("published (thesis, Table 5.1)", PUBLISHED)
    for title, found in effects.items():
        if found is None:
            say(f"{title}: no repeats to judge an interaction by")
        else:
            _print_effects(title, found)


def _warm(trials: Observations) -> Observations:
    return trials.take(~trials.warmup)


def _print_effects(title: str, quantities: Mapping[str, Mapping[str, Effect]]) -> None:
    rows = [
        [
            *(quantity, source, f"{effect.sum_squares:.4g}", str(effect.df)),
            *(statistic(value) for value in (effect.f, effect.p)),
        ]
        for quantity, effects in quantities.items()
        for source, effect in effects.items()
    ]
    header = ["", "source of variance", "sum of squares", "df", "F", "p"]
    print_table(title, header, rows, names=2)


def _fitted_row(cost_model: CostModel, left_out: Mapping[str, int]) -> list[str]:
    energy, runtime = cost_model.errors[ENERGY], cost_model.errors[RUNTIME]
    control = cost_model.errors["control"][ENERGY]
    counts = ", ".join(f"{count} {why}" for why, count in left_out.items())
    return [
        cost_model.llm,
        cost_model.device,
        cost_model.basis,
        str(cost_model.provenance.points),
        str(cost_model.provenance.observations),
        *(percent(energy[name]) for name in ("mape", "wape", "coverage90")),
        percent(control["mape"], 0),
        *(percent(runtime[name]) for name in ("mape", "wape", "coverage90")),
        counts or "-",
    ]


def load_cost_models(models_dir: Path) -> Mapping[tuple[str, str], CostModel]:
    """Load the artefacts of a folder, simulated ones too, and report which are refused.

    Raises
    ------
    UnusableInputError
        If none can be loaded.
    """
    catalogue = Catalogue.load(models_dir, allow_simulated=True)
    say(*(f"refused: {one.path}: {one.reason}" for one in catalogue.refused))
    if not catalogue.cost_models:
        raise UnusableInputError(
            f"Expected artefacts in {models_dir}, got none that can be loaded."
        )
    return catalogue.cost_models

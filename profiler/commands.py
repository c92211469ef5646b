"""The verbs of the command line: each does one thing and prints its result on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from costmodel.artefact import JOBLIB_SUFFIX, load, save
from costmodel.catalogue import Catalogue
from costmodel.cost_model import CostModel
from profiler.checking import check_pairs
from profiler.errors import UnfittablePairError, UnusableInputError
from profiler.fit.anova import PUBLISHED, PUBLISHED_DEVICE, PUBLISHED_LLMS, Effect, analyse
from profiler.fit.calibration import read_loads
from profiler.fit.pair_fit import fit_pair
from profiler.fit.training import ENERGY, RUNTIME
from profiler.importers.column_map import import_csv
from profiler.importers.mlenergy_v3 import import_mlenergy_v3
from profiler.importers.wilkins2024 import import_wilkins2024
from profiler.observation_files import append_observations, read_observations
from profiler.observations import Observations, joined
from profiler.pages.errors_page import errors_page
from profiler.pages.show import show
from profiler.pages.tables import percent, print_table

_IMPORTED = ("LLM", "device", "trials", "warm-ups")
_FITTED = (
    *("LLM", "device", "basis", "points", "trials", "energy MAPE %", "WAPE %", "coverage %"),
    *("control MAPE %", "runtime MAPE %", "WAPE %", "coverage %", "left out"),
)
_CHECKED = (
    *("LLM", "device", "n", "energy MAPE %", "median %", "WAPE %", "p90 %", "coverage %"),
    *("runtime MAPE %", "median %", "WAPE %", "p90 %", "coverage %"),
)


def import_file(
    form: str,
    path: Path,
    out: Path,
    renamed: Mapping[str, str],
    constants: Mapping[str, str],
) -> None:
    """Turn a measurement file into observations and append them.

    Parameters
    ----------
    form
        "wilkins2024", "mlenergy_v3" or "csv".
    path, out
        What to read, and the observations file to append to.
    renamed, constants
        For "csv": names of its columns, and text that all rows get.
    """
    left_out: list[str] = []
    if form == "wilkins2024":
        trials = import_wilkins2024(path)
    elif form == "mlenergy_v3":
        trials, left_out = import_mlenergy_v3(path)
    else:
        trials = import_csv(path, renamed, constants)
    written = append_observations(out, trials)
    rows = [
        [llm, device, str(len(some)), str(int(some.warmup.sum()))]
        for llm, device, some in trials.pairs()
    ]
    print_table(f"{written} of {len(trials)} trials written", _IMPORTED, rows)
    _say(*(f"left out: {sentence}" for sentence in left_out))


def fit(paths: Sequence[Path], loads: Path | None, models_dir: Path, date: str | None) -> None:
    """Fit every pair of some observations and write its artefact.

    Parameters
    ----------
    paths
        Observations files, taken together.
    loads
        Seconds and joules of loads; None where not measured.
    models_dir
        Made where absent; artefacts of the same pairs are replaced.
    date
        Of the measurements; None to take the campaign's.

    Raises
    ------
    UnusableInputError
        Where no pair can be fitted.
    """
    trials = joined([read_observations(path) for path in paths])
    figures = read_loads(loads) if loads is not None else {}
    models_dir.mkdir(parents=True, exist_ok=True)
    fitted, skipped = [], []
    pairs = list(trials.pairs())
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
        fitted.append(_fitted_row(found.cost_model, found.left_out))
    if not fitted:
        raise UnusableInputError(f"Expected a pair that can be fitted, got: {'; '.join(skipped)}.")
    print_table(f"{len(fitted)} pairs fitted", _FITTED, fitted)
    if skipped:
        print_table(f"\n{len(skipped)} pairs skipped", ["why"], [[reason] for reason in skipped])


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
    """
    checks, skipped = check_pairs(read_observations(path), _cost_models(models_dir))
    _say(*(f"not checked: {sentence}" for sentence in skipped))
    if as_json:
        sys.stdout.write(json.dumps([one.record() for one in checks], indent=2) + "\n")
        return
    names = ("mape", "median_ape", "wape", "p90_ape", "coverage90")
    records = [one.record() for one in checks]
    rows = [
        [one["llm"], one["device"], str(one["n"])]
        + [percent(one[quantity][name]) for quantity in (ENERGY, RUNTIME) for name in names]
        for one in records
    ]
    print_table(f"{len(rows)} artefacts checked", _CHECKED, rows)


def show_artefact(path: Path) -> None:
    """Print one artefact as tables.

    Parameters
    ----------
    path
        Its joblib file, or its card.
    """
    show(load(path.with_suffix(JOBLIB_SUFFIX) if path.suffix == ".json" else path))


def print_errors(models_dir: Path) -> None:
    """Print the page of cross-validated errors as Markdown.

    Parameters
    ----------
    models_dir
        The artefacts.
    """
    sys.stdout.write(errors_page(_cost_models(models_dir)))


def print_anova(path: Path, pool: Sequence[str], device: str) -> None:
    """Print analyses of variance: the pool's as published, the pool's cleaned, and each pair's.

    Parameters
    ----------
    path
        An observations file; of rows with a `suite`, only those of the grid are used.
    pool
        LLMs to take together.
    device
        That they ran on.
    """
    trials = read_observations(path)
    recorded = np.isfinite(trials.input_tokens) & (trials.input_tokens > 0)
    if "suite" in trials.extra:
        recorded &= trials.extra["suite"] == "grid"
    trials = trials.take(recorded)
    pooled = trials.take(np.isin(trials.llm, pool) & (trials.device == device))
    name = f"{', '.join(pool)} on {device}"
    if len(pooled) and tuple(pool) == PUBLISHED_LLMS and device == PUBLISHED_DEVICE:
        _print_effects("published (thesis, Table 5.1)", PUBLISHED)
    _analysed(f"\n{name}, warm-ups included", pooled)
    _analysed(f"\n{name}, warm-ups dropped", pooled.take(~pooled.warmup))
    for llm, its_device, some in trials.pairs():
        _analysed(f"\n{llm} on {its_device}, warm-ups dropped", some.take(~some.warmup))


def _analysed(title: str, trials: Observations) -> None:
    effects = analyse(trials) if len(trials) else None
    if effects is None:
        _say(f"{title.strip()}: no repeats to judge an interaction by")
    else:
        _print_effects(title, effects)


def _print_effects(title: str, quantities: Mapping[str, Mapping[str, Effect]]) -> None:
    rows = [
        [
            *(quantity, source, f"{effect.sum_squares:.4g}", str(effect.df)),
            *(_statistic(value) for value in (effect.f, effect.p)),
        ]
        for quantity, effects in quantities.items()
        for source, effect in effects.items()
    ]
    print_table(title, ["", "source of variance", "sum of squares", "df", "F", "p"], rows)


def _statistic(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.5g}"


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


def _cost_models(models_dir: Path) -> Mapping[tuple[str, str], CostModel]:
    catalogue = Catalogue.load(models_dir, allow_simulated=True)
    _say(*(f"refused: {one.path}: {one.reason}" for one in catalogue.refused))
    if not catalogue.cost_models:
        raise UnusableInputError(
            f"Expected artefacts in {models_dir}, got none that can be loaded."
        )
    return catalogue.cost_models


def _say(*sentences: str) -> None:
    for sentence in sentences:
        sys.stderr.write(sentence + "\n")

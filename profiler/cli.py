"""The command line `python -m profiler`: results on standard output, all else on standard error."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from costmodel.errors import CostModelError
from profiler import commands
from profiler.errors import ProfilerError
from profiler.fit.anova import PUBLISHED_DEVICE, PUBLISHED_LLMS
from profiler.importers.column_map import parse_assignments

BAD_INPUT = 2

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Parameters
    ----------
    arguments
        Without the program's name; None for those of the process.

    Returns
    -------
    int
        0 when it did its work, whatever the errors found; 2 on bad input.
    """
    options = _parser().parse_args(arguments)
    try:
        _run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader had enough; without this the interpreter complains when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ProfilerError, CostModelError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_INPUT
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.verb == "import":
        renamed = parse_assignments(options.column, "--column")
        constants = parse_assignments(options.set, "--set")
        commands.import_file(options.format, options.path, options.out, renamed, constants)
    elif options.verb == "fit":
        commands.fit(options.observations, options.loads, options.models_dir, options.date)
    elif options.verb == "check":
        commands.check(options.observations, options.models_dir, as_json=options.json)
    elif options.verb == "show":
        commands.show_artefact(options.artefact)
    elif options.verb == "errors":
        commands.print_errors(options.models_dir)
    else:
        commands.print_anova(options.observations, options.pool.split(","), options.device)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m profiler", description="Measurements of LLM serving to cost models."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_import(verbs)
    fit = verbs.add_parser("fit", help="fit every (LLM, device) pair and write its artefact")
    fit.add_argument("observations", nargs="+", type=Path, metavar="OBS")
    fit.add_argument("--loads", type=Path, help="CSV of seconds and joules of loading")
    fit.add_argument("--date", type=_date, help="of the measurements, YYYY[-MM[-DD]]")
    _add_models_dir(fit)
    check = verbs.add_parser("check", help="score artefacts against observations")
    check.add_argument("observations", type=Path, metavar="OBS")
    check.add_argument("--json", action="store_true", help="print one JSON array")
    _add_models_dir(check)
    show = verbs.add_parser("show", help="print one artefact as tables")
    show.add_argument("artefact", type=Path, metavar="ARTEFACT")
    errors = verbs.add_parser("errors", help="print the cross-validated errors as Markdown")
    _add_models_dir(errors)
    anova = verbs.add_parser("anova", help="analyse the variance of tokens and their interaction")
    anova.add_argument("observations", type=Path, metavar="OBS")
    anova.add_argument(
        "--pool", default=",".join(PUBLISHED_LLMS), metavar="LLM,LLM", help="LLMs taken together"
    )
    anova.add_argument("--device", default=PUBLISHED_DEVICE, help="that the pool ran on")
    return parser


def _add_import(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("import", help="turn a measurement file into observations")
    parser.add_argument("format", choices=("wilkins2024", "mlenergy_v3", "csv"))
    parser.add_argument("path", type=Path, metavar="PATH")
    parser.add_argument("--out", type=Path, required=True, metavar="OBS")
    parser.add_argument(
        "--column", action="append", default=[], metavar="NAME=THEIRS", help="for csv"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=TEXT", help="for csv")


def _add_models_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models-dir", type=Path, required=True, metavar="DIR")


def _date(text: str) -> str:
    if not _DATE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected YYYY, YYYY-MM or YYYY-MM-DD, got {text!r}")
    return text

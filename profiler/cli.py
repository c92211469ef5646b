"""The command line `python -m profiler`: results on standard output, all else on standard error.

The verbs are imported when one runs, so that ``--help`` and wrong options answer at once.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from profiler.errors import ProfilerError
from profiler.measure_options import add_check, add_measure, device

BAD_INPUT, INTERRUPTED = 2, 130

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
        0 when it did its work, whatever the errors found; 2 on bad input; 130 after Ctrl-C.
    """
    options = parser().parse_args(arguments)
    if threading.current_thread() is threading.main_thread():
        # Whoever ends the profiler politely shall not leave a server that it started behind.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
    from costmodel.errors import CostModelError  # noqa: PLC0415
    from costmodel.files import words_of  # noqa: PLC0415

    try:
        _run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader had enough; without this the interpreter complains when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what ended is kept, and the same command goes on from it\n")
        return INTERRUPTED
    except (ProfilerError, CostModelError) as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_INPUT
    except OSError as error:
        sys.stderr.write(f"error: {words_of(error)}\n")
        return BAD_INPUT
    return 0


def _run(options: argparse.Namespace) -> None:
    from profiler import checking_live, commands, importing, measuring  # noqa: PLC0415

    if options.verb == "measure":
        measuring.measure(options)
    elif options.verb == "check" and options.url is not None:
        checking_live.check_live(options)
    elif options.verb == "import":
        importing.import_file(options)
    elif options.verb == "fit":
        commands.fit(
            options.observations,
            options.loads,
            options.models_dir,
            options.date,
            options.report,
        )
    elif options.verb == "check":
        commands.check(options.observations, options.models_dir, as_json=options.json)
    elif options.verb == "show":
        commands.show_artefact(options.artefact)
    elif options.verb == "errors":
        commands.print_errors(options.models_dir)
    else:
        commands.print_anova(options.observations, options.pool, options.device)


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments of the command."""
    top = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m profiler",
        description="Measurements of LLM serving to cost models.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    add_measure(verbs)
    _add_import(verbs)
    fit = verbs.add_parser(
        "fit", allow_abbrev=False, help="fit every (LLM, device) pair and write its artefact"
    )
    fit.add_argument("observations", nargs="+", type=Path, metavar="OBS")
    fit.add_argument("--loads", type=Path, help="CSV of seconds and joules of loading")
    fit.add_argument("--date", type=_date, help="of the measurements, YYYY[-MM[-DD]]")
    fit.add_argument("--report", type=Path, metavar="HTML", help="page of figures to write")
    _add_models_dir(fit)
    add_check(verbs)
    show = verbs.add_parser("show", allow_abbrev=False, help="print one artefact as tables")
    show.add_argument("artefact", type=Path, metavar="ARTEFACT")
    errors = verbs.add_parser(
        "errors", allow_abbrev=False, help="print the cross-validated errors as Markdown"
    )
    _add_models_dir(errors)
    anova = verbs.add_parser(
        "anova", allow_abbrev=False, help="analyse the variance of tokens and their interaction"
    )
    anova.add_argument("observations", type=Path, metavar="OBS")
    anova.add_argument(
        "--pool", metavar="LLM,LLM", help="LLMs taken together; those of the published table"
    )
    anova.add_argument("--device", type=device, help="that the pool ran on")
    return top


def _add_import(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "import", allow_abbrev=False, help="turn a measurement file into observations"
    )
    formats = ("wilkins2024", "mlenergy_v3", "mlenergy", "vllm-bench", "csv")
    parser.add_argument("format", choices=formats)
    parser.add_argument("path", type=Path, metavar="PATH")
    parser.add_argument("--out", type=Path, required=True, metavar="OBS")
    parser.add_argument(
        "--column", action="append", default=[], metavar="NAME=THEIRS", help="for csv"
    )
    parser.add_argument(
        "--unit", action="append", default=[], metavar="NAME=UNIT", help="for csv: mJ, kWh, ms"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=TEXT", help="the same text in all rows"
    )
    parser.add_argument(
        "--power-log", type=Path, metavar="CSV", help="for vllm-bench: of nvidia-smi, or time,watts"
    )
    parser.add_argument(
        "--started-at", metavar="MOMENT", help="for vllm-bench: when it began, else from its date"
    )
    parser.add_argument(
        "--zone",
        metavar="ZONE",
        help="of moments without one: Asia/Karachi, +05:00; else the machine's",
    )
    parser.add_argument(
        "--log-zone", metavar="ZONE", help="of those in the power log, where it is of another"
    )


def _add_models_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models-dir", type=Path, required=True, metavar="DIR")


def _date(text: str) -> str:
    if not _DATE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected YYYY, YYYY-MM or YYYY-MM-DD, got {text!r}")
    return text

"""The command line `python -m profiler`: results on standard output, all else on standard error.

The verbs are imported when one runs, so that ``--help`` and wrong options answer at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from commandline.ending import DONE, raising_on_interrupt, refuse
from commandline.parser import CommandParser, PrintVersion, file_path, path
from commandline.verbs import PROFILER
from profiler.errors import ProfilerError
from profiler.measure_options import add_check, add_measure, add_models_dir, add_out
from profiler.option_values import date, device

_GOES_ON = "what ended is kept, and the same command goes on from it"


def run_verb(arguments: Sequence[str], program: str) -> int:
    """Run one verb of a program started by that name, and return its exit status.

    See `profiler.__main__.main`.
    """
    options = parser(program).parse_args(arguments)
    # Here, where nothing is to be put in order yet: libraries take long to import.
    from costmodel.errors import CostModelError  # noqa: PLC0415
    from costmodel.files import words_of_os_error  # noqa: PLC0415
    from profiler import checking_live, commands, importing, measuring  # noqa: F401, PLC0415

    try:
        with raising_on_interrupt():
            _run(options)
    except KeyboardInterrupt as interrupt:
        if options.verb == "measure":
            interrupt.add_note(_GOES_ON)
        raise
    except (ProfilerError, CostModelError) as error:
        return refuse(str(error))
    except OSError as error:
        return refuse(words_of_os_error(error))
    return DONE


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


def parser(program: str = f"python -m {PROFILER}") -> CommandParser:
    """Return what reads the arguments of the command, for a program started by that name."""
    top = CommandParser(
        prog=program, description="Turns measurements of LLM serving into cost models."
    )
    top.add_argument("--version", action=PrintVersion)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    add_measure(verbs)
    _add_import(verbs)
    _add_fit(verbs)
    add_check(verbs)
    _add_show(verbs)
    _add_errors(verbs)
    _add_anova(verbs)
    return top


def _add_import(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    parser = verbs.add_parser(
        "import",
        help="turn a file of measurements into observations",
        description="Turns a file of measurements into observations and appends them to OBS. Rows "
        "that OBS already holds are not written twice.",
        epilog="examples:\n"
        "  %(prog)s csv mine.csv --out observations.csv --column input_tokens=prompt_tokens\n"
        "  %(prog)s vllm-bench result.json --power-log power.csv --set device=1xh100 \\\n"
        "    --out observations.csv",
    )
    formats = ("wilkins2024", "mlenergy_v3", "mlenergy", "vllm-bench", "csv")
    parser.add_argument(
        "format",
        choices=formats,
        help="format of PATH: data sets as published (wilkins2024, mlenergy_v3), results of the "
        "ML.ENERGY benchmark (mlenergy) or of vllm bench serve (vllm-bench), or any table (csv)",
    )
    parser.add_argument("path", type=path, metavar="PATH", help="the file, or a folder of them")
    add_out(parser)
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME=THEIRS",
        help="csv: read our column NAME from their column THEIRS; may be repeated",
    )
    parser.add_argument(
        "--unit",
        action="append",
        default=[],
        metavar="NAME=UNIT",
        help="csv: unit of our column NAME, such as mJ, kWh or ms; may be repeated",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=TEXT",
        help="write TEXT into our column NAME of all rows; may be repeated",
    )
    parser.add_argument(
        "--power-log",
        type=path,
        metavar="CSV",
        help="vllm-bench: log of power during the run, from nvidia-smi or with columns time, watts",
    )
    parser.add_argument(
        "--started-at",
        metavar="MOMENT",
        help="vllm-bench: moment at which the run began; default: counted back from its date",
    )
    parser.add_argument(
        "--zone",
        metavar="ZONE",
        help="time zone of moments that are written without one, such as Asia/Karachi or +05:00; "
        "default: the zone of this machine",
    )
    parser.add_argument(
        "--log-zone",
        metavar="ZONE",
        help="vllm-bench: the same for moments in the log of power; default: that of --zone",
    )


def _add_fit(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    parser = verbs.add_parser(
        "fit",
        help="fit a cost model to the observations of each LLM and device",
        description="Fits a cost model to the observations of each LLM and device, writes it as an "
        "artefact with its card, and prints its cross-validated errors.",
        epilog="example:\n  %(prog)s observations.csv --models-dir my-models --report report.html",
    )
    parser.add_argument(
        "observations", nargs="+", type=path, metavar="OBS", help="files of observations"
    )
    add_models_dir(parser, "folder to write artefacts into; those of the same pairs are replaced")
    parser.add_argument(
        "--loads",
        type=path,
        metavar="CSV",
        help="seconds and joules of loading each LLM; default: what measure wrote beside OBS",
    )
    parser.add_argument(
        "--date",
        type=date,
        metavar="YYYY[-MM[-DD]]",
        help="date of the measurements; default: what OBS says",
    )
    parser.add_argument(
        "--report", type=file_path, metavar="HTML", help="also write a page of figures and errors"
    )


def _add_show(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    parser = verbs.add_parser(
        "show",
        help="print a cost model as tables",
        description="Prints a cost model as tables: its origin, coefficients and errors.",
        epilog="example:\n  %(prog)s my-models/llama-3.1-8b-instruct__1xh100-sxm5-80gb.joblib",
    )
    parser.add_argument(
        "artefact", type=path, metavar="ARTEFACT", help="its .joblib file, or the .json beside it"
    )


def _add_errors(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    parser = verbs.add_parser(
        "errors",
        help="print the cross-validated errors of cost models as Markdown",
        description="Prints the cross-validated errors of all cost models of a folder as Markdown.",
        epilog="example:\n  %(prog)s --models-dir my-models > errors.md",
    )
    add_models_dir(parser, "folder of the artefacts")


def _add_anova(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    parser = verbs.add_parser(
        "anova",
        help="analyse which token counts explain the variance of energy and runtime",
        description="Analyses how much of the variance of energy and runtime the input tokens, the "
        "output tokens and their interaction explain. Points have to be measured several times. "
        "The published table is Table 5.1 of the thesis behind arXiv 2407.04014; its measurements "
        "are read by `import wilkins2024`.",
        epilog="example:\n"
        "  %(prog)s observations.csv --pool llama-3.1-8b-instruct --device 1xh100-sxm5-80gb",
    )
    parser.add_argument("observations", type=path, metavar="OBS", help="file of observations")
    parser.add_argument(
        "--pool",
        metavar="LLM,LLM",
        help="LLMs whose trials are taken together, not a pool of a fleet; default: falcon-7b, "
        "llama-2-7b-chat and mistral-7b-v0.1, as in the published table",
    )
    parser.add_argument(
        "--device",
        type=device,
        metavar="NAME",
        help="device that they ran on; default: 1xa100-sxm4-40gb, as in the published table",
    )

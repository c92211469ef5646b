"""The arguments of the verb `plan`, and what they set in the body of a call."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from commandline.parser import CommandParser, file_path, number, path, whole_number
from service.number_texts import seconds_of


def seconds(text: str) -> float:
    """Return seconds of a number or of a length of time with units; ArgumentTypeError of others.

    Examples
    --------
    >>> seconds("90"), seconds("10m")
    (90.0, 600.0)
    """
    found = seconds_of(text)
    try:
        return float(text) if found is None else found
    except ValueError:
        msg = f"expected seconds, or a length of time such as 10m, got {text!r:.60}"
        raise argparse.ArgumentTypeError(msg) from None


class OptionError(ValueError):
    """Raised where what an option says cannot be used; the message names the option."""


@dataclass(frozen=True)
class BodyOption:
    """An option that sets a member of the body of `POST /plan`."""

    flag: str
    pointer: str
    kind: Callable[[str], float]
    metavar: str
    text: str

    @property
    def name(self) -> str:
        """Name of the option among the parsed arguments."""
        return self.flag.removeprefix("--").replace("-", "_")


OPTIONS = (
    BodyOption(
        "--deadline-seconds",
        "/constraints/deadline_seconds",
        seconds,
        "SECONDS",
        "time in which all requests have to be answered, such as 600 or 10m",
    ),
    BodyOption(
        "--zeta",
        "/objective/zeta",
        number,
        "WEIGHT",
        "weight of energy, or of what else the file minimises, against quality: 0 to 1; default: 1",
    ),
    BodyOption(
        "--min-mean-quality",
        "/constraints/min_mean_quality",
        number,
        "SCORE",
        "least mean quality of the batch, weighted by tokens, from 0 to 1",
    ),
    BodyOption(
        "--time-limit",
        "/solver/time_limit_seconds",
        seconds,
        "SECONDS",
        "time that planning itself may take, such as 30 or 2m",
    ),
    BodyOption(
        "--gap",
        "/solver/relative_gap",
        number,
        "RATIO",
        "stop as soon as the plan is proven to be this close to the optimum, such as 0.01",
    ),
    BodyOption("--seed", "/solver/seed", whole_number, "N", "seed of all random choices"),
)


def add_plan(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    """Add the verb ``plan``."""
    parser = verbs.add_parser(
        "plan",
        help="plan the requests of a file, without a server",
        description="Plans the requests of a file in this process, without a server, and "
        "prints where they should run. Progress goes to standard error.",
        epilog="example:\n  %(prog)s batch.jsonl --deadline-seconds 10m --out plan.json\n\n"
        "Exit status: 0 with a plan; 1 where no plan was found that keeps all limits;\n"
        "2 where the input is refused; 130 after Ctrl-C.",
    )
    _add_input_arguments(parser)
    for option in OPTIONS:
        parser.add_argument(option.flag, type=option.kind, metavar=option.metavar, help=option.text)
    parser.add_argument(
        "--allow-mixed-provenance",
        action="store_true",
        help="also plan over cost models that were measured in different ways, with a warning",
    )
    parser.add_argument(
        "--report-unplaceable",
        action="store_true",
        help="report requests that can run nowhere, and plan the others",
    )
    _add_prompt_arguments(parser)
    parser.add_argument(
        "--json", action="store_true", help="print the answer of POST /plan as JSON, not a table"
    )
    parser.add_argument(
        "--out", type=file_path, metavar="FILE", help="also write that JSON to FILE"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _add_input_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        help="the requests: .json (a body of POST /plan), .csv, .parquet or .jsonl (an OpenAI "
        "batch, or one request a line), each with .gz too; - reads standard input",
    )
    parser.add_argument(
        "--format",
        choices=("json", "csv", "parquet", "jsonl", "openai-batch"),
        help="format of the file, where its name does not tell",
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME=THEIRS",
        help="read our column NAME from the column THEIRS of a table; may be repeated. Columns "
        "that are not named are then left out",
    )
    parser.add_argument(
        "--fleet",
        type=path,
        metavar="YAML",
        help="fleet file to plan on, instead of the configured fleet or that of the body",
    )


def _add_prompt_arguments(parser: argparse.ArgumentParser) -> None:
    prompts = parser.add_argument_group("OpenAI batches")
    prompts.add_argument(
        "--characters-per-token",
        type=number,
        default=4.0,
        metavar="NUMBER",
        help="characters of a prompt that are counted as one input token; default: 4",
    )
    prompts.add_argument(
        "--output-tokens",
        type=whole_number,
        metavar="N",
        help="output tokens of lines that set no limit on their answer",
    )
    which = prompts.add_mutually_exclusive_group()
    which.add_argument(
        "--keep-llms",
        action="store_true",
        help="run each line on the LLM that it names; this is the default",
    )
    which.add_argument(
        "--llms",
        metavar="NAMES",
        help="LLMs that may answer every line, whatever it names, joined by commas; "
        "or any, for all LLMs of the fleet",
    )
    prompts.add_argument(
        "--shards",
        type=path,
        metavar="DIR",
        help="write one file for each placement into DIR, for `vllm run-batch`, with the longest "
        "lines first",
    )
    prompts.add_argument(
        "--overwrite",
        action="store_true",
        help="let --shards replace files of the same names",
    )
    prompts.add_argument(
        "--served-name",
        action="append",
        default=[],
        metavar="LLM:NAME",
        help="name that the server has for an LLM; may be repeated, once for each LLM",
    )


def merged(members: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Return the members of a body with what the options set in their place.

    Examples
    --------
    >>> options = argparse.Namespace(**{option.name: None for option in OPTIONS})
    >>> options.gap, options.fleet = 0.01, None
    >>> options.allow_mixed_provenance = options.report_unplaceable = False
    >>> merged({"requests": [], "solver": {"seed": 3}}, options)
    {'requests': [], 'solver': {'seed': 3, 'relative_gap': 0.01}}
    """
    body = dict(members)
    for option in OPTIONS:
        value = getattr(options, option.name)
        if value is not None:
            _, section, field = option.pointer.split("/")
            given = body.get(section, {})
            body[section] = {**given, field: value} if isinstance(given, dict) else given
    if options.fleet is not None:
        body.pop("fleet", None)
    if options.allow_mixed_provenance:
        body["allow_mixed_provenance"] = True
    if options.report_unplaceable:
        body["on_unplaceable"] = "report"
    return body

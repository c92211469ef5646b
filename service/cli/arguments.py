"""The arguments of the commands; light, because workers import the way to them too."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.cli.numbers import number, seconds, whole_number


class OptionError(ValueError):
    """Raised where what an option says cannot be used; the message names the option."""


@dataclass(frozen=True)
class Option:
    """An option that sets a member of the body of `POST /plan`."""

    flag: str
    pointer: str
    kind: Callable[[str], float]
    metavar: str
    text: str

    @property
    def name(self) -> str:
        """Its name among the parsed arguments."""
        return self.flag.removeprefix("--").replace("-", "_")


OPTIONS = (
    Option(
        "--deadline-seconds",
        "/constraints/deadline_seconds",
        seconds,
        "SECONDS",
        "all is done by then [s], e.g. 600 or 10m",
    ),
    Option(
        "--zeta", "/objective/zeta", number, "WEIGHT", "weight of energy against quality, 0 to 1"
    ),
    Option(
        "--min-mean-quality",
        "/constraints/min_mean_quality",
        number,
        "SCORE",
        "floor on the token-weighted mean score, 0 to 1",
    ),
    Option(
        "--time-limit", "/solver/time_limit_seconds", seconds, "SECONDS", "time for solving [s]"
    ),
    Option("--gap", "/solver/relative_gap", number, "RATIO", "stop at this relative gap, 0 to 1"),
    Option("--seed", "/solver/seed", whole_number, "N", "of every random choice"),
)


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `plan` to its parser."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a batch: .json (a body of /plan), .csv, .parquet, .jsonl (an OpenAI batch, or rows), "
        "or these with .gz; - reads standard input",
    )
    parser.add_argument(
        "--format",
        choices=("json", "csv", "parquet", "jsonl", "openai-batch"),
        help="kind of the file, where its name does not tell",
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME=THEIRS",
        help="our column and its name in a table; once for each, the columns that nobody names are "
        "left out",
    )
    parser.add_argument(
        "--fleet", type=Path, metavar="YAML", help="fleet file, instead of any other fleet"
    )
    for option in OPTIONS:
        parser.add_argument(option.flag, type=option.kind, metavar=option.metavar, help=option.text)
    parser.add_argument(
        "--allow-mixed-provenance",
        action="store_true",
        help="plan over cost models that were not measured alike, with a warning",
    )
    parser.add_argument(
        "--report-unplaceable",
        action="store_true",
        help="plan the others where some requests fit no placement",
    )
    _add_prompt_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the answer of /plan as JSON")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write that JSON to a file too")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def add_keys_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `keys` and their arguments to its parser."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add = verbs.add_parser(
        "add", allow_abbrev=False, help="make a key, print it once, keep its hash"
    )
    add.add_argument("name", metavar="NAME", help="letters, digits, _ and -; the log has it")
    for flag, kind, metavar, text in (
        (
            "--requests-per-second",
            number,
            "RATE",
            "calls that it may make; any where left out",
        ),
        (
            "--burst",
            whole_number,
            "N",
            "calls at once after a pause; one second's where left out",
        ),
        ("--max-concurrent", whole_number, "N", "calls in flight; any number where left out"),
        ("--scopes", str, "SCOPES", "of read, plan and policy, with commas; all where left out"),
        ("--owner", str, "NAME", "whose plans it makes and sees; its own where left out"),
        ("--expires-in-days", number, "DAYS", "until it is no key any more; never where left out"),
    ):
        add.add_argument(flag, type=kind, metavar=metavar, help=text)
    shown = verbs.add_parser("list", allow_abbrev=False, help="print names and limits")
    remove = verbs.add_parser("remove", allow_abbrev=False, help="make a key invalid")
    remove.add_argument("name", metavar="NAME")
    for verb in (add, shown, remove):
        verb.add_argument(
            "--file",
            type=Path,
            metavar="FILE",
            default=os.environ.get("JOULEPLAN_API_KEYS_FILE") or None,
            help="the key file; JOULEPLAN_API_KEYS_FILE where left out",
        )


def _add_prompt_arguments(parser: argparse.ArgumentParser) -> None:
    prompts = parser.add_argument_group("OpenAI batches")
    prompts.add_argument(
        "--characters-per-token",
        type=number,
        default=4.0,
        metavar="NUMBER",
        help="how input tokens are estimated from prompts (default 4)",
    )
    prompts.add_argument(
        "--output-tokens",
        type=whole_number,
        metavar="N",
        help="estimate for lines that state no limit of their output",
    )
    which = prompts.add_mutually_exclusive_group()
    which.add_argument(
        "--keep-llms",
        action="store_true",
        help="each request only on the LLM that its line names: the default",
    )
    which.add_argument(
        "--llms",
        metavar="NAMES",
        help="LLMs that may serve every line, joined by commas, whatever it names; any for any",
    )
    prompts.add_argument(
        "--shards",
        type=Path,
        metavar="DIR",
        help="write a file for each placement, for `vllm run-batch`, the longest lines first",
    )
    prompts.add_argument(
        "--overwrite", action="store_true", help="let shards replace files of their names"
    )
    prompts.add_argument(
        "--served-name",
        action="append",
        default=[],
        metavar="LLM:NAME",
        help="the name under which the server of an LLM knows it; once for each LLM",
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

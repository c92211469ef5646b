"""`jouleplan plan FILE`: read, plan, print.

read a file -> body of `/plan` -> `PlannerService.plan` in this process -> table or JSON
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from commandline.ending import BAD_INPUT, DONE, FAILED, refuse, say
from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.openai_batch import MAX_LISTED, OTHERS, STAYS, stays_below
from service.calls.batch_files.parquet_sizes import ParquetLimits
from service.calls.batch_files.reading import STANDARD_INPUT, read_batch
from service.calls.content import to_bytes
from service.calls.planner_service import PlannerService
from service.calls.schemas.batch_query import ANY, TokenRule
from service.calls.schemas.calls import SolverOptionsSpec
from service.calls.schemas.fields import MAX_SECONDS
from service.calls.schemas.names import read_llm
from service.calls.schemas.shards import Shard
from service.cli.arguments import OPTIONS, OptionError, merged
from service.cli.progress import shown_progress
from service.cli.shards import check_folder, describe_shards, served_names, write_shards
from service.cli.tables import print_plan
from service.cli.whole_files import written_whole
from service.environment import FLEET_FILE, embedded_models_dir
from service.problems import AlikeErrors, FieldError, Problem, ProblemError
from service.settings.settings import Settings
from service.wording import COMMAND
from service.workers.process import load_service

NO_PLAN = FAILED
NO_PLAN_PROBLEMS = frozenset({"infeasible", "confidence-unattained", "undecided", "unplaceable"})
_FLAGS = {option.pointer: option.flag for option in OPTIONS}


def plan_file(options: argparse.Namespace, settings: Settings) -> int:
    """Plan a file and print the plan.

    The settings limit a call, but for its time limit, which is the caller's own here. The
    status is 0 with a plan; 1 where there is none or none was found; 2 where the input is
    refused.
    """
    shards: list[Shard] = []
    try:
        names = served_names(options)
        check_folder(options)
        batch = read_batch(
            options.file,
            options.format,
            _token_rule(options),
            _renamed(options.column),
            ParquetLimits(rows=settings.max_requests),
        )
        body = _body(batch, options)
        service = _service(batch, options, settings)
        answer = _planned(service, body, batch, options)
        _save(answer, options.out)
        if options.shards is not None:
            shards = write_shards(orjson.loads(answer), batch, options.shards, names)
    except OptionError as error:
        return refuse(str(error))
    except BatchFileError as error:
        return refuse(f"{_shown(options.file)}: {error}")
    except ProblemError as error:
        status = NO_PLAN if error.problem.slug in NO_PLAN_PROBLEMS else BAD_INPUT
        return refuse("\n".join(_words(error.problem, batch, options)), status)
    fleet = _fleet_of(batch, options, settings)
    if options.json and not options.quiet:
        say(f"fleet: {fleet}")
    if options.json:
        sys.stdout.write(f"{answer.decode()}\n")
    else:
        print_plan(orjson.loads(answer), fleet)
    sys.stdout.flush()
    say(*describe_shards(shards, options.shards))
    return DONE


def _token_rule(options: argparse.Namespace) -> TokenRule:
    if not options.characters_per_token > 0.0:
        got = options.characters_per_token
        raise OptionError(f"Expected --characters-per-token above 0, got {got:g}.")
    return TokenRule(
        options.characters_per_token,
        options.output_tokens,
        _llms(options.llms),
        options.report_unplaceable,
    )


def _renamed(given: Sequence[str]) -> dict[str, str]:
    """Return their column for each of ours.

    Examples
    --------
    >>> _renamed(["input_tokens=prompt", "output_tokens=a=b"])
    {'input_tokens': 'prompt', 'output_tokens': 'a=b'}
    """
    pairs = [(ours, theirs) for ours, _, theirs in (text.partition("=") for text in given)]
    renamed = dict(pairs)
    if len(renamed) < len(pairs) or not all(ours and theirs for ours, theirs in pairs):
        got = ", ".join(given)
        raise OptionError(f"Expected --column NAME=THEIRS, once for each NAME, got {got}.")
    return renamed


def _llms(given: str | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = tuple(read_llm(name.strip()) for name in given.split(","))
    return () if names == (ANY,) else names


def _body(batch: BatchFile, options: argparse.Namespace) -> bytes:
    try:
        return orjson.dumps(merged(dict(batch.members), options))
    except orjson.JSONEncodeError as error:
        raise BatchFileError(f"Expected numbers, text and lists: {error}.") from None


def _service(batch: BatchFile, options: argparse.Namespace, settings: Settings) -> PlannerService:
    """Return what plans; an OptionError says which cost models or which fleet it lacks."""
    changes: dict[str, Any] = {"max_time_limit_seconds": MAX_SECONDS}
    if options.fleet is not None:
        changes["fleet"] = options.fleet
    service, description = load_service(settings.model_copy(update=changes))
    brings_fleet = options.fleet is None and batch.members.get("fleet") is not None
    if not description.cost_models:
        raise OptionError(description.missing[0])
    if options.fleet is not None and description.reasons:
        raise OptionError(f"--fleet: {' '.join(description.reasons)}")
    if not brings_fleet and service.fleet is None:
        words = " ".join(description.reasons or description.missing)
        raise OptionError(f"{words} Say --fleet for another.")
    return replace(service, spelling=COMMAND)


def _planned(
    service: PlannerService, body: bytes, batch: BatchFile, options: argparse.Namespace
) -> bytes:
    with shown_progress(_time_limit_s(batch, options), quiet=options.quiet) as on_progress:
        answer, _ = service.plan(
            body, on_progress, warnings=batch.warnings, set_aside=batch.set_aside
        )
    return to_bytes(answer)


def _time_limit_s(batch: BatchFile, options: argparse.Namespace) -> float:
    solver = merged({"solver": batch.members.get("solver", {})}, options)["solver"]
    try:
        return SolverOptionsSpec.model_validate(solver).time_limit_seconds
    except ValidationError:
        # The plan is refused for it, in words of its own.
        return SolverOptionsSpec().time_limit_seconds


def _save(answer: bytes, path: Path | None) -> None:
    if path is None:
        return
    try:
        with written_whole(path) as file:
            file.write(answer)
    except OSError as error:
        raise OptionError(f"--out: {path} cannot be written: {error.strerror}.") from None


def _fleet_of(batch: BatchFile, options: argparse.Namespace, settings: Settings) -> str:
    """Return the name of the fleet that was planned on."""
    if options.fleet is None and batch.members.get("fleet") is not None:
        return f"that of {_shown(options.file)}"
    path = options.fleet or settings.fleet_path
    is_example = path == embedded_models_dir() / FLEET_FILE
    return f"example, {path}: say --fleet for yours" if is_example else str(path)


def _shown(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else file


def _words(problem: Problem, batch: BatchFile, options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines that say what is wrong and what would mend it."""
    # What fits no placement is the request as a whole, whichever of its members is pointed to.
    place = batch.request if problem.slug == "unplaceable" else batch.place
    own_llms = batch.lines is not None and options.llms is None
    hinted = (_with_others(error) if own_llms else error for error in problem.errors)
    placed = (error.moved(place) for error in map(_by_option, hinted))
    errors = AlikeErrors(placed).errors() if problem.slug != "infeasible" else []
    listed = [f"{one.pointer}: {one.detail}".removeprefix(": ") for one in errors[:MAX_LISTED]]
    shown = sum(1 + one.alike for one in errors[:MAX_LISTED])
    count = shown + sum(1 + one.alike for one in errors[MAX_LISTED:]) + problem.omitted
    if problem.slug != "invalid-request" or not errors:
        yield f"{_shown(options.file)}: {problem.summary or problem.detail}"
    elif len(errors) + problem.omitted > 1:
        yield f"{_shown(options.file)}: {count:,} things to mend:"
    elif errors[0].pointer in _FLAGS.values():
        yield listed.pop()
    else:
        yield f"{_shown(options.file)}: {listed.pop()}"
    if options.llms is None and stays_below(problem, batch.members.get("columns") or {}):
        yield STAYS.format(COMMAND.any_llm).strip()
    yield from (f"  {line}" for line in listed)
    if errors and count > shown:
        yield f"  and {count - shown:,} more"
    for key, words in (
        ("relaxations", "Each of these alone would mend it:"),
        ("joint_relaxation", "None alone would mend it, all of these together would:"),
    ):
        moved = problem.extra.get(key) or ()
        if moved:
            yield words if len(moved) > 1 else "This would mend it:"
        for change in moved:
            yield f"  {_relaxed(change)}"


def _relaxed(change: dict[str, Any]) -> str:
    given, needed, minimum = change["given"], change["needed"], change["needed_lower_bound"]
    words = f"{change['constraint']}: {given:.15g} -> {needed:.15g}"
    return f"{words} (a plan was found there; proven: nothing tighter than {minimum:.15g} will do)"


def _with_others(error: FieldError) -> FieldError:
    """Return an error with what lets other LLMs serve lines, where the fleet has not theirs."""
    if not error.pointer.startswith("/columns/llms/"):
        return error
    return replace(error, detail=error.detail + OTHERS.format(COMMAND.any_llm))


def _by_option(error: FieldError) -> FieldError:
    """Return an error with the name of the option in the place of the member that it sets."""
    return replace(error, pointer=_FLAGS.get(error.pointer, error.pointer))

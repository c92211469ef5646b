"""`POST /plan` with an OpenAI batch file: read, plan, and split the lines into shards.

The reply is one body: the shards one after the other, then the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any
from uuid import uuid4

import numpy as np

from costmodel.arrays import IntArray
from costmodel.nearest import unknown_name
from planner.progress import OnProgress, Progress
from service.calls.answers import plan_chunks
from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.json_file import holds_rows, lines_table
from service.calls.batch_files.lines import Data
from service.calls.batch_files.openai_batch import (
    MEMBERS,
    OTHERS,
    STAYS,
    BadLinesError,
    OpenAiBatch,
    read_lines,
    stays_below,
)
from service.calls.batch_files.shards import ServedNames, draft_shards, name_warnings, write_shard
from service.calls.batch_files.table import batch_of
from service.calls.content import AnonymousFile, Content
from service.calls.fleet.placements import Candidates, candidate_list
from service.calls.messages import JSON, PlanTally
from service.calls.planner_service import PlannerService
from service.calls.reading import Call, read_document
from service.calls.schemas.answers import UnplaceableAnswer
from service.calls.schemas.batch_query import QUERY_POINTER, BatchQuery, query_pointer
from service.calls.schemas.calls import PlanRequest
from service.calls.schemas.shards import Shard, shard_answers
from service.problems import AlikeErrors, FieldError, Problem, ProblemError, invalid, pointer
from service.wording import QUERY


def plan_batch_file(
    service: PlannerService,
    body: Content,
    query: BatchQuery,
    on_progress: OnProgress,
    plan_id: str = "",
    *,
    base: str = "",
    accept: str = JSON,
) -> tuple[AnonymousFile, tuple[Shard, ...], PlanTally]:
    """Return the shards and the answer in one file, the shards' descriptions, and the plan's sums.

    `base` is what stands before `/plans` in the paths of shards; other arguments are those of
    `PlannerService.plan`. A ProblemError is raised when the file is refused or there is no
    plan; its pointers are ``/lines/<number>/...``, the number from 1, and
    ``/query/<parameter>``.
    """
    started = perf_counter()
    service = replace(service, spelling=QUERY)
    on_progress(Progress("reading", None, None, None, 0.0))
    plan_id = plan_id or str(uuid4())
    _check_names(query, service.fleet)
    data = body if isinstance(body, bytes) else body.mapped()
    if holds_rows(data, {}):
        return _plan_rows(service, data, query, on_progress, (plan_id, accept, started))
    batch = _read(data, query)
    try:
        call = _call(batch.columns, len(batch.lines), query).without(batch.set_aside)
        solved = service.solve(call, on_progress, plan_id, started)
    except ProblemError as error:
        raise _relocated(error.problem, batch, query) from None
    write_started = perf_counter()
    problem, n = solved.ready.problem, len(batch.lines)
    drafts = draft_shards(
        candidate_list(problem.pools, problem.placements),
        _kept(solved.ready.unplaceable, n),
        solved.plan.placement,
        solved.plan.runtime_s,
        n,
    )
    file = AnonymousFile.create()
    names = ServedNames(batch.lines, query.served_names())
    shards = tuple(write_shard(draft, batch.lines, names, file.write) for draft in drafts)
    warnings = [*batch.warnings, *name_warnings(shards)]
    for chunk in plan_chunks(
        solved, accept, warnings, shard_answers(shards, f"{base}/plans/{plan_id}")
    ):
        file.write(chunk)
    return file, shards, solved.tally(perf_counter() - write_started)


def _check_names(query: BatchQuery, fleet: Candidates | None) -> None:
    """Refuse names in the query that the fleet does not have."""
    if fleet is None:
        return
    errors = []
    asked: list[tuple[str, Sequence[str], Sequence[str]]] = [
        ("llms", query.rule().llms or (), fleet.llms),
        ("pools", query.pools or (), fleet.pool_names),
        ("served_name", tuple(query.served_names()), fleet.llms),
    ]
    for name, given, known in asked:
        errors += [
            FieldError(pointer(QUERY_POINTER, name), unknown_name(g, known, "names of the fleet"))
            for g in dict.fromkeys(given)
            if g not in known
        ]
    if errors:
        raise invalid(errors)


def _plan_rows(
    service: PlannerService,
    data: Data,
    query: BatchQuery,
    on_progress: OnProgress,
    named: tuple[str, str, float],
) -> tuple[AnonymousFile, tuple[Shard, ...], PlanTally]:
    """Return the plan of a file of plain rows: there are no lines for servers, and no shards."""
    plan_id, accept, started = named
    try:
        batch = batch_of(lines_table(data), {}, QUERY)
    except BatchFileError as error:
        raise invalid([FieldError("", str(error))]) from None
    columns = batch.members["columns"]
    n = len(columns["input_tokens"])
    chosen = query.rule().llms
    if chosen is not None:
        columns = {**columns, "llms": [list(chosen) or None] * n}
    try:
        solved = service.solve(_call(columns, n, query), on_progress, plan_id, started)
    except ProblemError as refused:
        moved = AlikeErrors(
            error.moved(lambda where: _place_of_row(where, batch))
            for error in refused.problem.errors
        )
        raise _with_errors(refused.problem, moved) from None
    write_started = perf_counter()
    file = AnonymousFile.create()
    for chunk in plan_chunks(solved, accept, batch.warnings, []):
        file.write(chunk)
    return file, (), solved.tally(perf_counter() - write_started)


def _read(data: Data, query: BatchQuery) -> OpenAiBatch:
    try:
        return read_lines(data, query.rule())
    except BadLinesError as error:
        raise error.complaints.refusal() from None


def _call(given: Mapping[str, Any], n: int, query: BatchQuery) -> Call[PlanRequest]:
    columns: dict[str, Any] = dict(given)
    if query.min_quality is not None:
        columns["min_quality"] = [query.min_quality] * n
    if query.pools is not None:
        columns["pools"] = [query.pools] * n
    call = read_document({**query.members(), "columns": columns}, PlanRequest)
    if call is None:  # pragma: no cover  what the reader makes the schema takes or complains of
        raise ProblemError(Problem("invalid-request", "The lines cannot be planned."))
    return call


def _kept(unplaceable: Sequence[UnplaceableAnswer], n: int) -> IntArray:
    kept = np.ones(n, dtype=bool)
    kept[[listed["index"] for listed in unplaceable]] = False
    return np.flatnonzero(kept)


def _relocated(problem: Problem, batch: OpenAiBatch, query: BatchQuery) -> ProblemError:
    """Return a problem of columns as one of lines and parameters."""
    moved = AlikeErrors()
    for error in problem.errors:
        placed = error.moved(lambda where: _place(where, batch, query))
        hint = OTHERS.format(QUERY.any_llm) if placed.pointer.endswith("/body/model") else ""
        moved.add(replace(placed, detail=placed.detail + hint))
    if query.llms is None and stays_below(problem, batch.columns):
        problem = replace(problem, detail=problem.detail + STAYS.format(QUERY.any_llm))
    return _with_errors(problem, moved)


def _place_of_row(where: str, batch: BatchFile) -> str:
    """Return where in a file of rows, or else in the query, a pointer of columns leads."""
    found = batch.pointer(where)
    return query_pointer(where) if found == where else found


def _with_errors(problem: Problem, moved: AlikeErrors) -> ProblemError:
    if problem.slug == "invalid-request" and moved:
        return invalid(moved.errors(), problem.omitted)
    return ProblemError(replace(problem, errors=moved.errors()))


def _place(where: str, batch: OpenAiBatch, query: BatchQuery) -> str:
    parts = where.split("/")
    in_query = query_pointer(where)
    own_llms = parts[1:3] == ["columns", "llms"] and query.llms is None
    if in_query and not own_llms and parts[1:3] != ["columns", "output_tokens"]:
        return in_query
    if parts[1:2] != ["columns"] or len(parts) < 4:
        return ""
    number = batch.lines.numbers[int(parts[3])]
    return pointer("lines", number, *MEMBERS.get(parts[2], ()))

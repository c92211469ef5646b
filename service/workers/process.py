"""A worker: loads the cost models once, then answers one call after the other.

It runs in a process of its own, so that a crash of the solver, or a call that takes too long, costs
that call and nothing else. It ends when its pipe is closed, and at once, whatever it does, when the
process that started it is gone.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from threading import Thread
from time import perf_counter
from uuid import uuid4

from costmodel.catalogue import Catalogue
from planner.interruption import uninterrupted
from planner.progress import OnProgress
from service.calls.content import to_bytes
from service.calls.file_call import plan_batch_file
from service.calls.fleet.description import describe
from service.calls.fleet.loading import Loaded, load_files
from service.calls.frontier_call import trace_front
from service.calls.heap import release_memory, share_one_heap
from service.calls.messages import (
    BEGUN,
    JSON,
    Description,
    Job,
    OnUpdate,
    PlanTally,
    Reply,
    Update,
    ignore_update,
)
from service.calls.planner_service import CallLimits, PlannerService
from service.calls.schemas.batch_query import BatchQuery
from service.environment import limit_memory
from service.problems import Problem, ProblemError
from service.settings.settings import Settings
from service.telemetry.logs import configure_logging
from service.workers.pipe import Message, receive, send
from service.workers.progress_updates import ProgressUpdates

logger = logging.getLogger("service.worker")

NEEDED_LATER = ("service.calls.arrow.call", "service.calls.arrow.answer")
"""Modules that take long to import and that few calls need."""

STUCK_S = 10.0
"""Seconds beyond the limit of a call, after which its worker is taken to be stuck."""


def run_worker(connection: Connection, settings: Settings) -> None:
    """Load as the first message says, describe that, then answer calls until the pipe is closed."""
    share_one_heap()
    Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    configure_logging(settings.log_level)
    try:
        first = receive(connection)
    except (EOFError, OSError):
        logger.debug("The pipe is closed before the worker has begun.")
        return
    service, description = _load(settings, first)
    warm_up()
    os.nice(settings.worker_niceness)
    limit_memory(settings.memory_bytes)
    gc.collect()
    gc.freeze()
    try:
        connection.send(description)
        while True:
            job = receive(connection)
            if isinstance(job, Job) and job.kind in {"reload", "adopt"}:
                send(connection, BEGUN)
                service, description = _load(settings, job)
                send(connection, Reply(200, b"", JSON, "reloaded", description=description))
            elif isinstance(job, Job) and job.kind == "ping":
                send(connection, Reply(200, b"", JSON, "alive"))
            elif isinstance(job, Job):
                send(connection, BEGUN)
                on_update = update_sender(connection) if job.wants_updates else ignore_update
                send(connection, answer(service, job, on_update))
                del job
                # Without this a run's arrays lie beside those of the next one.
                release_memory()
    except (EOFError, OSError):
        logger.debug("The pipe is closed: the worker ends.")


def warm_up() -> None:
    """Import what a call may be the first to need, before others know that the worker is ready.

    Left to the first call of the kind, it would be a large part of the time that one has.
    """
    for name in NEEDED_LATER:
        import_module(name)


def _load(settings: Settings, job: Message) -> tuple[PlannerService, Description]:
    """Return the service over what the files hold, or over what another worker has loaded.

    Whatever is in the files, the worker goes on: with what was loaded before, if anything was.
    """
    content = to_bytes(job.body) if isinstance(job, Job) else b""
    known = Loaded.unpacked(content) if content else Loaded(Catalogue({}))
    try:
        adopts = content and isinstance(job, Job) and job.kind == "adopt"
        loaded = known if adopts else load_files(settings, known)
        service, description = load_service(settings, loaded)
    except Exception:
        logger.exception("Loading cost models and fleet failed as it never should.")
        service, description = load_service(settings, known.after_a_fault(settings))
    return replace(service, guard=ending_when_stuck), description


@contextmanager
def ending_when_stuck(limit_s: float, stuck_s: float = STUCK_S) -> Iterator[None]:
    """End this process where what is within is far beyond the limit of its time.

    Where each thread was stuck is written to standard error. Other than what cuts a plan at its
    limit, this also ends code in C that never returns.
    """
    faulthandler.dump_traceback_later(1.1 * limit_s + stuck_s, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _end_with_parent() -> None:
    """End this process when its parent has ended: nobody is left who could want the reply."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)


def update_sender(connection: Connection) -> OnUpdate:
    """Return a callback that sends updates through a pipe, each whole whatever its call's limit."""

    def send_update(update: Update) -> None:
        try:
            with uninterrupted():
                connection.send(update)
        except OSError:
            raise SystemExit(0) from None

    return send_update


def load_service(
    settings: Settings, loaded: Loaded | None = None
) -> tuple[PlannerService, Description]:
    """Return the service over what is loaded, else over what `settings` names, and what that is."""
    loaded = loaded or load_files(settings)
    fleet = loaded.candidates
    limits = CallLimits(
        max_requests=settings.max_requests,
        max_pairs=settings.max_pairs,
        max_predictions=settings.max_predictions,
        max_time_limit_s=settings.max_time_limit_seconds,
    )
    return PlannerService(loaded.catalogue, fleet, limits), describe(loaded, fleet, settings)


def answer(service: PlannerService, job: Job, on_update: OnUpdate = ignore_update) -> Reply:
    """Return the reply to a call, publishing updates; never raises for what is in the body."""
    try:
        if job.kind == "predict":
            body = service.predict(job.body, media_type=job.media_type, accept=job.accept)
            return Reply(200, body, job.accept, "predicted")
        if job.kind == "frontier":
            return Reply(200, b"", JSON, trace_front(service, job.body, on_update, job.media_type))
        return _planned(service, job, ProgressUpdates(on_update))
    except ProblemError as error:
        problem = error.problem
    except MemoryError:
        problem = Problem("too-large", "The call needs more memory than the worker has.")
    except Exception:
        logger.exception("A call failed.", extra={"request_id": job.request_id, "path": job.path})
        problem = Problem("internal", "The call failed in a way that is not the caller's fault.")
    return Reply.of_problem(problem, job.path)


def _planned(service: PlannerService, job: Job, on_progress: OnProgress) -> Reply:
    if job.query is not None:
        return _planned_file(service, job, job.query, on_progress)
    started = perf_counter()
    body, tally = service.plan(
        job.body,
        on_progress,
        job.plan_id,
        media_type=job.media_type,
        accept=job.accept,
        may_publish=job.may_publish,
    )
    return Reply(200, body, job.accept, tally.status, _timed(tally, started), tally)


def _planned_file(
    service: PlannerService, job: Job, query: BatchQuery, on_progress: OnProgress
) -> Reply:
    started, plan_id = perf_counter(), job.plan_id or str(uuid4())
    base = job.path.rpartition("/plan")[0]
    body, shards, tally = plan_batch_file(
        service, job.body, query, on_progress, plan_id, base=base, accept=job.accept
    )
    headers = _timed(tally, started)
    return Reply(
        200, body, job.accept, tally.status, headers, tally, plan_id=plan_id, shards=shards
    )


def _timed(tally: PlanTally, started: float) -> dict[str, str]:
    timings_s = {**tally.timings_s, "total": perf_counter() - started}
    timing = ", ".join(f"{name};dur={1e3 * value:.1f}" for name, value in timings_s.items())
    return {"Server-Timing": timing}

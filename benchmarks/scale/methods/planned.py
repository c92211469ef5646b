"""The plan of this project, in process: from the bytes of a body to the bytes of an answer."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter, process_time

import numpy as np
import orjson

from benchmarks.scale.outcome import MethodRun
from costmodel.catalogue import Catalogue
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.progress import OnProgress, ignore_progress
from planner.result import Plan, SolverOptions
from service.calls.content import to_bytes
from service.calls.planner_service import CallLimits, PlannerService
from service.environment import embedded_models_dir

UNLIMITED = 10**12
MAX_SECONDS = 3600.0


class Stopwatch:
    """A planner that remembers when it was called and when it was done."""

    def __init__(self) -> None:
        self.began = self.ended = self.cpu_s = 0.0

    def __call__(
        self, problem: PlacementProblem, options: SolverOptions, watch: OnProgress = ignore_progress
    ) -> Plan:
        """Plan as the service does."""
        self.began, began_cpu_s = perf_counter(), process_time()
        try:
            return plan(problem, options, watch)
        finally:
            self.ended, self.cpu_s = perf_counter(), process_time() - began_cpu_s


def planned(body: bytes) -> MethodRun:
    """Answer a body as a worker of the service does."""
    watch = Stopwatch()
    limits = CallLimits(UNLIMITED, UNLIMITED, UNLIMITED, MAX_SECONDS)
    service = PlannerService(Catalogue.load(embedded_models_dir()), None, limits, watch)
    started = perf_counter()
    answer, _ = service.plan(body)
    ended = perf_counter()
    outcome = read_answer(to_bytes(answer))
    predict_s = outcome.seconds["predict"]
    seconds = {
        "parse": watch.began - started - predict_s,
        "predict": predict_s,
        "solve": watch.ended - watch.began,
        "write": ended - watch.ended,
        "solve CPU": watch.cpu_s,
        "total": ended - started,
    }
    return replace(outcome, seconds=seconds)


def read_answer(answer: bytes) -> MethodRun:
    """Return what an answer of `/plan` says, its schedule with it."""
    document = orjson.loads(answer)
    normalisers = dict(document["normalisers"])
    normalisers.pop("quality")
    (scale,) = [value for value in normalisers.values() if value is not None]
    if "columns" in document:
        columns = document["columns"]
        placement, device = columns["placement"], columns["device_index"]
    else:
        rows = document["assignments"]
        placement = [row["placement"] for row in rows]
        device = [row["device_index"] for row in rows]
    cut = ", cut by the clock" if document["cut_by_clock"] else ""
    return MethodRun(
        document["timings_seconds"],
        document["objective"] * scale,
        document["lower_bound"] * scale,
        document["gap"],
        document["status"] + cut,
        placement=np.array(placement, dtype=np.int64),
        device=np.array(device, dtype=np.int64),
    )

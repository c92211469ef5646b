"""What travels between the process that speaks HTTP and a worker; small, and cheap to import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import orjson

from service.calls.content import Content
from service.calls.placement_row import PlacementRow
from service.calls.schemas.shards import JSONL, Shard
from service.problems import MAX_FIELD_ERRORS, MEDIA_TYPE, PROBLEM_TYPES, TYPE_PREFIX, Problem

if TYPE_CHECKING:
    from service.calls.schemas.batch_query import BatchQuery
    from service.calls.schemas.information import ProblemAnswer, RefusedArtefact

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"
BATCH_FILES = (JSONL, NDJSON)
"""Types of a body that is an OpenAI batch file."""
EVENT_STREAM = "text/event-stream"
PROGRESS = "progress"
COST_MODELS = "cost_models"
FLEET = "fleet"
RELOADED = (COST_MODELS, FLEET)
"""What a worker loads, each of which may fail by itself."""


@dataclass(frozen=True)
class Job:
    """One call for a worker.

    A large body is a file. `path` is the `instance` of a problem, `request_id` names the call
    in logs, and `plan_id` the plan, a random one where empty. `wants_updates` is set by the
    pool where somebody listens. `memory_bytes` is what the call is estimated to take of a
    worker's memory. `query` is asked of the plan of a batch file, None of another body.
    `may_publish` is whether the caller may make the plan the policy of decisions, and `owner`
    the owner of the caller's key, None without keys.
    """

    kind: Literal["plan", "predict", "frontier", "reload", "adopt", "ping"]
    body: Content
    path: str
    request_id: str = ""
    plan_id: str = ""
    wants_updates: bool = False
    media_type: str = JSON
    accept: str = JSON
    memory_bytes: int = 0
    query: BatchQuery | None = None
    may_publish: bool = True
    owner: str | None = None


@dataclass(frozen=True)
class Update:
    """A message that a worker sends while it works on a call, before the reply.

    `kind` says what the body holds: ``progress``, or what the two ends of the pipe agreed on.
    The body can be passed on as it is.
    """

    kind: str
    body: bytes


BEGUN = Update("begun", b"")
"""The first update of a call: from then on the call is lost with its worker."""

OnUpdate = Callable[[Update], None]
"""Takes the updates of a call, in order."""


def ignore_update(_: Update) -> None:
    """Do nothing with an update."""


@dataclass(frozen=True)
class PlacementTally:
    """Sums over the requests of one placement."""

    llm: str
    pool: str
    device: str
    requests: int
    energy_j: float
    runtime_s: float
    extrapolated: int


@dataclass(frozen=True)
class PublishedPrices:
    """Prices of a plan that asked to be published; see `service.decisions.policy.Policy`."""

    plan_id: str
    joules_per_device_second: Mapping[str, float]
    joules_per_quality_token: float
    min_mean_quality: float | None


@dataclass(frozen=True)
class PlanTally:
    """Sums over one plan, for the metrics.

    `gap` is nan where it means nothing. `saved_j` has for each feasible baseline its joules
    less the plan's [J], never below 0; `timings_s` the seconds of each part of the call;
    `published` the prices for single decisions, where the call asked for them.
    """

    status: str
    gap: float
    solve_s: float
    placements: tuple[PlacementTally, ...] = ()
    saved_j: Mapping[str, float] = field(default_factory=dict)
    timings_s: Mapping[str, float] = field(default_factory=dict)
    published: PublishedPrices | None = None


def problem_body(problem: Problem, instance: str) -> bytes:
    """Return the JSON body of a problem of the call to the path `instance`."""
    status, title = PROBLEM_TYPES[problem.slug]
    answer: ProblemAnswer = {
        "type": TYPE_PREFIX + problem.slug,
        "title": title,
        "status": status,
        "detail": problem.detail,
        "instance": instance,
        "errors": [
            {"pointer": e.pointer, "detail": e.detail} for e in problem.errors[:MAX_FIELD_ERRORS]
        ],
    }
    omitted = problem.omitted + max(0, len(problem.errors) - MAX_FIELD_ERRORS)
    more = {"errors_omitted": omitted} if omitted else {}
    return orjson.dumps({**answer, **problem.extra, **more}, option=orjson.OPT_NON_STR_KEYS)


@dataclass(frozen=True)
class Reply:
    """The answer to a call, ready to be sent.

    A large body is a file; of a batch file it holds the shards one after the other, before the
    answer. `outcome` is ``optimal``, ``feasible``, ``predicted`` or the slug of a problem.
    `tally` is what is to be counted of a plan, and `description` what is loaded after a reload.
    """

    status: int
    body: Content
    media_type: str
    outcome: str
    headers: Mapping[str, str] = field(default_factory=dict)
    tally: PlanTally | None = None
    description: Description | None = None
    plan_id: str = ""
    shards: tuple[Shard, ...] = ()

    @classmethod
    def of_problem(cls, problem: Problem, path: str) -> Reply:
        """Return the reply that answers the call to `path` with a problem."""
        return cls(
            status=problem.status,
            body=problem_body(problem, path),
            media_type=MEDIA_TYPE,
            outcome=problem.slug,
            headers=problem.all_headers(),
        )


@dataclass(frozen=True)
class CostModelLabels:
    """One loaded cost model, as the metrics name it."""

    llm: str
    device: str
    basis: str
    source: str


@dataclass(frozen=True)
class Description:
    """What a worker has loaded, with the answers of `GET /placements` and `GET /cost-models`.

    `reasons` say why it cannot plan, `notes` what does not keep it from planning, `missing` which
    settings name cost models or a fleet that are not there, and
    `failures`, by `RELOADED`, what of the files cannot be used, so that what was loaded before
    stays. `loaded` is all of it, for other workers to adopt, and `files_seen` how the files
    looked before they were read. Names, pairs of an LLM and a pool that it may run on, and rows
    are those of the configured fleet.
    """

    placements_body: bytes
    cost_models_body: bytes
    cost_models: tuple[CostModelLabels, ...] = ()
    refused: tuple[RefusedArtefact, ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    loaded: bytes = b""
    files_seen: str = ""
    placement_count: int = 0
    llms: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    llm_pools: frozenset[tuple[str, str]] = frozenset()
    rows: tuple[PlacementRow, ...] = ()

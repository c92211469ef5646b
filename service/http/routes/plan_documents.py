"""How the state of an asynchronous plan is written: as JSON, and as server-sent events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import orjson

from service.calls.schemas.information import ProblemAnswer
from service.calls.schemas.plans import PlansAnswer, PlanStatusAnswer
from service.plans.records import PlanRecord
from service.plans.run import Event

HEARTBEAT = b": still here\n\n"


def status_document(record: PlanRecord, base: str) -> PlanStatusAnswer:
    """Return the state of a plan.

    Parameters
    ----------
    record
        Of the plan.
    base
        What stands before `/plans` in the path of the call.
    """
    progress, path = record.progress, f"{base}/plans/{record.plan_id}"
    return {
        "plan_id": record.plan_id,
        "status": record.status,
        "phase": progress.phase if record.status == "running" else None,
        "incumbent": progress.incumbent,
        "lower_bound": progress.lower_bound,
        "gap": progress.gap,
        "elapsed_seconds": record.elapsed_s,
        "created_at": datetime.fromtimestamp(record.created_at, UTC).isoformat(
            timespec="milliseconds"
        ),
        "links": {
            "self": path,
            "events": f"{path}/events",
            "result": f"{path}/result" if record.head is not None else None,
            "shards": f"{path}/shards" if record.head and record.head.shards else None,
        },
        "problem": None
        if record.problem is None
        else cast(ProblemAnswer, orjson.Fragment(record.problem)),
    }


def status_body(record: PlanRecord, base: str) -> bytes:
    """Return the state of a plan as JSON."""
    return orjson.dumps(status_document(record, base))


def list_body(
    records: Sequence[PlanRecord], base: str, limit: int, *, survives_restart: bool
) -> bytes:
    """Return a page of plans as JSON, with the path of the next one where this one is full."""
    following = None
    if len(records) == limit:
        following = f"{base}/plans?limit={limit}&before={records[-1].number}"
    answer: PlansAnswer = {
        "plans": [status_document(record, base) for record in records],
        "next": following,
        "survives_restart": survives_restart,
    }
    return orjson.dumps(answer)


def event_bytes(event: Event | None, base: str) -> bytes:
    """Return an event as it is sent; a comment where there is none."""
    if event is None:
        return HEARTBEAT
    data = status_body(event.record, base)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.name.encode(), data)

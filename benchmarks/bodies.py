"""Bodies of a call in each form that the service takes, of as many requests as wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from benchmarks.workloads import chat_workload
from costmodel.workload import Workload
from service.calls.fleet.file import read_fleet_file
from service.environment import FLEET_FILE, embedded_models_dir

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"

DRAWN = 20_000
"""Requests drawn from the example's distributions, then repeated: drawing is not what is timed."""

Columns = Mapping[str, Any]
Terms = Mapping[str, Any]


@dataclass(frozen=True)
class Form:
    """A form of body and the type of answer that is asked for."""

    given: str
    wanted: str
    media_type: str
    accept: str
    write: Callable[[Columns, Terms], bytes]

    def body(self, requests: int, fleet: Terms, time_limit_s: float) -> bytes:
        """Return the body of a call: shares of two LLMs, on a fleet."""
        drawn = workload_of(requests)
        columns = {
            "id": [f"request-{index}" for index in range(requests)],
            "input_tokens": drawn.input_tokens,
            "output_tokens": drawn.output_tokens,
        }
        first, *_, last = (pool["llms"][0] for pool in fleet["pools"])
        terms = {
            "fleet": fleet,
            "constraints": {"shares": {first: {"max": 0.5}, last: {"min": 0.05}}},
            "solver": {"time_limit_seconds": time_limit_s},
        }
        return self.write(columns, terms)


def workload_of(requests: int) -> Workload:
    """Return as many requests as wanted, drawn and repeated."""
    drawn = chat_workload(min(DRAWN, requests), seed=1)
    repeats = -(-requests // len(drawn))
    return Workload(
        drawn.input_tokens.repeat(repeats)[:requests],
        drawn.output_tokens.repeat(repeats)[:requests],
    )


def fleet_document(placements: int) -> dict[str, Any]:
    """Return the first pools of the default fleet, each with its middle concurrency only."""
    spec = read_fleet_file(embedded_models_dir() / FLEET_FILE).fleet
    fleet = spec.model_dump(mode="json", exclude={"sources"})
    fleet["pools"] = fleet["pools"][:placements]
    for pool in fleet["pools"]:
        pool["concurrency"] = pool["concurrency"][1:2]
        pool["count"] *= 50
    named = {llm for pool in fleet["pools"] for llm in pool["llms"]}
    for facts in ("quality", "max_context_tokens"):
        fleet[facts] = {llm: value for llm, value in fleet[facts].items() if llm in named}
    return fleet


def _as_columns(columns: Columns, terms: Terms) -> bytes:
    return orjson.dumps({"columns": dict(columns), **terms}, option=orjson.OPT_SERIALIZE_NUMPY)


def _as_unnamed_columns(columns: Columns, terms: Terms) -> bytes:
    return _as_columns({k: v for k, v in columns.items() if k != "id"}, terms)


def _as_rows(columns: Columns, terms: Terms) -> bytes:
    lists = [v if isinstance(v, list) else v.tolist() for v in columns.values()]
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]
    return orjson.dumps({"requests": rows, **terms})


def _as_arrow(columns: Columns, terms: Terms) -> bytes:
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    table = table.replace_schema_metadata({"jouleplan": orjson.dumps(dict(terms))})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


FORMS = (
    Form("columns", "JSON", JSON, JSON, _as_columns),
    Form("columns without ids", "JSON", JSON, JSON, _as_unnamed_columns),
    Form("rows", "JSON", JSON, JSON, _as_rows),
    Form("Arrow", "JSON", ARROW, JSON, _as_arrow),
    Form("Arrow", "Arrow", ARROW, ARROW, _as_arrow),
)

"""A random call, and the ways to write it: rows, columns, an Arrow stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import pyarrow as pa

from benchmarks.fuzz.catalogue import Json

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"

SHARE_BEYOND, SECONDS_BEYOND = 0.1, 0.5
"""By how much an answer may exceed the time limit of its call."""

Form = Literal["rows", "columns", "arrow"]
FORMS: tuple[Form, ...] = ("rows", "rows", "columns", "columns", "arrow")


@dataclass(frozen=True)
class FuzzCase:
    """What is asked, however it is written.

    Attributes
    ----------
    fleet
        The fleet as a body has it.
    rows
        The requests as rows.
    terms
        All other members of a body.
    form
        How the body is written.
    wanted
        The media type of the answer.
    """

    fleet: Json
    rows: list[Json]
    terms: Json
    form: Form = "rows"
    wanted: str = JSON

    @property
    def constraints(self) -> Json:
        """The limits, empty where there are none."""
        found: Json = self.terms.get("constraints", {})
        return found

    @property
    def media_type(self) -> str:
        """Media type of the body."""
        return ARROW if self.form == "arrow" else JSON

    @property
    def allowed_s(self) -> float:
        """Seconds within which it is to be answered."""
        limit = self.terms["solver"]["time_limit_seconds"]
        return float(limit * (1.0 + SHARE_BEYOND) + SECONDS_BEYOND)

    def body(self) -> bytes:
        """Write the body of the call."""
        if self.form == "rows":
            return _text({"requests": self.rows, "fleet": self.fleet, **self.terms})
        columns = columns_of(self.rows)
        terms = {"fleet": self.fleet, **self.terms}
        if self.form == "columns":
            return _text({"columns": columns, **terms})
        return _stream(columns, terms)


def draw_form(rng: Random, rows: list[Json]) -> tuple[Form, str]:
    """Return how to write a body, and the type of answer to ask for."""
    form = rng.choice(FORMS)
    estimates = {_estimate(row["output_tokens"]) for row in rows}
    if form == "arrow" and len(estimates) > 1:
        form = "columns"
    return form, rng.choice([JSON, JSON, JSON, ARROW])


def columns_of(rows: list[Json]) -> Json:
    """Return rows as columns; what some of them leave out is null, or the index as an id."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    found = {name: [row.get(name) for row in rows] for name in names}
    estimates = {_estimate(row["output_tokens"]) for row in rows}
    if len(estimates) == 1 and estimates != {()}:
        keys = estimates.pop()
        by_quantile = {key: [row["output_tokens"][key] for row in rows] for key in keys}
        return {**found, "output_tokens": by_quantile}
    return found


def _estimate(tokens: object) -> tuple[str, ...]:
    return tuple(sorted(tokens)) if isinstance(tokens, Mapping) else ()


def _text(body: Json) -> bytes:
    return json.dumps(body, allow_nan=False).encode()


def _stream(columns: Json, terms: Json) -> bytes:
    arrays = {}
    for name, values in columns.items():
        if isinstance(values, dict):
            arrays[name] = pa.array(
                [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
            )
        else:
            arrays[name] = pa.array(values, type=TYPES.get(name))
    table = pa.table(arrays).replace_schema_metadata({"jouleplan": json.dumps(terms)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


TYPES = {
    "id": pa.string(),
    "llms": pa.list_(pa.string()),
    "pools": pa.list_(pa.string()),
    "min_quality": pa.float64(),
    "deadline_seconds": pa.float64(),
    "pinned": pa.struct(
        {
            "llm": pa.string(),
            "pool": pa.string(),
            "concurrency": pa.int64(),
            "device_index": pa.int64(),
        }
    ),
}
"""Arrow types of columns, which may hold nothing but nulls."""


def read_answer(body: bytes, media_type: str) -> Json:
    """Return an answer of `/plan` with its assignments as rows, whatever form it came in.

    Raises
    ------
    ValueError
        If it is not JSON, or holds what JSON does not have.
    """
    if media_type.startswith(ARROW):
        table = pa.ipc.open_stream(body).read_all()
        table.validate(full=True)
        answer = strict(table.schema.metadata[b"jouleplan"])
        answer["columns"] = {name: table[name].to_pylist() for name in table.column_names}
    else:
        answer = strict(body)
    if "columns" in answer:
        columns = answer["columns"]
        names = list(columns)
        rows = zip(*columns.values(), strict=True)
        answer["assignments"] = [dict(zip(names, row, strict=True)) for row in rows]
    return answer


def strict(text: bytes) -> Json:
    """Parse JSON; NaN, infinity and keys that repeat are refused."""

    def once(pairs: list[tuple[str, Any]]) -> Json:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError(f"Expected each key once, got {[key for key, _ in pairs]}.")
        return found

    def refuse(name: str) -> float:
        raise ValueError(f"Expected a number, got {name}.")

    document: Json = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    return document

"""Cost models to plain data and back.

An artefact is a dict with a ``schema`` number. It names no class, so that every program which knows
the schema can read it and none has to carry ours. Readers of older schemas bring their dicts up to
the current one.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import numpy as np

from costmodel.bases import BASES
from costmodel.cost_model import CostModel
from costmodel.errors import (
    InvalidCostModelError,
    MalformedArtefactError,
    NameRefusedError,
    UnsupportedSchemaError,
)
from costmodel.intervals import ConformalInterval
from costmodel.kinds import kind_of
from costmodel.plain_data import to_plain
from costmodel.provenance import Provenance
from costmodel.record import Record
from costmodel.region import ProfiledRegion

SCHEMA = 1


def to_artefact(cost_model: CostModel) -> dict[str, Any]:
    """Return a cost model as plain data of the current schema.

    Raises
    ------
    MalformedArtefactError
        If its errors, mixed lengths or provenance hold something other than plain finite data.
    """
    artefact: dict[str, Any] = to_plain(
        {
            "schema": SCHEMA,
            "llm": cost_model.llm,
            "device": cost_model.device,
            "num_gpus": cost_model.num_gpus,
            "basis": cost_model.basis,
            "terms": BASES[cost_model.basis].terms,
            "energy_coefficients": cost_model.energy_coefficients,
            "device_seconds_coefficients": cost_model.device_seconds_coefficients,
            "profiled_points": _points_out(cost_model.region),
            "energy_interval": _interval_out(cost_model.energy_interval),
            "device_seconds_interval": _interval_out(cost_model.device_seconds_interval),
            "load_s": cost_model.load_s,
            "load_energy_j": cost_model.load_energy_j,
            "idle_watts": cost_model.idle_watts,
            "max_context_tokens": cost_model.max_context_tokens,
            "mixed_lengths": cost_model.mixed_lengths,
            "provenance": asdict(cost_model.provenance),
            "errors": cost_model.errors,
        }
    )
    return artefact


def from_artefact(artefact: object) -> CostModel:
    """Return the cost model of an artefact of any schema that has a reader.

    Raises
    ------
    UnsupportedSchemaError
        If the schema is newer than this release, or unknown.
    MalformedArtefactError
        If a field is missing, unknown, of the wrong type or out of range.
    """
    if not isinstance(artefact, dict):
        msg = f"Expected an artefact as an object, got {kind_of(artefact)}."
        raise MalformedArtefactError(msg)
    schema = artefact.get("schema")
    if type(schema) is not int:
        msg = f"Expected a schema number, got {schema!r:.40}."
        raise MalformedArtefactError(msg)
    if schema not in READERS:
        known = ", ".join(str(number) for number in sorted(READERS))
        msg = f"Expected an artefact of schema {known}, got {schema}."
        raise UnsupportedSchemaError(msg)
    try:
        return READERS[schema](artefact)
    except (InvalidCostModelError, NameRefusedError) as error:
        raise MalformedArtefactError(str(error)) from error


def _read_schema_1(artefact: dict[str, Any]) -> CostModel:
    record = Record(artefact, "artefact")
    record.whole("schema")
    cost_model = CostModel(
        llm=record.text("llm"),
        device=record.text("device"),
        num_gpus=record.whole("num_gpus"),
        basis=_basis_in(record),
        energy_coefficients=record.numbers("energy_coefficients"),
        device_seconds_coefficients=record.numbers("device_seconds_coefficients"),
        region=_points_in(record),
        energy_interval=_interval_in(record.child_or_none("energy_interval")),
        device_seconds_interval=_interval_in(record.child_or_none("device_seconds_interval")),
        load_s=record.number_or_none("load_s"),
        load_energy_j=record.number_or_none("load_energy_j"),
        idle_watts=record.number_or_none("idle_watts"),
        max_context_tokens=record.whole_or_none("max_context_tokens"),
        mixed_lengths=record.mapping_or_none("mixed_lengths"),
        provenance=_provenance_in(record.child("provenance")),
        errors=record.mapping("errors"),
    )
    record.check_read()
    return cost_model


READERS: Mapping[int, Callable[[dict[str, Any]], CostModel]] = MappingProxyType({1: _read_schema_1})


def _basis_in(record: Record) -> str:
    basis, terms = record.text("basis"), record.texts("terms")
    if basis in BASES and BASES[basis].terms != terms:
        msg = f"Expected the terms of {basis} to be {BASES[basis].terms}, got {terms!r:.200}."
        raise MalformedArtefactError(msg)
    return basis


def _points_out(region: ProfiledRegion) -> list[list[float | None]]:
    return [[None if np.isnan(axis) else axis for axis in row] for row in region.points.tolist()]


def _points_in(record: Record) -> ProfiledRegion:
    return ProfiledRegion(np.array(record.rows("profiled_points", 3), dtype=np.float64))


def _interval_out(interval: ConformalInterval | None) -> dict[str, Any] | None:
    return None if interval is None else asdict(interval)


def _interval_in(record: Record | None) -> ConformalInterval | None:
    if record is None:
        return None
    interval = ConformalInterval(
        quantile=record.number("quantile"),
        points=record.whole("points"),
        level=record.number("level"),
    )
    record.check_read()
    return interval


def _provenance_in(record: Record) -> Provenance:
    provenance = Provenance(
        source=record.text("source"),
        kv_cache=record.text("kv_cache"),
        energy_scope=record.text("energy_scope"),
        date=record.text_or_none("date"),
        hardware=record.text_or_none("hardware"),
        driver=record.text_or_none("driver"),
        engine=record.text_or_none("engine"),
        task=record.text_or_none("task"),
        observations=record.whole_or_none("observations"),
        points=record.whole_or_none("points"),
        notes=record.texts("notes"),
        null_reasons=record.text_mapping("null_reasons"),
    )
    record.check_read()
    return provenance

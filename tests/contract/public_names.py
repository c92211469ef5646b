"""The names that callers, scrapers and operators meet, from the program itself."""

from __future__ import annotations

from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry

from jouleplan.__main__ import PROGRAM
from service.app import create_app
from service.decisions.metrics import DecisionMetrics
from service.settings.settings import Settings
from service.telemetry.metrics import Metrics
from tests.jouleplan.command import PARSERS, verb_parsers


@cache
def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the service."""
    document: dict[str, Any] = create_app(Settings()).openapi()
    return document


def fields() -> set[str]:
    """Return the fields of all bodies and answers."""
    schemas = openapi()["components"]["schemas"].values()
    return {field for schema in schemas for field in schema.get("properties", {})}


def metrics() -> set[str]:
    """Return the names of all metrics, as they are exposed."""
    registry = CollectorRegistry()
    DecisionMetrics(registry, Metrics(registry, "1").labels)
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in registry.collect()
    }


def options() -> set[str]:
    """Return the long options of all verbs of the command line."""
    parsers = [one for make in PARSERS.values() for one in verb_parsers(make(PROGRAM))]
    return {name for one in parsers for name in one._option_string_actions if name[:2] == "--"}

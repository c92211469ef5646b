"""The pinned requirements say what `pyproject.toml` asks for, and nothing of where to get it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PINS = ROOT / "requirements"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
BASE = PROJECT["project"]["dependencies"]


def _group(name: str) -> list[str]:
    """Requirements of a dependency group with the groups that it includes."""
    entries: list[str] = []
    for entry in PROJECT["dependency-groups"][name]:
        entries += [entry] if isinstance(entry, str) else _group(entry["include-group"])
    return entries


ASKED = {
    "service": BASE + EXTRAS["service"],
    "profiler": BASE + EXTRAS["profiler"],
    "demo": BASE + EXTRAS["service"] + _group("demo"),
    "dev": BASE + EXTRAS["service"] + EXTRAS["profiler"] + _group("dev"),
    "build": _group("build"),
    "litellm": _group("litellm"),
}

APART = ("dev", "litellm")
"""What is tested with, and what runs in an environment that has nothing of ours."""


def _pins(name: str) -> dict[str, list[Requirement]]:
    """The pins of one file by package; a package has several where Python versions differ."""
    pins: dict[str, list[Requirement]] = {}
    for entry in (PINS / f"{name}.txt").read_text().replace("\\\n", " ").splitlines():
        requirement = Requirement(entry.split("--hash=")[0])
        pins.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pins


def _version(pin: Requirement) -> str:
    return str(pin.specifier).removeprefix("==")


@pytest.mark.parametrize("name", ASKED)
def test_every_requirement_of_the_project_is_pinned_within_its_range(name: str) -> None:
    pins = _pins(name)
    for asked in map(Requirement, ASKED[name]):
        versions = [_version(pin) for pin in pins.get(canonicalize_name(asked.name), [])]
        assert versions, f"{asked.name} is not pinned: run make lock"
        assert all(asked.specifier.contains(version) for version in versions), (asked, versions)


@pytest.mark.parametrize("name", [name for name in ASKED if name not in APART])
def test_what_runs_is_pinned_as_it_was_tested(name: str) -> None:
    tested = _pins("dev")
    for package, pins in _pins(name).items():
        assert {_version(pin) for pin in pins} <= {_version(pin) for pin in tested[package]}


@pytest.mark.parametrize("name", ASKED)
def test_every_pin_is_exact_and_hashed(name: str) -> None:
    for entry in (PINS / f"{name}.txt").read_text().replace("\\\n", " ").splitlines():
        assert re.match(r"[A-Za-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("path", sorted(PINS.glob("*.txt")), ids=lambda path: path.name)
def test_pins_name_no_index(path: Path) -> None:
    assert "://" not in path.read_text()
    assert path.stem in ASKED


def test_the_service_is_pinned_without_what_measures_and_the_profiler_without_what_serves() -> None:
    assert _pins("service").keys().isdisjoint({"nvidia-ml-py", "scipy", "matplotlib"})
    assert _pins("profiler").keys().isdisjoint({"ortools", "fastapi", "pydantic", "uvicorn"})

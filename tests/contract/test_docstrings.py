"""Docstrings say in one form when something is raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.contract.pages import ROOT

PACKAGES = (
    *("commandline", "costmodel", "planner", "service", "profiler", "jouleplan"),
    *("benchmarks", "examples"),
)
SECTION = re.compile(r"^Raises\n-+\n(.*?)(?=\n\n|\n?\Z)", re.DOTALL | re.MULTILINE)
ENTRY = re.compile(r"^\S.*\n    (\w+)", re.MULTILINE)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def first_words(docstring: str) -> list[str]:
    """Return the word with which each entry of what is raised begins."""
    return [word for section in SECTION.findall(docstring) for word in ENTRY.findall(section)]


def docstrings(package: str) -> Iterator[tuple[str, str]]:
    """Give each docstring of a package, with where it stands."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
                yield f"{path}: {getattr(node, 'name', '')}", text


def test_entries_are_found_in_any_place_of_a_docstring() -> None:
    raised = "Raises\n------\nValueError\n    If it is\n    none.\nKeyError, OSError\n    When not."
    assert first_words(f"Do.\n\n{raised}") == ["If", "When"]
    assert first_words(f"Do.\n\n{raised}\n\nExamples\n--------\n>>> 1\n    Where") == ["If", "When"]
    assert first_words("Raises the deadline.") == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_raised_is_said_with_if(package: str) -> None:
    words = {where: first_words(text) for where, text in docstrings(package)}
    assert {where: found for where, found in words.items() if set(found) - {"If"}} == {}


def test_the_rule_is_not_kept_by_silence() -> None:
    found = [
        word
        for package in PACKAGES
        for _, text in docstrings(package)
        for word in first_words(text)
    ]
    assert len(found) > 150

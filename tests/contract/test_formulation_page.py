"""The page of the formulation and the code name the same constraints."""

import ast
import inspect
import re
from pathlib import Path

from planner.bounds.formulation import Formulation
from service.app import create_app
from service.settings.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/explanation/formulation.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("| constraint | function |") : PAGE.index("r_ik is the least")]
UNITS = {"energy", "carbon", "money"}


def constraint_functions() -> set[str]:
    """Methods that say what they ensure: each is a constraint."""
    return {
        name
        for name, method in inspect.getmembers(Formulation, inspect.isfunction)
        if (method.__doc__ or "").startswith("Ensures ")
    }


def defined_names() -> set[str]:
    found = set()
    for path in (ROOT / "planner").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return found


def test_each_row_of_the_table_names_one_constraint_and_none_is_missing() -> None:
    named = re.findall(r"\| `(\w+)` \|$", TABLE, re.MULTILINE)
    assert sorted(named) == sorted(constraint_functions())


def test_every_constraint_of_the_code_is_built_into_the_relaxation() -> None:
    text = inspect.getsource(Formulation.build) + inspect.getsource(Formulation.__init__)
    called = set(re.findall(r"self\.(\w+)\(", text))
    assert constraint_functions() <= called


def test_every_name_on_the_page_is_a_function_of_planning_or_a_field_of_a_call() -> None:
    schemas = create_app(Settings()).openapi()["components"]["schemas"].values()
    fields = {field for schema in schemas for field in schema.get("properties", {})}
    words = {word for code in re.findall(r"`([^`]+)`", PAGE) for word in re.findall(r"\w+", code)}
    assert len(words) > 40
    assert words - fields - defined_names() - UNITS == set()

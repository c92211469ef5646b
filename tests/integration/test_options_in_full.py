"""No program takes the beginning of an option for the option: the next release may have another."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.service.server import ROOT

PACKAGES = ("jouleplan", "service", "profiler", "benchmarks", "examples", "deploy")


def parsers() -> list[tuple[str, ast.Call]]:
    """Return each call that makes a parser of argparse's own, with the place where it stands."""
    found = []
    for path in (path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr == "ArgumentParser":
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", node))
    return found


def test_every_parser_wants_options_in_full() -> None:
    made = parsers()
    assert len(made) > 15
    for place, call in made:
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert given.get("allow_abbrev") == "False", place


@pytest.mark.parametrize(
    "arguments",
    [
        ("service", "--print"),
        ("service", "plan", "a.json", "--quie"),
        ("service", "keys", "add", "a", "--bur", "1"),
        ("jouleplan", "serve", "--print"),
        ("profiler", "fit", "a.csv", "--models-dir", "m", "--rep", "r.html"),
        ("profiler", "measure", "--mod", "x"),
        ("examples.simulated_gpu.serve", "--po", "1"),
        ("benchmarks.fuzz", "--se", "1"),
    ],
)
def test_the_beginning_of_an_option_is_refused(arguments: tuple[str, ...]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.returncode == 2
    assert "unrecognized arguments" in ended.stderr or "required" in ended.stderr
    assert "Traceback" not in ended.stderr

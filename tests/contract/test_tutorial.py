"""The tutorial's commands run as they stand, and print what it says they print."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.pages import ROOT, make_checkout, run_in_shell
from tests.contract.printed import not_printed
from tests.service.server import free_port

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
SAVED = re.compile(r"Save this as `([^`]+)`:\n\n```json\n(.*?)```", re.DOTALL)
SESSION = re.compile(r"```console\n(.*?)```", re.DOTALL)
MARK = "=== step {} ==="


@dataclass(frozen=True)
class Step:
    """One command of the tutorial and the lines that it is said to print."""

    command: str
    shown: tuple[str, ...]


def steps() -> Iterator[Step]:
    for session in SESSION.findall(TUTORIAL):
        for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
            command, *shown = part.rstrip("\n").split("\n")
            yield Step(command, tuple(shown))


STEPS = list(steps())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout by name, so that what the commands write stays out of this one."""
    checkout = make_checkout(tmp_path_factory.mktemp("checkout"))
    for name, text in SAVED.findall(TUTORIAL):
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return checkout


@pytest.fixture(scope="module")
def printed(folder: Path) -> list[list[str]]:
    """Return the lines that each step prints, all of them run in one shell as a reader would."""
    marked = [f"echo '{MARK.format(i)}'\n{step.command}" for i, step in enumerate(STEPS)]
    port = {"JOULEPLAN_PORT": str(free_port())}
    _, output, _ = run_in_shell("\n".join([*marked, "wait"]), folder, port, 120)
    pattern = "|".join(re.escape(MARK.format(i)) for i in range(len(STEPS)))
    return [part.strip("\n").splitlines() for part in re.split(pattern, output)[1:]]


@pytest.mark.parametrize("index", range(len(STEPS)), ids=lambda i: STEPS[i].command[:40])
def test_each_command_prints_what_the_tutorial_shows(index: int, printed: list[list[str]]) -> None:
    assert len(printed) == len(STEPS)
    unlike = not_printed(STEPS[index].shown, printed[index])
    assert unlike is None, "\n".join(printed[index])


def test_the_service_that_the_tutorial_starts_is_stopped_by_its_last_command(
    printed: list[list[str]], folder: Path
) -> None:
    log = (folder / "out" / "tutorial" / "service.log").read_text(encoding="utf-8")
    assert len(printed) == len(STEPS)
    assert "Stopped by signal SIGTERM." in log


def test_the_tutorial_leads_from_a_plan_through_a_refusal_to_the_metrics() -> None:
    commands = " ".join(step.command for step in STEPS)
    shown = "\n".join(line for step in STEPS for line in step.shown)
    assert "/metrics" in commands
    assert '"status": "optimal"' in shown
    assert '"status": 422' in shown

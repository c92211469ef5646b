"""The pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
SHELL = {"sh", "bash"}
DOCS = ROOT / "docs"
PAGES = sorted(
    [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
    + [page for folder in ("examples", "deploy") for page in (ROOT / folder).rglob("*.md")]
)
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code: its language (empty where none is named) and its text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order, without the indentation of a list around them."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(language, textwrap.dedent(text)) for _, language, text in found]


def shell_text(page: Path) -> str:
    """Return all shell blocks of a page as one text."""
    return "".join(block.text for block in blocks(page) if block.language in SHELL)


def outputs(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Give each shell block that a block without a language follows, with the lines shown there."""
    found = blocks(page)
    for command, shown in pairwise(found):
        if command.language in SHELL and not shown.language:
            yield command.text, shown.text.rstrip("\n").split("\n")


def make_checkout(folder: Path) -> Path:
    """Make a folder a checkout by name, so that what commands write stays out of this one."""
    for held in ("deploy", "examples", "models", "benchmarks"):
        (folder / held).symlink_to(ROOT / held)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def run_in_shell(
    script: str, folder: Path, environment: Mapping[str, str], within_s: float
) -> tuple[int, str, str]:
    """Run a script as a reader's shell would; return its status and what it printed and logged.

    Settings of this process are not its own, and what it has started ends with it. A service has
    one worker, which costs less to start.
    """
    others = {k: v for k, v in os.environ.items() if not k.startswith("JOULEPLAN_")}
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env={**others, "JOULEPLAN_WORKERS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, logged = shell.communicate(timeout=within_s)
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
    return shell.returncode, printed, logged


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}

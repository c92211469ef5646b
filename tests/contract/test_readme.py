"""What README shows is what its command prints, and its list of folders is the checkout's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.contract.printed import not_printed

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```text\n(.*?)\n```", re.DOTALL)


def block_after(text: str) -> list[str]:
    """Return the lines of the first text block that follows some words of the page."""
    found = BLOCK.search(README, README.index(text))
    assert found is not None
    return found[1].split("\n")


def test_the_demo_prints_what_the_readme_shows() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    lines = done.stdout.rstrip("\n").split("\n")
    shown = block_after("`make demo` prints")
    assert not_printed(shown, lines) is None, done.stdout


def test_the_list_of_folders_holds_each_package_and_each_room_of_the_service() -> None:
    top, rooms = [], []
    for line in block_after("## Where things are"):
        name = line.split()[0]
        (rooms if line.startswith(" ") else top).append(name.rstrip("/"))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert [name for name in top if not (ROOT / name).is_dir()] == []
    assert packages <= set(top)
    held = {path.parent.name for path in ROOT.glob("service/*/__init__.py")}
    assert set(rooms) == held

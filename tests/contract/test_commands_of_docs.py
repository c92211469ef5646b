"""The programs take the commands of the pages, and the files that these name are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from commandline.verbs import APPLICATION_OF
from tests.contract.pages import PAGES, shell_text
from tests.jouleplan.command import parse
from tests.service.server import ROOT

BARE = re.compile(r"(?<![\w/.-])python -m (?:service|profiler|benchmarks|examples)")
BARE_VERB = re.compile(rf"(?<![\w/.-])jouleplan (?:{'|'.join(APPLICATION_OF)})\b")
OURS = re.compile(r"^(?:deploy|examples|models|benchmarks|docs|tests)/")


def commands(page: Path) -> Iterator[list[str]]:
    """Give each command of a page, as a shell would pass it on."""
    for line in re.sub(r"\\\n\s*", " ", shell_text(page)).splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue  # a text that goes on over lines
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        ends = [i for i, word in enumerate(words) if word in {"&", "|", ">", "2>", ">>", ";"}]
        yield words[: ends[0]] if ends else words


def is_there(path: str, test: str) -> bool:
    """Whether a file or folder is there, and holds a test of some name where one is given."""
    file = ROOT / path
    return file.exists() and (not test or f"def {test}(" in file.read_text(encoding="utf-8"))


def test_no_page_takes_a_program_that_is_not_there_or_lacks_what_it_needs() -> None:
    bare = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        is_reference = page.parent.name in {"reference", "studies"} or page.name == "CHANGELOG.md"
        looked_at = shell_text(page) if is_reference else text
        found = BARE.findall(looked_at) + BARE_VERB.findall(shell_text(page))
        bare += [f"{page.relative_to(ROOT)}: {one}" for one in found]
    assert bare == []


def test_every_command_is_taken_by_its_program_and_names_files_that_are_there() -> None:
    parsed = 0
    for page in PAGES:
        for words in commands(page):
            named = [word.lstrip("@").rstrip("/") for word in words if OURS.match(word.lstrip("@"))]
            assert [name for name in named if not is_there(*name.partition("::")[::2])] == [], words
            if words[:1] != [".venv/bin/jouleplan"]:
                continue
            try:
                parse(words[1:])
            except SystemExit:
                pytest.fail(f"{page.relative_to(ROOT)}: {words}")
            parsed += 1
    assert parsed >= 15

"""Each study names the command that makes its tables, and the command takes its options."""

from __future__ import annotations

import re
import runpy
import sys
from functools import partial
from pathlib import Path

import pytest

from benchmarks.loose_gaps import chord_table
from commandline.verbs import APPLICATION_OF
from jouleplan.__main__ import main as jouleplan
from tests.contract.pages import ROOT
from tests.service.server import Server

STUDIES = sorted((ROOT / "docs" / "studies").glob("*.md"))
MADE_BY = re.compile(r"python -m (benchmarks(?:\.\w+)+)([^`\n]*)|jouleplan (\w+) ([^`\n>]*)")
TABLE = re.compile(r"^\|", re.MULTILINE)


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("page", STUDIES, ids=lambda page: page.stem)
def test_a_study_names_its_command_before_its_first_table(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page.read_text(encoding="utf-8")
    found, first = MADE_BY.search(text), TABLE.search(text)
    assert first is not None
    assert found is not None
    assert found.start() < first.start()
    module, options, verb, given = found.groups()
    assert verb is None or verb in APPLICATION_OF
    monkeypatch.setattr(sys, "argv", ["study", *([verb] if verb else []), "--help"])
    run = jouleplan if module is None else partial(runpy.run_module, module, run_name="__main__")
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 0
    help_text = capsys.readouterr().out
    named = set(re.findall(r"--[a-z-]+", (options or "") + (given or "")))
    assert named - set(re.findall(r"--[a-z-]+", help_text)) == set()


def test_the_page_of_loose_gaps_shows_the_chord_that_its_command_prints() -> None:
    page = (ROOT / "docs" / "studies" / "loose-gaps.md").read_text(encoding="utf-8")
    with Server({}) as server:
        server.wait_until_ready()
        assert chord_table(server.url) in page

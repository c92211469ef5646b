"""The page about fitted pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.__main__ import main
from profiler.campaign.journal import Journal
from profiler.campaign.replay import ReplayRig
from profiler.campaign.run import run_campaign
from profiler.campaign.stages import Design
from tests.profiler.campaign.recorded import DEVICE, LLM, record
from tests.profiler.campaign.watcher import Watcher


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Observations of a whole campaign."""
    folder = tmp_path_factory.mktemp("campaign")
    path = folder / "obs.csv"
    rig = ReplayRig(LLM, DEVICE, record(folder / "recorded.csv"))
    with Journal(path, {}) as journal:
        run_campaign(Design(target_error=0.03), rig, journal, Watcher())
    return path


def report(campaign: Path, page: Path) -> str:
    models = f"--models-dir={page.parent}"
    assert main(["fit", str(campaign), models, f"--report={page}"]) == 0
    return page.read_text(encoding="utf-8")


def test_the_page_of_a_campaign_has_every_part_and_nothing_from_elsewhere_and_repeats(
    campaign: Path, tmp_path: Path
) -> None:
    text = report(campaign, tmp_path / "pages" / "report.html")
    for part in (
        f"{LLM} on {DEVICE}",
        "Simulated",
        "Predicted against measured",
        "Residuals by tokens and concurrency",
        "Energy per token against concurrency",
        "The profiled region",
        "paper&#x27;s bilinear form",
        "Analysis of variance",
        "What to measure next",
    ):
        assert part in text, part
    assert text.count("<svg") == 4
    for outside in ("<script", "<link", "src=", 'href="http'):
        assert outside not in text
    assert report(campaign, tmp_path / "again" / "report.html") == text

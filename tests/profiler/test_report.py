"""The page about fitted pairs."""

from __future__ import annotations

from pathlib import Path

from profiler.campaign.journal import Journal
from profiler.campaign.replay import ReplayRig
from profiler.campaign.run import run_campaign
from profiler.campaign.stages import Design
from profiler.cli import main
from tests.profiler.campaign.recorded import DEVICE, LLM, record
from tests.profiler.campaign.test_campaign import Watcher


def campaign(folder: Path) -> Path:
    path = folder / "obs.csv"
    rig = ReplayRig(LLM, DEVICE, record(folder / "recorded.csv"))
    with Journal(path, {}) as journal:
        run_campaign(Design(target_error=0.03), rig, journal, Watcher())
    return path


def test_the_page_has_every_part_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = tmp_path / "pages" / "report.html"
    models = f"--models-dir={tmp_path}"
    assert main(["fit", str(campaign(tmp_path)), models, f"--report={page}"]) == 0
    text = page.read_text(encoding="utf-8")
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


def test_the_same_observations_make_the_same_page(tmp_path: Path) -> None:
    observations = str(campaign(tmp_path))
    pages = [tmp_path / f"{number}.html" for number in (1, 2)]
    for page in pages:
        main(["fit", observations, f"--models-dir={tmp_path}", f"--report={page}"])
    assert pages[0].read_bytes() == pages[1].read_bytes()

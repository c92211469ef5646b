"""Results of the ML.ENERGY benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from costmodel.zones import read_zone
from profiler.errors import ObservationError
from profiler.importers.mlenergy import import_mlenergy

DEVICE = {"device": "1xh100-sxm5-80gb", "task": "lm-arena-chat"}


def result(**changes: Any) -> dict[str, Any]:
    """A steady state of 100 s with 10,000 tokens in steps of 0.08 s: eight at a time."""
    return {
        "model_id": "Qwen/Qwen3-8B",
        "completed": 50,
        "total_input_tokens": 5000,
        "total_output_tokens": 12500,
        "steady_state_duration": 100.0,
        "steady_state_energy": 40000.0,
        "steady_state_energy_per_token": 4.0,
        "itls": [[0.08] * 249] * 50,
    } | changes


def test_a_steady_state_becomes_joules_and_device_seconds_of_a_request(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(result()))
    trials, _ = import_mlenergy(path, DEVICE)
    assert trials.concurrency.tolist() == pytest.approx([8.0])
    assert trials.energy_gpu_j.tolist() == pytest.approx([4.0 * 250])
    assert trials.device_seconds.tolist() == pytest.approx([250 / 100.0])
    assert trials.extra["task"].tolist() == ["lm-arena-chat"]


@pytest.mark.parametrize(
    "changes", [{"itls": []}, {"steady_state_energy": -1.0}, {"completed": True}]
)
def test_what_cannot_be_read_is_reported(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(result(**changes)))
    with pytest.raises(ObservationError):
        import_mlenergy(path, DEVICE)


def test_a_file_that_is_no_json_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("not json")
    with pytest.raises(ObservationError, match="JSON"):
        import_mlenergy(path, DEVICE)


def test_a_dated_run_began_its_duration_before(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(result(date="20260301-170010", duration=130.0)))
    trials, notes = import_mlenergy(path, DEVICE, read_zone("Asia/Karachi"))
    assert trials.extra["started_at"].tolist() == ["2026-03-01T11:58:00.000+00:00"]
    assert notes == ["results.json: moments without a zone are taken in Asia/Karachi (UTC+05:00)"]


def test_failed_requests_of_the_benchmark_are_left_out_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    served = [{"success": True, "itl": [0.08] * 249, "output_len": 250, "input_len": 100}] * 50
    failed = [{"success": False, "itl": [], "output_len": 0, "input_len": 100}] * 3
    run = {name: value for name, value in result(completed=53).items() if name != "itls"}
    path.write_text(json.dumps(run | {"results": served + failed}))
    trials, notes = import_mlenergy(path, DEVICE)
    assert trials.output_tokens.tolist() == [250.0]
    assert trials.concurrency.tolist() == pytest.approx([8.0])
    assert any("3 of 53 requests failed" in note for note in notes)
    assert any("completed says 53" in note for note in notes)

"""Fleets of two pools for tests of single decisions: a cheap one and a quick one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from costmodel.artefact import save
from tests.costmodel.builders import kv_on_cost_model

FLEET = """\
pools:
  - name: small
    device: 1xh100
    count: 1
    llms: [qwen3-8b]
    concurrency: [1]
    resident: [qwen3-8b]
  - name: large
    device: 2xh100
    count: 1
    llms: [qwen3-8b]
    concurrency: [1]
    resident: [qwen3-8b]
"""
FLEET_OF_TWO_LLMS = """\
quality: {qwen3-8b: 0.6, qwen3-32b: 0.8}
pools:
  - name: small
    device: 1xh100
    count: 2
    llms: [qwen3-8b]
    concurrency: [1, 8]
    resident: [qwen3-8b]
  - name: large
    device: 2xh100
    count: 1
    llms: [qwen3-8b, qwen3-32b]
    concurrency: [1]
    resident: [qwen3-8b]
"""
FLEET_OF_AN_LLM_EACH = """\
quality: {qwen3-8b: 0.6, qwen3-32b: 0.8}
pools:
  - {name: small, device: 1xh100, count: 4, llms: [qwen3-8b], concurrency: [64],
     resident: [qwen3-8b]}
  - {name: large, device: 2xh100, count: 4, llms: [qwen3-32b], concurrency: [64],
     resident: [qwen3-32b]}
"""
TWICE_THE_JOULES: dict[str, Any] = {
    "device": "2xh100",
    "num_gpus": 2,
    "energy_coefficients": tuple(2 * c for c in kv_on_cost_model().energy_coefficients),
    "device_seconds_coefficients": tuple(
        c / 2 for c in kv_on_cost_model().device_seconds_coefficients
    ),
}
"""What the cost models of `large` have: twice the joules and half the time of `small`."""


def save_two_pools(folder: Path, fleet: str = FLEET) -> Path:
    """Write the cost models of one LLM on both pools, and the fleet."""
    folder.mkdir(exist_ok=True)
    save(kv_on_cost_model(), folder)
    save(kv_on_cost_model(**TWICE_THE_JOULES), folder)
    (folder / "fleet.yaml").write_text(fleet)
    return folder


def save_two_llms(folder: Path) -> Path:
    """Write the same with a second LLM, better and on `large` alone."""
    save_two_pools(folder, FLEET_OF_TWO_LLMS)
    save(kv_on_cost_model(llm="qwen3-32b", **TWICE_THE_JOULES), folder)
    return folder


def save_an_llm_each(folder: Path) -> Path:
    """Write a fleet whose pools run one LLM each: `large` a better one at thrice the joules."""
    save(kv_on_cost_model(), folder)
    thrice = tuple(3 * c for c in kv_on_cost_model().energy_coefficients)
    changed: dict[str, Any] = {"device": "2xh100", "num_gpus": 2, "energy_coefficients": thrice}
    save(kv_on_cost_model(llm="qwen3-32b", **changed), folder)
    (folder / "fleet.yaml").write_text(FLEET_OF_AN_LLM_EACH)
    return folder

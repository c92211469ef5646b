"""A fleet of two pools for tests of single decisions: a cheap one and a quick one."""

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


def save_two_pools(folder: Path, fleet: str = FLEET) -> Path:
    """Write the cost models and the fleet: `large` takes twice the joules and half the time."""
    save(kv_on_cost_model(), folder)
    changed: dict[str, Any] = {
        "device": "2xh100",
        "num_gpus": 2,
        "energy_coefficients": tuple(2 * c for c in kv_on_cost_model().energy_coefficients),
        "device_seconds_coefficients": tuple(
            c / 2 for c in kv_on_cost_model().device_seconds_coefficients
        ),
    }
    save(kv_on_cost_model(**changed), folder)
    (folder / "fleet.yaml").write_text(fleet)
    return folder

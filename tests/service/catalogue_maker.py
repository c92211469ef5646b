"""A small catalogue of plausible cost models, for tests of the service."""

from pathlib import Path

import numpy as np

from costmodel.artefact import save
from costmodel.cost_model import CostModel
from costmodel.intervals import ConformalInterval
from costmodel.provenance import Provenance
from costmodel.region import ProfiledRegion

A100 = "1xa100-sxm4-40gb"
FOUR_A100 = "4xa100-sxm4-40gb"
_GRID = np.array([[i, o, 1.0] for i in (8.0, 2048.0) for o in (8.0, 2048.0)])
_BATCHES = np.array([[np.nan, 400.0, b] for b in (8.0, 32.0, 128.0)])

FLEET_YAML = """\
pools:
  - name: h100
    device: 1xh100
    count: 4
    llms: [llama-3.1-8b-instruct]
    concurrency: [32, 128]
    resident: [llama-3.1-8b-instruct]
  - name: b200
    device: 1xb200
    count: 2
    llms: [qwen3-30b-a3b-instruct-2507]
    concurrency: [64]
    idle_watts: null
    resident: [qwen3-30b-a3b-instruct-2507]
quality:
  llama-3.1-8b-instruct: 0.483
  qwen3-30b-a3b-instruct-2507: 0.784
max_context_tokens:
  llama-3.1-8b-instruct: 131072
sources:
  count: an example
"""


def without_kv_cache(llm: str, device: str, num_gpus: int, scale: float) -> CostModel:
    """Return a cost model of the shape that the A100 measurements have."""
    return CostModel(
        llm=llm,
        device=device,
        num_gpus=num_gpus,
        basis="kv_off",
        energy_coefficients=tuple(scale * c for c in (60.0, 8.0, 0.03, 4e-6)),
        device_seconds_coefficients=tuple(scale * c for c in (0.05, 0.03, 1e-4, 1e-8)),
        region=ProfiledRegion(_GRID),
        energy_interval=ConformalInterval(1.8, 40),
        device_seconds_interval=ConformalInterval(1.8, 40),
        load_s=42.0 * scale,
        load_energy_j=2300.0 * scale,
        max_context_tokens=4096,
        provenance=Provenance(
            source="wilkins2024", engine="transformers", kv_cache="off", energy_scope="gpu"
        ),
    )


def with_kv_cache(llm: str, device: str, num_gpus: int, scale: float) -> CostModel:
    """Return a cost model of the shape that the vLLM measurements have."""
    return CostModel(
        llm=llm,
        device=device,
        num_gpus=num_gpus,
        basis="kv_on_decode",
        energy_coefficients=tuple(scale * c for c in (0.04, 2.0, 0.3)),
        device_seconds_coefficients=tuple(scale * c for c in (5e-5, 4e-3, 3e-4)),
        region=ProfiledRegion(_BATCHES),
        provenance=Provenance(
            source="mlenergy_v3", engine="vllm", kv_cache="on", energy_scope="gpu", task="chat"
        ),
    )


def write_catalogue(folder: Path) -> Path:
    """Fill `folder` with five cost models and a fleet file; return it."""
    for cost_model in (
        without_kv_cache("llama-2-7b-chat", A100, 1, 1.0),
        without_kv_cache("llama-2-13b-chat", A100, 1, 1.8),
        without_kv_cache("llama-2-70b-chat", FOUR_A100, 4, 8.0),
        with_kv_cache("llama-3.1-8b-instruct", "1xh100", 1, 1.0),
        with_kv_cache("qwen3-30b-a3b-instruct-2507", "1xb200", 1, 1.6),
    ):
        save(cost_model, folder)
    (folder / "fleet.yaml").write_text(FLEET_YAML, encoding="utf-8")
    return folder

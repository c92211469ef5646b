"""Fleets of 3, 8, 32 and 64 placements, made of the shipped cost models.

Three and eight placements are A100 without a KV cache, at concurrency 1, as the paper measured
them. Thirty-two are the LLMs of the default fleet under vLLM on H100 and B200, four concurrencies
each. Sixty-four are both and more: twelve pools without a KV cache beside thirteen of vLLM. That
mixes provenances, and two metrics of quality, for the sake of size; such a body says
``allow_mixed_provenance``.

Counts are ours: they grow with the batch, so that a large one is a night's work and not a year's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.published import PUBLISHED
from costmodel.catalogue import Catalogue
from service.calls.fleet.file import read_fleet_file
from service.environment import FLEET_FILE, embedded_models_dir

MAX_TOKENS = 4096
"""Context of Llama 2 (Touvron et al., arXiv 2307.09288); longer requests are not drawn."""

IDLE_WATTS = {"h100": 70.0, "b200": 140.0}
"""Assumed idle power of one accelerator [W], of this benchmark alone: their cards have none."""

CONCURRENCY_STEPS = 4
HIGHEST_CONCURRENCY = ((100, 4), (500, 8), (1_000, 16), (10_000, 64), (100_000, 256))
"""Requests of the batch, and the highest concurrency up to there: some for every slot."""
HIGHEST_OF_ALL = 512


@dataclass(frozen=True)
class PoolKind:
    """A pool before its size is known; `per_million` devices serve a million requests."""

    llm: str
    device: str
    per_million: int

    @property
    def kv_on(self) -> bool:
        """Whether vLLM serves it, so that requests can share a device."""
        return "h100" in self.device or "b200" in self.device

    @property
    def name(self) -> str:
        """The pool's name."""
        return f"{self.llm}-{self.device}"


SXM, PCIE, V100 = "1xa100-sxm4-40gb", "1xa100-pcie-40gb", "1xv100-16gb"

PAPER = (
    PoolKind("llama-2-7b-chat", SXM, 600),
    PoolKind("llama-2-13b-chat", SXM, 400),
    PoolKind("llama-2-70b-chat", "4xa100-sxm4-40gb", 400),
)
A100 = (
    *PAPER,
    PoolKind("mistral-7b-v0.1", SXM, 250),
    PoolKind("mixtral-8x7b-v0.1", "3xa100-sxm4-40gb", 300),
    PoolKind("falcon-7b", SXM, 200),
    PoolKind("falcon-40b", "3xa100-sxm4-40gb", 300),
    PoolKind("llama-2-7b-chat", PCIE, 250),
)
VLLM = (
    PoolKind("llama-3.1-8b-instruct", "1xh100", 3),
    PoolKind("gemma-3-12b-it", "1xh100", 3),
    PoolKind("qwen3-30b-a3b-instruct-2507", "2xh100-tp1-ep2-dp1", 2),
    PoolKind("llama-3.3-70b-instruct", "4xh100", 3),
    PoolKind("llama-3.1-8b-instruct", "1xb200", 2),
    PoolKind("gemma-3-27b-it", "1xb200", 3),
    PoolKind("qwen3-30b-a3b-instruct-2507", "1xb200", 2),
    PoolKind("qwen3-235b-a22b-instruct-2507", "4xb200-tp1-ep4-dp1", 3),
)
EVERY = (
    *A100,
    PoolKind("mistral-7b-v0.1", PCIE, 200),
    PoolKind("falcon-7b", PCIE, 200),
    PoolKind("llama-2-7b-chat", V100, 400),
    PoolKind("mistral-7b-v0.1", V100, 400),
    *VLLM,
    PoolKind("gemma-3-12b-it", "1xb200", 2),
    PoolKind("gemma-3-27b-it", "2xh100", 2),
    PoolKind("llama-3.3-70b-instruct", "2xb200", 2),
    PoolKind("qwen3-30b-a3b-instruct-2507", "1xh100", 2),
    PoolKind("qwen3-235b-a22b-instruct-2507", "8xb200-tp1-ep8-dp1", 2),
)
KINDS = {3: PAPER, 8: A100, 32: VLLM, 64: EVERY}
"""Pools by the number of placements that they make."""


def fleet_body(placements: int, requests: int) -> dict[str, Any]:
    """Return the `fleet` of a body, all pools powering down.

    Parameters
    ----------
    placements
        One of `KINDS`.
    requests
        Size of the batch, by which counts and concurrencies are chosen.
    """
    catalogue = Catalogue.load(embedded_models_dir())
    pools = [
        {
            "name": kind.name,
            "device": kind.device,
            "count": max(1, round(kind.per_million * requests / 1e6)),
            "llms": [kind.llm],
            "concurrency": _concurrency(kind, requests, catalogue),
            "idle_watts": _idle_watts(kind, catalogue),
            "resident": [kind.llm],
            "power_policy": "power_down",
        }
        for kind in KINDS[placements]
    ]
    llms = {kind.llm for kind in KINDS[placements]}
    known = {**{llm: fit.quality for llm, fit in PUBLISHED.items()}, **_default_quality()}
    return {
        "pools": pools,
        "quality": {llm: known[llm] for llm in sorted(llms)},
        "max_context_tokens": {k: v for k, v in _contexts(catalogue).items() if k in llms},
    }


def _concurrency(kind: PoolKind, requests: int, catalogue: Catalogue) -> list[int]:
    if not kind.kv_on:
        return [1]
    highest = next((b for maximum, b in HIGHEST_CONCURRENCY if requests <= maximum), HIGHEST_OF_ALL)
    highest = min(highest, int(catalogue.get(kind.llm, kind.device).max_concurrency))
    return [round(highest * step / CONCURRENCY_STEPS) for step in range(1, CONCURRENCY_STEPS + 1)]


def _idle_watts(kind: PoolKind, catalogue: Catalogue) -> float | None:
    measured = catalogue.get(kind.llm, kind.device).idle_watts
    if measured is not None or not kind.kv_on:
        return measured
    accelerators, name = kind.device.split("-")[0].split("x")
    return int(accelerators) * IDLE_WATTS[name]


def _default_quality() -> dict[str, float | None]:
    return dict(read_fleet_file(embedded_models_dir() / FLEET_FILE).fleet.quality)


def _contexts(catalogue: Catalogue) -> dict[str, int]:
    return {
        llm: cost_model.max_context_tokens
        for (llm, _), cost_model in catalogue.cost_models.items()
        if cost_model.max_context_tokens is not None
    }

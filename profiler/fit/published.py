"""What published campaigns say of themselves and no row of theirs repeats: engine, hardware, date.

Wilkins, Keshav and Mortier, arXiv 2407.04014 (2024), and the thesis behind it (systems in its Table
4.2, software in 4.3.1). Chung et al., ML.ENERGY Leaderboard v3.0 (released December 2025; method in
arXiv 2505.06371). Context lengths are those of the LLMs' published configurations
(`max_position_embeddings`; Falcon's tokenizer limit).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Campaign:
    """Facts that hold for all rows of a source.

    Attributes
    ----------
    date
        When it was measured or, unknown, published: ISO 8601, as exact as is known.
    engine
        The serving software; plans never mix two of them silently. None where unknown.
    citation
        Whom to credit.
    hardware
        Description by device.
    max_context_tokens
        By LLM: the largest input and output together that the LLM was made for.
    notes
        What a reader of the card must know.
    """

    date: str | None = None
    engine: str | None = None
    citation: str | None = None
    hardware: Mapping[str, str] = field(default_factory=dict)
    max_context_tokens: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


_SWING = "NVIDIA A100-SXM4-40GB, 2 x AMD EPYC 7742, 1 TB (Swing, Argonne)"
_LAYERWISE = "layers dealt out to the GPUs, which take turns (no tensor parallelism)"

WILKINS2024 = "wilkins2024"
MLENERGY_V3 = "mlenergy_v3"

CAMPAIGNS: Mapping[str, Campaign] = MappingProxyType(
    {
        WILKINS2024: Campaign(
            date="2024-07-09",
            engine="transformers 4.39.1, torch 2.2.1",
            citation="Wilkins, Keshav, Mortier: Offline Energy-Optimal LLM Serving, "
            "arXiv 2407.04014 (2024), and its public repository",
            hardware=MappingProxyType(
                {
                    "1xa100-sxm4-40gb": f"1 x {_SWING}",
                    "3xa100-sxm4-40gb": f"3 x {_SWING}, {_LAYERWISE}",
                    "4xa100-sxm4-40gb": f"4 x {_SWING}, {_LAYERWISE}",
                    "1xa100-pcie-40gb": "1 x NVIDIA A100 40 GB, taken for the 250 W PCIe part by "
                    "its power, Intel host (Palmetto)",
                    "1xv100-16gb": "1 x NVIDIA V100 16 GB, Intel Xeon 6148G (Palmetto)",
                    "m1-pro": "Apple M1 Pro, 10-core CPU, 14-core GPU, 32 GB",
                }
            ),
            max_context_tokens=MappingProxyType(
                {
                    "falcon-7b": 2048,
                    "falcon-40b": 2048,
                    "llama-2-7b-chat": 4096,
                    "llama-2-13b-chat": 4096,
                    "llama-2-70b-chat": 4096,
                    "mistral-7b-v0.1": 32768,
                    "mixtral-8x7b-v0.1": 32768,
                }
            ),
            notes=(
                "The date is the publication's; rows have no time of measurement.",
                "The nominal batch size of 32 never took effect: each trial is one request.",
            ),
        ),
        MLENERGY_V3: Campaign(
            date="2025-12",
            engine="vllm",
            citation="Chung et al.: The ML.ENERGY Benchmark (NeurIPS D&B 2025), Leaderboard v3.0",
            notes=(
                "The date is the release's; rows have no time of measurement.",
                "Input lengths are not published: the prefill share is that of the task's own "
                "prompts.",
                "Energy per token times output length is energy per request, and power over "
                "throughput is energy per token: one measurement, not three.",
            ),
        ),
    }
)


def campaign_of(source: str) -> Campaign:
    """Look up a published campaign.

    Parameters
    ----------
    source
        The source column of an observation.

    Returns
    -------
    Campaign
        An empty one for measurements of one's own: their facts stand in further columns.
    """
    return CAMPAIGNS.get(source, Campaign())

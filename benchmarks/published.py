"""The coefficients that Wilkins, Keshav and Mortier published: the control of the case study.

Source: Wilkins, Keshav, Mortier, "Offline Energy-Optimal LLM Serving", arXiv 2407.04014 (HotCarbon
2024), with the digits of an exact refit of the authors' public measurements, in which Mistral 7B's
last runtime coefficient is 8.76e-5 (8.10e-2 in print is a slip). Energy is that of the GPUs alone,
at one request in flight and without a KV cache.

Every first coefficient is negative: a longer prompt is said to cost less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from costmodel.arrays import FloatArray
from costmodel.bases import BASES, CONTROL_BASIS
from costmodel.workload import Workload


@dataclass(frozen=True)
class PublishedFit:
    """One LLM of the paper.

    Attributes
    ----------
    device
        A100-40GB GPUs that it ran on.
    quality
        A_K, the mean over the Hugging Face Open LLM Leaderboard of 2024, 0 to 1.
    energy_coefficients
        [J] of input tokens, output tokens and their product.
    runtime_coefficients
        [s] of the same.
    """

    device: str
    quality: float
    energy_coefficients: tuple[float, float, float]
    runtime_coefficients: tuple[float, float, float]

    def energy_j(self, workload: Workload) -> FloatArray:
        """Joules of each request, shape (n,). They can be negative."""
        return _bilinear(workload, self.energy_coefficients)

    def runtime_s(self, workload: Workload) -> FloatArray:
        """Seconds of each request, shape (n,). They can be negative."""
        return _bilinear(workload, self.runtime_coefficients)


def _bilinear(workload: Workload, coefficients: tuple[float, float, float]) -> FloatArray:
    features = BASES[CONTROL_BASIS].features(workload.input_tokens, workload.output_tokens, 1.0)
    product: FloatArray = features @ coefficients
    return product


PUBLISHED: Mapping[str, PublishedFit] = MappingProxyType(
    {
        "falcon-7b": PublishedFit(
            "1xa100-sxm4-40gb",
            0.4417,
            (-8.80829, 41.2822, 0.089089),
            (-0.02452, 0.107277, 2.42281e-4),
        ),
        "falcon-40b": PublishedFit(
            "3xa100-sxm4-40gb",
            0.5807,
            (-20.7599, 197.370, 0.23527),
            (-0.036116, 0.362016, 4.02419e-4),
        ),
        "llama-2-7b-chat": PublishedFit(
            "1xa100-sxm4-40gb",
            0.5097,
            (-3.894991, 31.522735, 0.042712),
            (-0.010021, 0.083515, 1.06988e-4),
        ),
        "llama-2-13b-chat": PublishedFit(
            "1xa100-sxm4-40gb",
            0.5569,
            (-6.794323, 56.008311, 0.072861),
            (-0.017357, 0.142605, 1.84710e-4),
        ),
        "llama-2-70b-chat": PublishedFit(
            "4xa100-sxm4-40gb",
            0.6452,
            (-12.0294, 414.8197, 0.3145),
            (-0.031204, 0.703173, 5.32992e-4),
        ),
        "mistral-7b-v0.1": PublishedFit(
            "1xa100-sxm4-40gb",
            0.6097,
            (-3.12422, 31.6942, 0.0352822),
            (-0.0078001, 0.0810081, 8.76e-5),
        ),
        "mixtral-8x7b-v0.1": PublishedFit(
            "3xa100-sxm4-40gb",
            0.6847,
            (-8.48362, 105.537, 0.0985916),
            (-0.0133831, 0.296142, 1.49924e-4),
        ),
    }
)
"""Published fits by LLM."""

CASE_STUDY_LLMS = ("llama-2-7b-chat", "llama-2-13b-chat", "llama-2-70b-chat")
"""LLMs from the smallest to the largest."""

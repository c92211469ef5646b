"""Cost models to test with: small, made up, of every basis."""

import numpy as np
from hypothesis import strategies as st

from costmodel.bases import BASES
from costmodel.cost_model import CostModel
from costmodel.intervals import ConformalInterval
from costmodel.provenance import Provenance
from costmodel.region import ProfiledRegion

SHIPPED_BASES = ("kv_off", "kv_on", "kv_on_decode")
L_SWEEP = [[tin, 32.0, 1.0] for tin in (8.0, 64.0, 512.0, 2048.0)] + [
    [32.0, tout, 1.0] for tout in (8.0, 64.0, 512.0, 2048.0)
]


def kv_off_cost_model(**changes: object) -> CostModel:
    fields: dict[str, object] = {
        "llm": "llama-2-7b-chat",
        "device": "1xa100-sxm4-40gb",
        "num_gpus": 1,
        "basis": "kv_off",
        "energy_coefficients": (12.5, 1.25, 0.03125, 0.0),
        "device_seconds_coefficients": (0.0625, 0.03125, 0.00012207, 0.0),
        "region": ProfiledRegion(np.array(L_SWEEP)),
        "energy_interval": ConformalInterval(1.5, 16),
        "device_seconds_interval": ConformalInterval(1.25, 16),
        "load_s": 42.297,
        "load_energy_j": 2334.0,
        "idle_watts": 57.0,
        "max_context_tokens": 4096,
        "provenance": Provenance(
            source="wilkins2024",
            kv_cache="off",
            energy_scope="gpu",
            engine="transformers",
            observations=48,
            points=8,
            notes=("Made up for tests.",),
            null_reasons={"date": "the source gives none", "mixed_lengths": "one prompt a trial"},
        ),
        "errors": {"energy": {"mape": 0.036}, "control": {"energy": {"mape": 2.4}}},
    }
    return CostModel(**{**fields, **changes})  # type: ignore[arg-type]


def kv_on_cost_model(**changes: object) -> CostModel:
    fields: dict[str, object] = {
        "llm": "qwen3-8b",
        "device": "1xh100",
        "num_gpus": 1,
        "basis": "kv_on",
        "energy_coefficients": (3.0, 0.01, 1e-6, 0.05, 4.0, 0.5, 1e-5),
        "device_seconds_coefficients": (0.02, 1e-5, 1e-9, 1e-4, 8e-3, 1e-3, 1e-8),
        "region": ProfiledRegion(
            np.array(
                [
                    [tin, tout, batch]
                    for tin in (16.0, 1024.0)
                    for tout in (16.0, 1024.0)
                    for batch in (1.0, 8.0, 64.0)
                ]
            )
        ),
        "energy_interval": ConformalInterval(2.0, 12),
        "provenance": Provenance(source="bench", kv_cache="on", energy_scope="gpu", engine="vllm"),
    }
    return CostModel(**{**fields, **changes})  # type: ignore[arg-type]


def decode_cost_model(**changes: object) -> CostModel:
    fields: dict[str, object] = {
        "llm": "qwen3-30b-a3b-instruct-2507",
        "device": "4xb200-tp1-ep4-dp1",
        "num_gpus": 4,
        "basis": "kv_on_decode",
        "energy_coefficients": (0.1, 6.0, 0.25),
        "device_seconds_coefficients": (2e-4, 9e-3, 0.0),
        "region": ProfiledRegion(
            np.array([[np.nan, 480.0, 8.0], [np.nan, 500.0, 64.0], [np.nan, 520.0, 256.0]])
        ),
        "provenance": Provenance(
            source="mlenergy_v3",
            kv_cache="on",
            energy_scope="gpu",
            engine="vllm",
            task="lm-arena-chat",
            null_reasons={"input_tokens": "input lengths are not published"},
        ),
    }
    return CostModel(**{**fields, **changes})  # type: ignore[arg-type]


BUILDERS = {
    "kv_off": kv_off_cost_model,
    "kv_on": kv_on_cost_model,
    "kv_on_decode": decode_cost_model,
}

_coefficient = st.one_of(st.just(0.0), st.floats(1e-9, 1e3))


@st.composite
def cost_models(draw: st.DrawFn) -> CostModel:
    """Return cost models of any shipped basis with any coefficients."""
    basis = draw(st.sampled_from(SHIPPED_BASES))
    terms = len(BASES[basis].terms)
    coefficients = st.lists(_coefficient, min_size=terms, max_size=terms).filter(any).map(tuple)
    optional = st.none() | st.floats(0, 1e6)
    return BUILDERS[basis](
        energy_coefficients=draw(coefficients),
        device_seconds_coefficients=draw(coefficients),
        energy_interval=draw(
            st.none() | st.builds(ConformalInterval, st.floats(0, 50), st.integers(9, 10**6))
        ),
        load_s=draw(optional),
        load_energy_j=draw(optional),
        idle_watts=draw(optional),
        max_context_tokens=draw(st.none() | st.integers(1, 2**40)),
        mixed_lengths=draw(st.none() | st.just({"mape": 0.1, "rows": [1, None]})),
    )

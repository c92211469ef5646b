"""Example bodies of the OpenAPI document; each can be posted as it stands."""

from __future__ import annotations

from typing import Any

_REQUESTS = [
    {"id": "r1", "input_tokens": 812, "output_tokens": 154},
    {"id": "r2", "input_tokens": 96, "output_tokens": 420},
]
_COLUMNS = {"id": ["r1", "r2"], "input_tokens": [812, 96], "output_tokens": [154, 420]}
_FLEET = {
    "pools": [
        {
            "name": "a100",
            "device": "1xa100-sxm4-40gb",
            "count": 2,
            "llms": ["llama-2-7b-chat", "llama-2-13b-chat"],
            "concurrency": [1],
            "idle_watts": 57.0,
            "power_policy": "power_down",
        }
    ],
    "quality": {"llama-2-7b-chat": 0.5097, "llama-2-13b-chat": 0.5569},
}

PLAN_EXAMPLES: dict[str, Any] = {
    "rows": {
        "summary": "Rows on the service's own fleet, with a deadline",
        "value": {"requests": _REQUESTS, "constraints": {"deadline_seconds": 3600}},
    },
    "columns": {
        "summary": "Columns, with a floor on mean quality",
        "value": {"columns": _COLUMNS, "constraints": {"min_mean_quality": 0.6}},
    },
    "confidence": {
        "summary": "Lengths by quantile, and a deadline kept at a probability",
        "value": {
            "requests": [
                {"input_tokens": 812, "output_tokens": {"p50": 120, "p90": 400}},
                {"input_tokens": 96, "output_tokens": {"p10": 40, "p50": 210, "p99": 900}},
            ],
            "constraints": {"deadline_seconds": 600, "confidence": 0.9},
        },
    },
    "own fleet": {
        "summary": "A fleet of one's own and a weighed objective",
        "value": {"requests": _REQUESTS, "fleet": _FLEET, "objective": {"zeta": 0.5}},
    },
}
FRONTIER_EXAMPLES: dict[str, Any] = {
    "energy and makespan": {
        "summary": "What finishing sooner costs",
        "value": {
            "requests": _REQUESTS,
            "fleet": _FLEET,
            "frontier": {"axes": ["energy", "makespan"], "points": 5},
        },
    },
    "energy and quality": {
        "summary": "What better answers cost",
        "value": {
            "columns": _COLUMNS,
            "fleet": _FLEET,
            "frontier": {"axes": ["energy", "mean_quality"], "points": 5},
        },
    },
}
PREDICT_EXAMPLES: dict[str, Any] = {
    "rows": {"summary": "Rows on the service's own fleet", "value": {"requests": _REQUESTS}},
    "own fleet": {
        "summary": "Columns on a fleet of one's own",
        "value": {"columns": _COLUMNS, "fleet": _FLEET},
    },
}
DECISION_EXAMPLES: dict[str, Any] = {
    "tokens": {
        "summary": "Token counts, and the deployments that a gateway has",
        "value": {
            "input_tokens": 812,
            "output_tokens": 154,
            "candidates": [{"llm": "llama-3.1-8b-instruct"}],
            "deadline_seconds": 60,
        },
    },
    "request": {
        "summary": "A request as the gateway got it",
        "value": {
            "request": {
                "model": "llama-3.1-8b-instruct",
                "messages": [{"role": "user", "content": "Why is the sky blue?"}],
                "max_tokens": 200,
            }
        },
    },
}

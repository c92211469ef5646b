"""Recorded observations of a stated law, for replays."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np

from costmodel.bases import BASES
from profiler.observation_files import read_observations
from profiler.observations import COLUMNS, Observations

LLM, DEVICE = "example-1b", "1xh100"
ENERGY = (3.0, 2e-3, 1e-7, 0.02, 0.4, 0.05, 1e-6)
SECONDS = (0.02, 1e-5, 1e-9, 1e-4, 2e-3, 3e-4, 1e-8)


def record(path: Path, *, repeats: int = 3, noise: float = 0.01) -> Observations:
    """Write a grid of windows with a KV cache, and read it back."""
    draws, rows = random.Random(3), []
    for tin in (32, 128, 512, 2048):
        for tout in (16, 64, 256):
            for batch in (1, 4, 16):
                features = BASES["kv_on"].features(tin, tout, batch)[0]
                for repeat in range(repeats + 1):
                    joules, seconds = (
                        float(np.dot(features, law)) * draws.gauss(1.0, noise)
                        for law in (ENERGY, SECONDS)
                    )
                    rows.append(
                        {
                            "llm": LLM,
                            "device": DEVICE,
                            "num_gpus": 1,
                            "concurrency": batch,
                            "kv_cache": "on",
                            "input_tokens": tin,
                            "output_tokens": tout,
                            "runtime_s": seconds * batch,
                            "energy_gpu_j": joules,
                            "energy_cpu_j": "",
                            "warmup": int(repeat == 0),
                            "source": "lab",
                            "flags": "",
                        }
                    )
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return read_observations(path)

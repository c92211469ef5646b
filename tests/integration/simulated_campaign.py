"""Observations of an LLM that does not exist: a stated law, with a small seeded error."""

from __future__ import annotations

import csv
import itertools
import random
from pathlib import Path

import numpy as np

from costmodel.formulas import context_square_sum, context_sum

LLM = "example-1b"
DEVICE = "1xa100-sxm4-40gb"
LENGTHS = (8, 32, 128, 512, 1024)
REPEATS = 3
NOISE = 0.01


def write_observations(path: Path) -> None:
    """Write repeated trials over a grid of lengths, KV cache off, as an observations file.

    Joules are ``50 + 2 tout + 1e-3 S1 + 1e-7 S2``, seconds a hundredth of that.
    """
    draws = random.Random(7)
    rows = []
    for tin, tout, repeat in itertools.product(LENGTHS, LENGTHS, range(REPEATS + 1)):
        lengths = np.array([float(tin)]), np.array([float(tout)])
        s1, s2 = context_sum(*lengths)[0], context_square_sum(*lengths)[0]
        joules = 50.0 + 2.0 * tout + 1e-3 * s1 + 1e-7 * s2
        rows.append(
            {
                "llm": LLM,
                "device": DEVICE,
                "num_gpus": 1,
                "concurrency": 1,
                "kv_cache": "off",
                "input_tokens": tin,
                "output_tokens": tout,
                "runtime_s": joules / 100.0 * draws.gauss(1.0, NOISE),
                "energy_gpu_j": joules * draws.gauss(1.0, NOISE),
                "energy_cpu_j": "",
                "warmup": int(repeat == 0),
                "source": "simulated",
                "flags": "",
            }
        )
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

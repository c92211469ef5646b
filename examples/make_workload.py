"""Chat-like requests drawn from stated distributions, as bodies for `POST /plan`.

Both token counts are log-normal, which is the shape of chat traffic: many short, few very
long. The medians and spreads below are round figures of our own, not fitted to any trace.

Run as `python -m examples.make_workload` it writes `examples/chat_1000.json` again, byte for byte.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

BODY = Path(__file__).with_name("chat_1000.json")
SIZE = 1000
SEED = 20240704
DEADLINE_SECONDS = 600.0
MIN_MEAN_QUALITY = 0.6
TIME_LIMIT_SECONDS = 60.0
"""Far more than the plan takes, so that a slow machine finds the same one."""


@dataclass(frozen=True)
class LogNormal:
    """A log-normal number of tokens, clipped to a range.

    `median` [tokens] is exp of the logarithm's mean, `sigma` the logarithm's standard deviation.
    """

    median: float
    sigma: float
    smallest: int
    largest: int

    def quantile(self, probability: float) -> int:
        """Tokens that a share `probability` of the draws, in (0, 1), does not exceed.

        Examples
        --------
        >>> LogNormal(median=200.0, sigma=1.0, smallest=8, largest=4096).quantile(0.5)
        200
        """
        tokens = self.median * math.exp(self.sigma * NormalDist().inv_cdf(probability))
        return min(max(round(tokens), self.smallest), self.largest)


INPUT_TOKENS = LogNormal(median=250.0, sigma=1.1, smallest=4, largest=8192)
OUTPUT_TOKENS = LogNormal(median=350.0, sigma=0.8, smallest=4, largest=4096)


def sample(size: int, seed: int) -> list[tuple[int, int]]:
    """Draw `size` pairs of input and output tokens, the same ones for the same seed.

    Only `random.Random.random` is drawn from: its sequence is fixed for all Python versions.
    """
    draws = random.Random(seed)

    def probability() -> float:
        return draws.random() or 0.5  # 0.0 has no quantile

    return [
        (INPUT_TOKENS.quantile(probability()), OUTPUT_TOKENS.quantile(probability()))
        for _ in range(size)
    ]


def render(pairs: list[tuple[int, int]]) -> str:
    """Write the body of `POST /plan` for these requests, one request a line."""
    width = len(str(len(pairs)))
    rows = [
        json.dumps({"id": f"chat-{i:0{width}}", "input_tokens": tin, "output_tokens": tout})
        for i, (tin, tout) in enumerate(pairs, start=1)
    ]
    constraints = {"deadline_seconds": DEADLINE_SECONDS, "min_mean_quality": MIN_MEAN_QUALITY}
    solver = {"time_limit_seconds": TIME_LIMIT_SECONDS}
    listed = ",\n    ".join(rows)
    head = f'"constraints": {json.dumps(constraints)},\n "solver": {json.dumps(solver)}'
    return f'{{{head},\n "requests": [\n    {listed}]}}\n'


if __name__ == "__main__":
    BODY.write_text(render(sample(SIZE, SEED)))

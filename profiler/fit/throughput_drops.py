"""Steps in a curve over the batch that no smooth form catches."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray
from profiler.fit.cells import MIN_GROUP_SHARE

MIN_THROUGHPUT_DROP = 0.03
"""A throughput lower than at the next smaller batch by more than this share is a step."""


def throughput_drops(
    concurrency: FloatArray, output_tokens: FloatArray, device_seconds: FloatArray
) -> list[dict[str, float]]:
    """Find where a larger batch has a lower throughput than the next smaller one.

    About a fifth of the published vLLM curves have such a step, mostly on B200: another kernel or
    another parallelism above some batch. Predictions near it are off by more than the fit's errors.

    Parameters
    ----------
    concurrency
        Shape (n,), achieved batch.
    output_tokens
        Shape (n,), per request.
    device_seconds
        Shape (n,), per request [s].

    Returns
    -------
    list of dict
        `from_concurrency`, `to_concurrency` and `drop_ratio` (0.1 is ten per cent less).

    Examples
    --------
    >>> throughput_drops(np.array([8.0, 16.0]), np.array([10.0, 10.0]), np.array([1.0, 2.0]))
    [{'from_concurrency': 8.0, 'to_concurrency': 16.0, 'drop_ratio': 0.5}]
    """
    order = np.argsort(concurrency, kind="stable")
    batch, tokens_per_s = concurrency[order], (output_tokens / device_seconds)[order]
    drop = 1.0 - tokens_per_s[1:] / tokens_per_s[:-1]
    return [
        {
            "from_concurrency": float(batch[place]),
            "to_concurrency": float(batch[place + 1]),
            "drop_ratio": float(drop[place]),
        }
        for place in np.flatnonzero(
            (drop > MIN_THROUGHPUT_DROP) & (batch[:-1] < MIN_GROUP_SHARE * batch[1:])
        )
    ]

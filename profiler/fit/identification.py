"""What some trials can distinguish, before anything is fitted to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from costmodel.arrays import FloatArray
from profiler.observations import Observations

MAX_MEANS_RATIO = 1.5
"""Mean lengths within this factor are of one mix: subsets of one data set differ by less."""
RELATIVE_ROUNDING = 1e-7
"""Share of the largest singular value of scaled features: what is below is rounding."""
MIN_PART = 0.05
"""A term with a smaller part in a combination that nothing measures has no part in it."""


def of_one_mix(trials: Observations) -> bool:
    """Say whether all windows have about the same mean lengths.

    Then tokens in and tokens out stay in proportion, and no fit can tell the work of a prompt from
    that of an answer, whatever the concurrencies.

    Parameters
    ----------
    trials
        One trial or more, input lengths recorded.
    """
    spreads = [
        float(lengths.max()) <= MAX_MEANS_RATIO * float(lengths.min())
        for lengths in (trials.input_tokens, trials.output_tokens)
    ]
    return all(spreads)


def confounded(features: FloatArray, measured: FloatArray, terms: Sequence[str]) -> list[str]:
    """Name the terms whose coefficients the trials cannot distinguish.

    Parameters
    ----------
    features
        Shape (n, p), zero or more.
    measured
        Shape (n,), positive: trials count in relative terms.
    terms
        p names.

    Returns
    -------
    list of str
        Those that have a part in a combination of terms that is zero on all trials; none where
        every coefficient is determined.

    Examples
    --------
    >>> same_prompt = np.array([[64.0, 4096.0, 8.0], [64.0, 4096.0, 32.0], [64.0, 4096.0, 256.0]])
    >>> confounded(same_prompt, np.ones(3), ["tin", "tin^2", "tout"])
    ['tin', 'tin^2']
    """
    relative = features / measured[:, None]
    lengths = np.linalg.norm(relative, axis=0)
    lengths[lengths == 0] = 1.0
    _, singular, rows = np.linalg.svd(relative / lengths, full_matrices=True)
    padded = np.zeros(len(terms))
    padded[: len(singular)] = singular
    unmeasured = np.abs(rows[padded <= RELATIVE_ROUNDING * padded[0]])
    parts = unmeasured.max(axis=0, initial=0.0)
    return [term for term, part in zip(terms, parts, strict=True) if part > MIN_PART]

"""Where along the limited axis the front is looked at."""

from __future__ import annotations


def next_level(current: float, end: float, left: int, *, by_ratio: bool) -> float:
    """Return the first of `left` levels that divide the way from `current` to `end` evenly.

    Parameters
    ----------
    current, end
        Costs; neither is among the levels.
    left
        Number of levels to come, at least 1.
    by_ratio
        Divide by equal ratios, where both costs are above 0, instead of by equal steps.

    Examples
    --------
    >>> next_level(1.0, 8.0, 2, by_ratio=True)
    2.0
    >>> next_level(-0.7, -0.5, 1, by_ratio=False)
    -0.6
    """
    share = 1.0 / (left + 1)
    if by_ratio and current > 0.0 and end > 0.0:
        return float(current * (end / current) ** share)
    return current + share * (end - current)

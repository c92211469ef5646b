"""Which limits conflict: a smallest set, by halves, so that many pools take few proofs."""

from __future__ import annotations

from collections.abc import Callable

from planner.limits.limit import Limit


def smallest_conflict(
    limits: list[Limit], conflicting: Callable[[list[Limit]], bool]
) -> list[Limit]:
    """Return limits of which none can be left out, those that come first preferred.

    Takes some 2 c log(m / c) proofs for c of m limits, where leaving out one after the other takes
    m. Where a proof is missing, a limit stays that might be left out.

    Parameters
    ----------
    limits
        Limits that are known to conflict.
    conflicting
        Whether it is proven that some of them alone conflict.

    Notes
    -----
    QuickXplain: Junker, Preferred explanations and relaxations for over-constrained problems,
    AAAI 2004.

    Examples
    --------
    >>> smallest_conflict([1, 2, 3, 4, 5, 6], lambda kept: {2, 5} <= set(kept))
    [2, 5]
    >>> smallest_conflict([1, 2, 3, 4, 5, 6], lambda kept: False)
    [1, 2, 3, 4, 5, 6]
    """

    def of(kept: list[Limit], rest: list[Limit], *, more: bool) -> list[Limit]:
        """Return the fewest of the rest that conflict with what is kept; `more` was just kept."""
        if more and conflicting(kept):
            return []
        if len(rest) == 1:
            return rest
        half = (len(rest) + 1) // 2
        first, second = rest[:half], rest[half:]
        of_second = of(kept + first, second, more=True)
        return of(kept + of_second, first, more=bool(of_second)) + of_second

    return of([], limits, more=False) if limits else []

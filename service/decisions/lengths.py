"""Lengths of answers by LLM and route, learned from what came."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict

LEAST = 30
"""Answers from which a mean is used."""
MOST_ROUTES = 1000
EDGES = tuple(round(2.0 ** (step / 4)) for step in range(4 * 17 + 1))
"""Upper ends of the bins: quarter powers of two up to 131,072 tokens."""
_FORGET_AT = 4096


class OutputLengths:
    """Histograms, bounded in number, old answers forgotten by halving.

    Examples
    --------
    >>> lengths = OutputLengths()
    >>> for _ in range(40):
    ...     lengths.add("a", None, 100)
    >>> lengths.mean("a", None, None), lengths.mean("a", None, 50.0), lengths.mean("b", None, None)
    (100.0, 50.0, None)
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str | None], list[list[float]]] = OrderedDict()

    def add(self, llm: str, route: str | None, tokens: float) -> None:
        """Count an answer."""
        for key in {(llm, route), (llm, None)}:
            bins = self._known.setdefault(key, [[0.0, 0.0] for _ in range(len(EDGES) + 1)])
            self._known.move_to_end(key)
            one = bins[bisect_right(EDGES, tokens)]
            one[0] += 1.0
            one[1] += tokens
            if sum(count for count, _ in bins) >= _FORGET_AT:
                for each in bins:
                    each[0] *= 0.5
                    each[1] *= 0.5
        while len(self._known) > MOST_ROUTES:
            self._known.popitem(last=False)

    def mean(self, llm: str, route: str | None, limit: float | None) -> float | None:
        """Return the mean length, cut at a limit; None where too few answers are known."""
        for key in ((llm, route), (llm, None)):
            bins = self._known.get(key)
            if bins is None or sum(count for count, _ in bins) < LEAST:
                continue
            cut = limit if limit is not None else float("inf")
            total = sum(count * min(tokens / count, cut) for count, tokens in bins if count > 0)
            return total / sum(count for count, _ in bins)
        return None

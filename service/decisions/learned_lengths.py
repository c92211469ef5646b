"""Lengths of answers by LLM and route, learned from what came."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

MIN_ANSWERS = 30
"""Answers from which the lengths of a route are used."""
MAX_ROUTES = 1000
BIN_EDGES = tuple(round(2.0 ** (step / 4)) for step in range(4 * 17 + 1))
"""Upper ends of the bins: quarter powers of two up to 131,072 tokens."""
HALVED_AT = 4096.0


@dataclass
class LengthHistogram:
    """Histogram of the answers of one LLM on one route; old ones are forgotten by halving."""

    answers: float = 0.0
    _counts: list[float] = field(default_factory=lambda: [0.0] * (len(BIN_EDGES) + 1))
    _tokens: list[float] = field(default_factory=lambda: [0.0] * (len(BIN_EDGES) + 1))

    def add(self, tokens: float) -> None:
        """Count an answer."""
        bin_ = bisect_right(BIN_EDGES, tokens)
        self._counts[bin_] += 1.0
        self._tokens[bin_] += tokens
        self.answers += 1.0
        if self.answers >= HALVED_AT:
            self._counts = [0.5 * one for one in self._counts]
            self._tokens = [0.5 * one for one in self._tokens]
            self.answers *= 0.5

    def mean(self, limit: float | None = None) -> float:
        """Return the mean length, answers cut at a limit."""
        cut = inf if limit is None else limit
        return sum(count * min(mean, cut) for count, mean in self._bins()) / self.answers

    def quantile(self, share: float, limit: float | None = None) -> float:
        """Return the length that a share of the answers does not exceed, cut at a limit."""
        seen, longest = 0.0, 0.0
        for count, mean in self._bins():
            seen += count
            longest = mean
            if seen >= share * self.answers:
                break
        return longest if limit is None else min(longest, limit)

    def _bins(self) -> Iterator[tuple[float, float]]:
        """Yield the number and mean length of the answers of each bin that has any."""
        for count, tokens in zip(self._counts, self._tokens, strict=True):
            if count > 0.0:
                yield count, tokens / count


class LearnedLengths:
    """Lengths of answers by LLM and route, bounded in number: those of long ago go first.

    Examples
    --------
    >>> lengths = LearnedLengths()
    >>> for _ in range(40):
    ...     lengths.add("a", None, 100)
    >>> lengths.of("a", "chat").mean(), lengths.of("a", None).mean(50.0), lengths.of("b", None)
    (100.0, 50.0, None)
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str | None], LengthHistogram] = OrderedDict()

    def add(self, llm: str, route: str | None, tokens: float) -> None:
        """Count an answer, for its route and for the LLM as a whole."""
        for key in {(llm, route), (llm, None)}:
            found = self._known.pop(key, None) or LengthHistogram()
            found.add(tokens)
            self._known[key] = found
        while len(self._known) > MAX_ROUTES:
            self._known.popitem(last=False)

    def of(self, llm: str, route: str | None) -> LengthHistogram | None:
        """Return the lengths of a route, else of the LLM; None where too few are known."""
        for key in ((llm, route), (llm, None)):
            found = self._known.get(key)
            if found is not None and found.answers >= MIN_ANSWERS:
                return found
        return None

    def __iter__(self) -> Iterator[tuple[tuple[str, str | None], LengthHistogram]]:
        """Iterate over all histograms, in order of their names."""
        return iter(sorted(self._known.items(), key=lambda item: (item[0][0], item[0][1] or "")))

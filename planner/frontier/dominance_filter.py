"""Which candidates are sent: in order, and none that another one known by then dominates.

A candidate is held back until its successor is known, which is the one most likely to beat it.
Where a proof of optimality is missing, a still later plan may beat one that was sent: it is kept
apart for the summary, so that what was sent stays in order and mutually non-dominated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from planner.frontier.points import Candidate, FrontPoint, Late

COST_TOLERANCE = 1e-9
"""Relative difference of two costs that is taken for rounding, as in the evaluation of limits."""


class Costs(Protocol):
    """What one plan costs on either axis."""

    @property
    def limited_cost(self) -> float:
        """Cost on the limited axis."""

    @property
    def minimised_cost(self) -> float:
        """Cost on the minimised axis."""


def as_good(one: Costs, other: Costs) -> bool:
    """Whether one plan is at least as good as another on both axes, but for rounding."""
    return at_most(one.limited_cost, other.limited_cost) and at_most(
        one.minimised_cost, other.minimised_cost
    )


def at_most(cost: float, other: float) -> bool:
    """Whether a cost is at most another, but for rounding."""
    return cost <= other + COST_TOLERANCE * max(abs(cost), abs(other))


@dataclass
class DominanceFilter:
    """Lets candidates through, in ascending or descending order of the limited cost.

    `loosening` says whether they come by rising limited cost. `dominated` counts those dropped,
    `late` has what came too late to be sent in order.
    """

    loosening: bool
    dominated: int = 0
    late: list[Late] = field(default_factory=list)
    _sent: list[Candidate] = field(default_factory=list)
    _held: Candidate | None = None

    def offer(self, candidate: Candidate) -> list[FrontPoint]:
        """Take the next candidate; return the points that can be sent now."""
        beaten = [i for i, sent in enumerate(self._sent) if as_good(candidate, sent)]
        known = self._sent if self._held is None else [*self._sent, self._held]
        if any(as_good(other, candidate) for other in known):
            self.dominated += 1
            if self._held is not None and as_good(candidate, self._held):
                # The same totals, found again: the better proof is kept.
                self._held = min(self._held, candidate, key=lambda one: one.gap)
        elif beaten or (self._sent and not self._follows(candidate, self._sent[-1])):
            self.late.append(Late(candidate, tuple(beaten)))
        elif self._held is None:
            self._held = candidate
        elif as_good(candidate, self._held):
            self.dominated += 1
            self._held = candidate
        elif self._follows(candidate, self._held):
            ready, self._held = self._held, candidate
            return self._send(ready)
        else:
            return self._send(candidate)
        return []

    def close(self) -> list[FrontPoint]:
        """Return what is still held back: no candidate comes any more."""
        held, self._held = self._held, None
        return [] if held is None else self._send(held)

    @property
    def count(self) -> int:
        """Number of points sent."""
        return len(self._sent)

    def _follows(self, candidate: Candidate, other: Candidate) -> bool:
        later = candidate.limited_cost > other.limited_cost
        return later == self.loosening

    def _send(self, candidate: Candidate) -> list[FrontPoint]:
        self._sent.append(candidate)
        return [FrontPoint(len(self._sent) - 1, candidate)]

"""Limits that mend a conflict only together: all are loosened by one common share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isfinite, sqrt

from service.planning.clock import Deadline
from service.planning.errors import Relaxation
from service.planning.explanation.aiming import Found
from service.planning.explanation.brackets import ATTEMPT_S, WIDE, Attempt
from service.planning.explanation.extremes import proven_extreme
from service.planning.explanation.knobs import Knob, keep_own_order
from service.planning.problem import PlacementProblem
from service.planning.schedule.dealing import deal
from service.planning.schedule.evaluation import evaluate
from service.planning.search.candidates import simple_policies

Prove = Callable[[PlacementProblem, Deadline], bool]
"""Whether it is proven, before a deadline, that a problem has no plan."""
MOST_CUTS = 20
ANY_GAP = 1e6
"""Relative gap within which every plan is."""
MAX_SHARE = 1e6
"""Share by which a limit is loosened that is as good as off."""


@dataclass
class Joint:
    """Closes in on the least share at which a plan exists, from both sides.

    Attributes
    ----------
    share
        A verified plan, `found`, keeps the limits loosened by this share; inf before the first.
    proven
        No plan exists at this share.
    alone
        Tightest values of limits, by name, that plans keep which keep all other limits as given.
    """

    problem: PlacementProblem
    knobs: list[Knob]
    attempt: Attempt
    prove: Prove
    deadline: Deadline
    seed: int
    share: float = float("inf")
    proven: float = 0.0
    found: Found | None = field(default=None, repr=False)
    alone: dict[str, float] = field(default_factory=dict)

    def compare_policies(self) -> None:
        """Take the simple policy that needs least: known at once, where a search takes seconds."""
        free = self._turned(None)
        for _, placement in simple_policies(free, self.seed):
            if placement is not None:
                schedule = deal(free, placement)
                evaluation = evaluate(free, schedule)
                if evaluation.feasible:
                    self._offer((schedule, evaluation))

    def narrow(self, tell: Callable[[], None]) -> None:
        """Try shares between both sides until they are close or time is out."""
        low = self.proven
        for _ in range(MOST_CUTS):
            tell()
            wide = (1.0 + self.share) / (1.0 + low) - 1.0 > WIDE
            if not isfinite(self.share) or not wide or self.deadline.passed():
                return
            middle = sqrt((1.0 + low) * (1.0 + self.share)) - 1.0
            turned = self._turned(middle)
            if self.prove(turned, self.deadline):
                low = self.proven = middle
            elif not self._offer(self._plan(turned)):
                low = middle

    def relaxations(self) -> Iterator[tuple[Relaxation, ...]]:
        """Yield the limits that have to move and how far, more and more of it proven."""
        if self.found is None:
            return
        moved = self._moved(self.found)
        known = {knob.name: _relaxation(knob, needed, None) for knob, needed in moved}
        yield tuple(known.values())
        for knob, needed in moved:
            known[knob.name] = _relaxation(knob, needed, self._proven_alone(knob))
            yield tuple(known.values())

    def _turned(self, share: float | None) -> PlacementProblem:
        """Return the problem with all limits loosened by a share, or taken off."""
        turned = self.problem
        for knob in self.knobs:
            turned = knob.turn(turned, None if share is None else _by_share(knob, share))
        return turned

    def _plan(self, turned: PlacementProblem) -> Found | None:
        if self.deadline.passed():
            return None
        return self.attempt(turned, min(ATTEMPT_S, self.deadline.left_s), ANY_GAP)

    def _offer(self, found: Found | None) -> bool:
        """Keep a plan if it needs a smaller share; whether there was one."""
        found = found and keep_own_order(self.problem, self.knobs, found)
        if found is None:
            return False
        moved = self._moved(found)
        share = max((_share(knob, value) for knob, value in moved), default=0.0)
        if share < self.share and all(isfinite(value) for _, value in moved):
            self.share, self.found = share, found
        if len(moved) == 1:
            (knob, value), known = moved[0], self.alone.get(moved[0][0].name)
            if known is None or (known - value) * knob.looser > 0.0:
                self.alone[knob.name] = value
        return True

    def _moved(self, found: Found) -> list[tuple[Knob, float]]:
        """Return the limits that a plan does not keep, and how far each would have to move."""
        attained = ((knob, knob.attained(self.problem, *found)) for knob in self.knobs)
        return [(knob, v) for knob, v in attained if (v - knob.given) * knob.looser > 0.0]

    def _proven_alone(self, knob: Knob) -> float | None:
        """Return what a limit needs at least, whatever the others are."""
        alone = self.problem
        for other in self.knobs:
            if other.name != knob.name:
                alone = other.turn(alone, None)
        return proven_extreme(alone, knob, None, self.deadline)


def _relaxation(knob: Knob, needed: float, proven: float | None) -> Relaxation:
    within = sorted((knob.given, needed))
    bound = knob.given if proven is None else min(max(proven, within[0]), within[1])
    return Relaxation(knob.name, float(knob.given), float(needed), float(bound))


def _by_share(knob: Knob, share: float) -> float:
    return knob.given * (1.0 + share) if knob.looser > 0 else knob.given / (1.0 + share)


def _share(knob: Knob, attained: float) -> float:
    """Return the share by which a limit has to be loosened for a plan."""
    given, value = (knob.given, attained) if knob.looser > 0.0 else (attained, knob.given)
    return min(max(0.0, value / given - 1.0), MAX_SHARE) if given > 0.0 else MAX_SHARE

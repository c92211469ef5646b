"""Limits that mend a conflict only together: all are loosened by one common share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.planning.clock import Deadline
from service.planning.errors import Relaxation
from service.planning.explanation.aiming import Found
from service.planning.explanation.brackets import ATTEMPT_S, WIDE, Attempt
from service.planning.explanation.extremes import proven_extreme
from service.planning.explanation.knobs import Knob
from service.planning.problem import PlacementProblem

Prove = Callable[[PlacementProblem, Deadline], bool]
"""Whether it is proven, before a deadline, that a problem has no plan."""
SHARES = tuple(np.geomspace(0.005, 1000.0, 24).tolist())
MOST_CUTS = 12


@dataclass
class Joint:
    """Looks for the least share at which a plan exists, from both sides."""

    problem: PlacementProblem
    knobs: list[Knob]
    attempt: Attempt
    prove: Prove
    deadline: Deadline
    proven: float = 0.0

    def relaxations(self, tell: Callable[[], None]) -> tuple[Relaxation, ...]:
        """Return the limits that have to move, and how far; empty where no plan was found."""
        share, found = self._first(tell)
        if found is None:
            return ()
        for cut in range(MOST_CUTS):
            tell()
            if (1.0 + share) / (1.0 + self.proven) - 1.0 <= WIDE or self.deadline.passed():
                break
            middle = self.proven + (0.25 if cut % 3 == 2 else 0.5) * (share - self.proven)
            closer = self._try(middle)
            if closer is not None:
                share, found = middle, closer
        moved = [(knob, knob.attained(self.problem, *found)) for knob in self.knobs]
        return tuple(
            self._relaxation(knob, _verified(knob, _by_share(knob, share), attained))
            for knob, attained in moved
            if (attained - knob.given) * knob.looser > 0.0
        )

    def _relaxation(self, knob: Knob, needed: float) -> Relaxation:
        """Return how far a limit has to move, proven for whatever the other limits are."""
        alone = self.problem
        for other in self.knobs:
            if other.name != knob.name:
                alone = other.turn(alone, None)
        proven = proven_extreme(alone, knob, None, self.deadline)
        within = sorted((knob.given, needed))
        bound = knob.given if proven is None else min(max(proven, within[0]), within[1])
        return Relaxation(knob.name, float(knob.given), float(needed), float(bound))

    def _first(self, tell: Callable[[], None]) -> tuple[float, Found | None]:
        for share in SHARES:
            tell()
            if self.deadline.passed():
                break
            if (found := self._try(share)) is not None:
                return share, found
        return np.inf, None

    def _try(self, share: float) -> Found | None:
        """Return a plan at a share; None where none was found, or none exists."""
        turned = self.problem
        for knob in self.knobs:
            turned = knob.turn(turned, _by_share(knob, share))
        if self.prove(turned, self.deadline):
            self.proven = max(self.proven, share)
            return None
        return self.attempt(turned, min(ATTEMPT_S, self.deadline.left_s))


def _by_share(knob: Knob, share: float) -> float:
    return knob.given * (1.0 + share) if knob.looser > 0 else knob.given / (1.0 + share)


def _verified(knob: Knob, value: float, attained: float) -> float:
    """Return the tighter of the value tried and what its plan attained; both have a plan."""
    return min(value, attained) if knob.looser > 0 else max(value, attained)

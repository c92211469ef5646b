"""Two sides of what a limit needs: proven from below, attained by a verified plan from above."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isfinite

from service.planning.clock import Deadline
from service.planning.errors import Relaxation
from service.planning.explanation.aiming import Aim, Found
from service.planning.explanation.extremes import proven_extreme
from service.planning.explanation.knobs import Knob, keep_own_order
from service.planning.inputs import Objective
from service.planning.problem import PlacementProblem

Attempt = Callable[[PlacementProblem, float, float], Found | None]
"""Looks for a plan within some seconds, to a relative gap; None where it found none."""
WIDE = 1e-3
"""Width, as a share of what is needed, above which a bracket is worth more time."""
MOST_MISSES = 2
"""Plans in a row that are no better, after which aiming at the limit ends."""
ATTEMPT_S = 3.0
ATTEMPT_GAP = 0.05
"""Relative gap of a plan that only shows where one is: others are aimed at the limit."""
CUTS = (0.5, 0.25, 0.75, 0.125)
"""Where between both sides a value is tried, one after the other; 0 is the proven side."""
MOST_CUTS = 12


@dataclass
class Bracket:
    """What one limit needs, closer and closer.

    Attributes
    ----------
    proven
        No plan keeps a tighter value; None while nothing is proven.
    attained
        A verified plan keeps this value; None while none was found.
    """

    problem: PlacementProblem
    knob: Knob
    attempt: Attempt
    deadline: Deadline
    seed: int = 0
    proven: float | None = None
    attained: float | None = None
    _plans: Iterator[Found] | None = field(default=None, repr=False)
    _misses: int = field(default=0, repr=False)
    _steps: list[Callable[[], None]] = field(default_factory=list, repr=False)
    _cuts: int = field(default=0, repr=False)

    def open(self) -> None:
        """Prove and attain a first value each, unless the limit cannot mend it alone."""
        self._prove(None)
        if self.proven is not None and not isfinite(self.proven):
            self._cuts = MOST_CUTS
            return
        self._plans = Aim(self.problem, self.knob, self.deadline, self.seed).plans(None)
        self._next_plan()
        if self.attained is None:
            self._attempt(None)
        if self.knob.kind in ("cap", "quality"):
            self._steps.append(self._attempt_open)
        self._steps.append(self._prove_within)

    def tighten(self) -> None:
        """Look for a tighter plan, or prove that there is none, one step further."""
        if self.proven is None or self.attained is None:
            self._cuts = MOST_CUTS
        elif self._plans is not None:
            self._next_plan()
        elif self._steps:
            self._steps.pop(0)()
        else:
            self._cut()

    def _next_plan(self) -> None:
        """Take the next plan that is aimed at the limit, as long as they get better."""
        before, found = self.attained, next(self._plans or iter(()), None)
        if found is not None:
            self._offer(found)
            self._misses = 0 if self.attained != before else self._misses + 1
        if found is None or self._misses == MOST_MISSES:
            self._plans = None

    def _attempt_open(self) -> None:
        self._attempt(None)

    def _prove_within(self) -> None:
        self._prove(self.attained)

    def _cut(self) -> None:
        """Try a value between both sides: no plan may be better, or a plan may be found there."""
        if self.proven is None or self.attained is None:
            return
        share = CUTS[self._cuts % len(CUTS)]
        self._cuts += 1
        value = self.knob.whole(self.proven + share * (self.attained - self.proven))
        if self._prove(value):
            return
        before = self.attained
        for found in Aim(self.problem, self.knob, self.deadline, self.seed).plans(value):
            self._offer(found)
            if self.attained != before:
                return
        self._attempt(value)

    @property
    def width(self) -> float:
        """Distance of both sides as a share of what is needed; inf while one is missing."""
        if self.proven is None or self.attained is None:
            return float("inf")
        size = max(abs(self.attained), abs(self.proven))
        return abs(self.attained - self.proven) / size if size > 0.0 else 0.0

    @property
    def done(self) -> bool:
        """Whether more time would not be spent well."""
        return self.width <= WIDE or self._cuts >= MOST_CUTS or self._one_request_apart

    @property
    def _one_request_apart(self) -> bool:
        if self.proven is None or self.attained is None or self.knob.llm is None:
            return False
        unit = 1.0 if self.knob.counts else 1.0 / self.problem.n
        return abs(self.attained - self.proven) <= unit * (1.0 + 1e-9)

    def relaxation(self) -> Relaxation | None:
        """Return what was proven and attained; None while no plan was, or is no number.

        That the value as given has no plan is proven from the start.
        """
        if self.attained is None or not isfinite(self.attained):
            return None
        name, given = self.knob.name, float(self.knob.given)
        proven = given if self.proven is None else float(self.proven)
        return Relaxation(name, given, float(self.attained), proven)

    def _prove(self, loose: float | None) -> bool:
        """Look only at plans that keep `loose` and raise the proven side; whether none keeps it."""
        found = proven_extreme(self.problem, self.knob, loose, self.deadline)
        if found is None:
            return False
        found = self._no_tighter(found, self.knob.given)
        self.proven = found if self.proven is None else self._no_tighter(found, self.proven)
        return found == loose

    def _attempt(self, loose: float | None) -> None:
        if self.deadline.passed():
            return
        aimed = self.problem
        if self.knob.unit is not None:
            aimed = aimed.with_objective(Objective(minimise=self.knob.unit))
        elif self.knob.kind == "quality":
            aimed = aimed.with_objective(Objective(0.0))
        turned = self.knob.turn(aimed, loose)
        found = self.attempt(turned, min(ATTEMPT_S, self.deadline.left_s), ATTEMPT_GAP)
        if found is not None:
            self._offer(found)

    def _offer(self, found: Found) -> None:
        kept = keep_own_order(self.problem, [self.knob], found)
        if kept is None:
            return
        value = self._no_tighter(self.knob.attained(self.problem, *kept), self.knob.given)
        tighter = self.attained is None or (self.attained - value) * self.knob.looser > 0.0
        if tighter:
            self.attained = value

    def _no_tighter(self, value: float, than: float) -> float:
        return max(value, than) if self.knob.looser > 0.0 else min(value, than)

"""Where decisions are made: the fleet's rows, the policy in force, and the loads."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from secrets import token_hex

from costmodel.one_request import Terms
from service.calls.placement_row import PlacementRow
from service.calls.schemas.decisions import DecisionBody
from service.decisions.calibration import ENERGY, RUNTIME, Calibration
from service.decisions.candidates import Names, Placements
from service.decisions.cost import Cost, cost_of
from service.decisions.learned_lengths import LearnedLengths
from service.decisions.load import Loads
from service.decisions.policy import FORECAST, LEAST_ENERGY, Policy
from service.decisions.quality_price import QualityPriceController
from service.decisions.rule import (
    Decision,
    Prices,
    Quote,
    Requirements,
    decide,
    level_of,
    may_serve,
    quote_of,
    why_none,
)
from service.decisions.token_estimate import (
    OpenDecision,
    TokenEstimate,
    estimate_tokens,
    requirements_of,
)
from service.decisions.tokenizers import Tokenizers
from service.decisions.traffic import Traffic, observed_request
from service.problems import Problem, ProblemError, invalid

MAX_OPEN = 100_000
"""Decisions whose pool and concurrency are remembered until their actuals come."""


@dataclass(frozen=True)
class DecisionRecord:
    """A decision, and what it rests on.

    Attributes
    ----------
    decision_id
        Names it in actuals.
    decision
        The rule's.
    policy
        In force.
    tokens
        Reckoned with.
    names
        The gateway's own name of a placement, by LLM and pool.
    unknown
        What the fleet does not have of the candidates, in a sentence; None where it has all.
    """

    decision_id: str
    decision: Decision
    policy: Policy
    tokens: TokenEstimate
    names: Names
    unknown: str | None = None


class DecisionService:
    """Makes decisions; one for each app, used by its event loop alone.

    Parameters
    ----------
    tokenizers
        Of the LLMs that have one.
    min_mean_quality
        Floor of the fallback; None for none.
    clock
        Monotonic seconds.
    wall_clock
        Unix time [s].

    Attributes
    ----------
    lengths
        Of answers, as actuals told.
    calibration
        Bias of predictions, as measurements show it, likewise.
    traffic
        What was asked lately.
    """

    def __init__(
        self,
        tokenizers: Tokenizers | None = None,
        min_mean_quality: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._tokenizers = tokenizers or Tokenizers()
        self._clock, self._wall_clock = clock, wall_clock
        self._placements: Placements | None = None
        self._fallback = replace(LEAST_ENERGY, min_mean_quality=min_mean_quality)
        self._policy = self._fallback
        self._tell_policy: Callable[[Policy | None], None] = lambda _: None
        self._controller = QualityPriceController()
        self._loads = Loads()
        self._open: OrderedDict[str, OpenDecision] = OrderedDict()
        self.lengths = LearnedLengths()
        self.calibration = Calibration()
        self.traffic = Traffic()

    def load(self, rows: tuple[PlacementRow, ...]) -> None:
        """Take over the rows of the fleet that is loaded now."""
        self._placements = Placements(rows)
        self.calibration.take_over({(row.llm, row.device): row.cost_model for row in rows})
        self.traffic.keep({(row.llm, row.pool) for row in rows})

    def publish(self, policy: Policy | None) -> None:
        """Put a policy in force, None for the fallback."""
        self._policy = policy or self._fallback
        self._tell_policy(policy)

    def on_policy(self, tell: Callable[[Policy | None], None]) -> None:
        """Tell of each policy that is put in force from now on, None for the fallback."""
        self._tell_policy = tell

    @property
    def policy(self) -> Policy:
        """The policy in force; the fallback where it has expired."""
        return self._fallback if self._policy.expired(self._wall_clock()) else self._policy

    @property
    def quality_price(self) -> float:
        """Joules per token and unit of score, as it is steered now."""
        return self._controller.price(self.policy)

    @property
    def llms(self) -> tuple[str, ...]:
        """Names of the fleet's LLMs, in its order."""
        return () if self._placements is None else self._placements.llms

    @property
    def pools(self) -> frozenset[str]:
        """Names of the fleet's pools."""
        return frozenset() if self._placements is None else self._placements.pools

    @property
    def highest_quality(self) -> float | None:
        """The highest score of the fleet's LLMs; None where none has one."""
        return None if self._placements is None else self._placements.highest_quality

    def idle_power(self) -> Mapping[str, tuple[int, float | None]]:
        """Return the devices of each pool, and the idle watts of one."""
        groups = () if self._placements is None else self._placements.groups
        return {one[0].pool: (one[0].devices, one[0].idle_watts) for one in groups}

    def policy_age_s(self) -> float:
        """Return the seconds since the last policy was made.

        0 where there is none: a forecast that has run out is none.
        """
        made_at, now = self._policy.made_at, self._wall_clock()
        if made_at is None or self._ran_out(now):
            return 0.0
        return now - made_at

    def policy_expired(self) -> bool:
        """Say whether somebody's policy, a plan or weights, was the last one and has expired."""
        now = self._wall_clock()
        return self._policy.expired(now) and not self._ran_out(now)

    def _ran_out(self, now: float) -> bool:
        # Where traffic falls no forecast follows the last one, and nobody owes another.
        return self._policy.source == FORECAST and self._policy.expired(now)

    def decide(self, body: DecisionBody) -> DecisionRecord:
        """Make one decision.

        Raises
        ------
        ProblemError
            422 where no candidate is known or may serve the request, 503 before a fleet is loaded.
        """
        groups, names = self._fleet().candidates(body)
        decision_id = body.id or token_hex(16)
        self._let_go(decision_id)
        tokens = estimate_tokens(body, groups[0][0].llm, self.lengths, self._tokenizers)
        policy, now = self.policy, self._clock()
        requirements, prices = requirements_of(body, tokens), self._prices(policy)
        decision = decide(groups, requirements, prices, self._loads, now, self._predict)
        if decision is None:
            raise invalid([why_none(groups, requirements)])
        cost, row = decision.chosen.cost, decision.chosen.cost.row
        ends_at = now + decision.chosen.wait_s + cost.runtime_s
        slots = decision.chosen.slots
        self._loads.of(row.pool, now).enter(decision_id, now, ends_at, slots)
        self._open[decision_id] = OpenDecision(
            row.pool, row.concurrency, requirements.terms.prompts, requirements.terms.choices
        )
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        self._controller.add(policy, requirements.terms.tokens, row.quality, cost.energy_j)
        self.traffic.add(
            observed_request(now, groups, requirements, self._predict), tokens.prompts.size
        )
        unknown = self._fleet().unknown(body)
        return DecisionRecord(decision_id, decision, policy, tokens, names, unknown)

    def prices(self, terms: Terms) -> list[Quote]:
        """Return what each LLM on each pool would offer a request now; nothing is decided.

        Parameters
        ----------
        terms
            Of the request's tokens. What its length does not fit is left out.

        Raises
        ------
        ProblemError
            503 before a fleet is loaded.
        """
        requirements, prices, now = (
            Requirements(terms, terms),
            self._prices(self.policy),
            self._clock(),
        )
        return [
            quote_of(
                rows, requirements, prices, self._loads.of(rows[0].pool, now), now, self._predict
            )
            for rows in self._fleet().groups
            if may_serve(rows[0], requirements)
        ]

    def decided(self, decision_id: str | None) -> OpenDecision | None:
        """Return what is remembered of a decision, None where it is not known."""
        return self._open.get(decision_id or "")

    def ended(self, decision_id: str, pool: str) -> None:
        """Let a decision's load go, from the pool that it ran on and the one that was decided.

        What it was decided to be is known until `forget`.
        """
        decided = self._open.get(decision_id)
        for one in {pool, pool if decided is None else decided.pool}:
            self._loads.leave(decision_id, one)

    def forget(self, decision_id: str) -> None:
        """Forget a decision that has ended; harmless for one that is not known."""
        self._open.pop(decision_id, None)

    def predicted(
        self,
        llm: str,
        pool: str,
        terms: Terms | None,
        decision_id: str | None,
        concurrency: float | None = None,
    ) -> tuple[Cost, bool] | None:
        """Return what a request should have taken, without corrections.

        Parameters
        ----------
        llm, pool
            Where it ran.
        terms
            Of its tokens as they came: what was wrong with an estimate of them is not the cost
            model's fault. None where they are not told.
        decision_id
            Of the decision, for the concurrency that it went by.
        concurrency
            That it ran at: as for decisions, the least level that holds it counts. None for the
            decision's.

        Returns
        -------
        tuple of Cost and bool, or None
            Whether its concurrency is known: where it is not, the cost is that of the pool's
            largest. None where the fleet has no such placement, or tokens are not told.
        """
        group = None if self._placements is None else self._placements.group(llm, pool)
        if group is None or terms is None:
            return None
        if concurrency is None:
            decided = self._open.get(decision_id or "", ())[:2]
            row = next((row for row in group if (pool, row.concurrency) == decided), None)
        else:
            row = level_of(group, concurrency)
        return cost_of(row or group[-1], terms), row is not None or len(group) == 1

    def _let_go(self, decision_id: str) -> None:
        decided = self._open.pop(decision_id, None)
        if decided is not None:
            self._loads.leave(decision_id, decided.pool)

    def _fleet(self) -> Placements:
        if self._placements is None:
            raise ProblemError(Problem("not-ready", "No fleet is loaded yet.", retry_after_s=2))
        return self._placements

    def _prices(self, policy: Policy) -> Prices:
        return Prices(policy.joules_per_device_second, self._controller.price(policy))

    def _predict(self, row: PlacementRow, terms: Terms) -> Cost:
        if not self.calibration.pairs:
            return cost_of(row, terms)
        energy = self.calibration.factor(row.llm, row.device, ENERGY)
        return cost_of(row, terms, energy, self.calibration.factor(row.llm, row.device, RUNTIME))

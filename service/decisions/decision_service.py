"""Where decisions are made: the fleet's placements, the policy in force, and the loads."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex

from costmodel.one_request import Terms
from service.calls.placement_row import PlacementRow
from service.calls.schemas.decisions import DecisionBody
from service.decisions.calibration import ENERGY, RUNTIME, Calibration
from service.decisions.cost import Cost, cost_of
from service.decisions.grouped_placements import GroupedPlacements, Names
from service.decisions.learned_lengths import LearnedLengths
from service.decisions.load import Loads
from service.decisions.policy import FORECAST, LEAST_ENERGY, Policy
from service.decisions.quality_price import QualityPriceController
from service.decisions.rule import Group, Prices, Quote, Requirements, level_of, quotes_of, why_none
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
        Name of the decision in actuals.
    quotes
        Quotes of all that may serve the request, the best first.
    policy
        Policy that was in force.
    tokens
        Tokens that it went by.
    names
        The gateway's own name of a placement, by LLM and pool.
    unknown
        What the fleet does not have of the candidates, in a sentence; None where it has all.
    """

    decision_id: str
    quotes: Sequence[Quote]
    policy: Policy
    tokens: TokenEstimate
    names: Names
    unknown: str | None = None

    @property
    def chosen(self) -> Quote:
        """The cheapest that ends in time; where none does, the one that ends first."""
        return self.quotes[0]

    @property
    def runner_up(self) -> Quote | None:
        """The next best, on another LLM or pool; None where there is none."""
        return self.quotes[1] if len(self.quotes) > 1 else None


class DecisionService:
    """Makes decisions; one for each app, used by its event loop alone.

    Parameters
    ----------
    tokenizers
        Tokenizers of the LLMs that have one.
    min_mean_quality
        Floor of the fallback; None for none.
    clock
        Returns monotonic seconds.
    wall_clock
        Returns the Unix time [s].

    Attributes
    ----------
    placements
        Placements of the fleet; none before one is loaded.
    lengths
        Lengths of answers, learned of actuals.
    calibration
        Bias of predictions, learned of actuals.
    traffic
        Requests of late.
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
        self._fallback = replace(LEAST_ENERGY, min_mean_quality=min_mean_quality)
        self._policy = self._fallback
        self._on_policy: Callable[[Policy | None], None] = lambda _: None
        self._controller = QualityPriceController()
        self._loads = Loads()
        self._open: OrderedDict[str, OpenDecision] = OrderedDict()
        self._loaded = False
        self.placements = GroupedPlacements(())
        self.lengths = LearnedLengths()
        self.calibration = Calibration()
        self.traffic = Traffic()

    def load(self, rows: tuple[PlacementRow, ...]) -> None:
        """Go by the placements of another fleet from now on."""
        self.placements, self._loaded = GroupedPlacements(rows), True
        self.calibration.load({(row.llm, row.device): row.cost_model for row in rows})
        self.traffic.keep({(row.llm, row.pool) for row in rows})

    def publish(self, policy: Policy | None) -> None:
        """Put a policy in force, None for the fallback."""
        self._policy = policy or self._fallback
        self._on_policy(policy)

    def on_policy(self, notify: Callable[[Policy | None], None]) -> None:
        """Notify of each policy that is put in force from now on, None for the fallback."""
        self._on_policy = notify

    @property
    def policy(self) -> Policy:
        """The policy in force; the fallback where it has expired."""
        return self._fallback if self._policy.expired(self._wall_clock()) else self._policy

    @property
    def quality_price(self) -> float:
        """Joules per token and unit of score, as they are controlled now."""
        return self._controller.price(self.policy)

    def policy_age_s(self) -> float:
        """Return the seconds since the last policy was made.

        0 where there is none: a forecast that has run out is none.
        """
        made_at, now = self._policy.made_at, self._wall_clock()
        return 0.0 if made_at is None or self._ran_out(now) else now - made_at

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
            If no candidate is known or may serve the request (422), or no fleet is loaded yet
            (503).
        """
        self._check_loaded()
        groups, names = self.placements.candidates(body)
        decision_id = body.id or token_hex(16)
        self._replace(decision_id)
        tokens = estimate_tokens(body, groups[0][0].llm, self.lengths, self._tokenizers)
        policy, now = self.policy, self._clock()
        requirements = requirements_of(body, tokens)
        quotes = self._quotes(groups, requirements, policy, now)
        quotes.sort(key=lambda quote: quote.rank)
        if not quotes:
            raise invalid([why_none(groups, requirements)])
        chosen, terms = quotes[0], requirements.terms
        cost, row = chosen.cost, chosen.cost.row
        ends_at = now + chosen.wait_s + cost.runtime_s
        self._loads.of(row.pool, now).enter(decision_id, now, ends_at, chosen.slots)
        self._open[decision_id] = OpenDecision(
            row.pool, row.concurrency, terms.prompts, terms.choices
        )
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        self._controller.add(policy, terms.tokens, row.quality, cost.energy_j)
        observed = observed_request(now, groups, requirements, self._predict)
        self.traffic.add(observed, tokens.prompts.size)
        unknown = self.placements.unknown(body)
        return DecisionRecord(decision_id, quotes, policy, tokens, names, unknown)

    def prices(self, terms: Terms) -> list[Quote]:
        """Return what each LLM on each pool would offer a request now; nothing is decided.

        Those whose context does not hold its tokens are left out.

        Raises
        ------
        ProblemError
            If no fleet is loaded yet (503).
        """
        self._check_loaded()
        groups, requirements = self.placements.groups, Requirements(terms, terms)
        return self._quotes(groups, requirements, self.policy, self._clock())

    def decided(self, decision_id: str | None) -> OpenDecision | None:
        """Return what is remembered of a decision, None where it is not known."""
        return self._open.get(decision_id or "")

    def ended(self, decision_id: str, pool: str) -> None:
        """Take a decision's load away, from the pool that it ran on and the one that was decided.

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
            Functions of its tokens as they came: what was wrong with an estimate of them is not the
            cost model's fault. None where they are not known.
        decision_id
            Name of the decision, for the concurrency that it went by.
        concurrency
            Concurrency that it ran at: as for decisions, the least level that holds it counts. None
            for the decision's.

        Returns
        -------
        tuple of Cost and bool, or None
            Whether its concurrency is known: where it is not, the cost is that of the pool's
            largest. None where the fleet has no such placement, or tokens are not known.
        """
        group = self.placements.group(llm, pool)
        if group is None or terms is None:
            return None
        if concurrency is None:
            decided = self._open.get(decision_id or "", ())[:2]
            row = next((row for row in group if (pool, row.concurrency) == decided), None)
        else:
            row = level_of(group, concurrency)
        return cost_of(row or group[-1], terms), row is not None or len(group) == 1

    def _replace(self, decision_id: str) -> None:
        """Take an earlier decision of the same name away."""
        decided = self._open.pop(decision_id, None)
        if decided is not None:
            self._loads.leave(decision_id, decided.pool)

    def _check_loaded(self) -> None:
        if not self._loaded:
            raise ProblemError(Problem("not-ready", "No fleet is loaded yet.", retry_after_s=2))

    def _quotes(
        self, groups: Sequence[Group], requirements: Requirements, policy: Policy, now: float
    ) -> list[Quote]:
        prices = Prices(policy.joules_per_device_second, self._controller.price(policy))
        return quotes_of(groups, requirements, prices, self._loads, now, self._predict)

    def _predict(self, row: PlacementRow, terms: Terms) -> Cost:
        if not self.calibration.pairs:
            return cost_of(row, terms)
        energy = self.calibration.factor(row.llm, row.device, ENERGY)
        return cost_of(row, terms, energy, self.calibration.factor(row.llm, row.device, RUNTIME))

"""Where decisions are made: the fleet's rows, the policy in force, and the loads."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from service.actuals.evidence import ENERGY, RUNTIME, Evidence
from service.decisions.lengths import OutputLengths
from service.decisions.load import Loads
from service.decisions.policy import LEAST_JOULES, PLAN, Policy
from service.decisions.rule import (
    Decision,
    Option,
    Wanted,
    decide,
    levels,
    may_serve,
    option_of,
)
from service.decisions.table import Cost, Row, Terms, cost_of
from service.decisions.tokens import (
    CHARACTERS,
    DEFAULT,
    DEFAULT_OUTPUT_TOKENS,
    GIVEN,
    LEARNED,
    LIMIT,
    Tokens,
    input_tokens,
    output_limit,
)
from service.problems import FieldError, Problem, ProblemError, invalid
from service.schemas.decisions import CandidateBody, DecisionBody
from service.workers.messages import PublishedPrices

Group = tuple[Row, ...]
MOST_OPEN = 100_000
"""Decisions whose concurrency is remembered until their actuals come."""


@dataclass(frozen=True)
class Made:
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
    """

    decision_id: str
    decision: Decision
    policy: Policy
    tokens: Tokens
    names: dict[tuple[str, str], str | None]


class DecisionDesk:
    """Makes decisions; one for each app, used by its event loop alone.

    Attributes
    ----------
    lengths
        Of answers, as actuals told.
    evidence
        Ratios of measurements to predictions, likewise.
    """

    def __init__(self) -> None:
        self._rows: tuple[Row, ...] | None = None
        self._groups: dict[tuple[str, str], Group] = {}
        self._policy = LEAST_JOULES
        self._loads = Loads()
        self._open: OrderedDict[str, int] = OrderedDict()
        self.lengths = OutputLengths()
        self.evidence = Evidence()

    def load(self, rows: tuple[Row, ...]) -> None:
        """Take over the rows of the fleet that is loaded now."""
        self._rows = rows
        self._groups = {(group[0].llm, group[0].pool): group for group in levels(rows)}

    def publish(self, policy: Policy) -> None:
        """Put a policy in force."""
        self._policy = policy

    @property
    def policy(self) -> Policy:
        """The policy in force; the fallback where it has expired."""
        return LEAST_JOULES if self._policy.expired(time.time()) else self._policy

    def policy_age_s(self) -> float:
        """Return the seconds since the policy in force was made; 0 for the fallback."""
        made_at = self.policy.made_at
        return 0.0 if made_at is None else time.time() - made_at

    def decide(self, body: DecisionBody) -> Made:
        """Make one decision.

        Raises
        ------
        ProblemError
            422 where no candidate is known or may serve the request, 503 before a fleet is loaded.
        """
        self._require_a_fleet()
        groups, names = self._candidates(body)
        tokens = self._tokens(body, groups)
        terms = Terms(tokens.input_tokens, tokens.output_tokens)
        policy, now = self.policy, time.monotonic()
        wanted = Wanted(terms, body.deadline_seconds, body.min_quality)
        decision = decide(groups, wanted, policy, self._loads, now, self._predict)
        if decision is None:
            message = "Expected a candidate whose context and quality suffice, got none."
            raise invalid([FieldError("/candidates", message)])
        decision_id = body.id or uuid4().hex
        cost, row = decision.chosen.cost, decision.chosen.cost.row
        gone_at = now + decision.chosen.wait_s + cost.runtime_s
        self._loads.of(row.pool, now).enter(decision_id, cost.device_seconds, gone_at)
        self._open[decision_id] = row.concurrency
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        return Made(decision_id, decision, policy, tokens, names)

    def prices(self, terms: Terms) -> list[Option]:
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
        self._require_a_fleet()
        wanted, policy, now = Wanted(terms), self.policy, time.monotonic()
        return [
            option_of(rows, wanted, policy, self._loads.of(rows[0].pool, now), self._predict)
            for rows in self._groups.values()
            if may_serve(rows[0], wanted)
        ]

    def ended(self, decision_id: str, pool: str) -> None:
        """Let a decision's load go."""
        self._loads.leave(decision_id, pool)

    def predicted(
        self,
        llm: str,
        pool: str,
        input_tokens: float | None,
        output_tokens: float | None,
        decision_id: str | None,
    ) -> Cost | None:
        """Return what a request should have taken, without corrections.

        Parameters
        ----------
        llm, pool
            Where it ran.
        input_tokens, output_tokens
            As they came: what was wrong with an estimate of them is not the cost model's fault.
        decision_id
            Of the decision, for the concurrency that it reckoned with; the pool's largest where
            that is not known.

        Returns
        -------
        Cost or None
            None where the fleet has no such placement, or tokens are not told.
        """
        group = self._groups.get((llm, pool))
        if group is None or input_tokens is None or output_tokens is None:
            return None
        level = self._open.pop(decision_id or "", group[-1].concurrency)
        row = next((row for row in group if row.concurrency == level), group[-1])
        return cost_of(row, Terms(input_tokens, output_tokens))

    def _require_a_fleet(self) -> None:
        if self._rows is None:
            raise ProblemError(Problem("not-ready", "No fleet is loaded yet.", retry_after_s=2))

    def _predict(self, row: Row, terms: Terms) -> Cost:
        energy, runtime = (
            self.evidence.factor(row.llm, row.device, quantity) for quantity in (ENERGY, RUNTIME)
        )
        return cost_of(row, terms, energy, runtime)

    def _candidates(
        self, body: DecisionBody
    ) -> tuple[Sequence[Group], dict[tuple[str, str], str | None]]:
        asked = body.candidates
        if asked is None:
            llm = body.llm or str((body.request or {}).get("model"))
            found: dict[tuple[str, str], str | None] = {
                key: None for key in self._groups if key[0] == llm
            }
            if not found:
                raise invalid([FieldError("/llm", f"Expected an LLM of the fleet, got {llm!r}.")])
        else:
            found = {key: one.name for one in asked for key in self._keys(one)}
            if body.llm is not None:
                found = {key: name for key, name in found.items() if key[0] == body.llm}
            if not found:
                message = "Expected a candidate that the fleet has, got none."
                raise invalid([FieldError("/candidates", message)])
        return [self._groups[key] for key in found], found

    def _keys(self, candidate: CandidateBody) -> list[tuple[str, str]]:
        if candidate.pool is not None:
            key = candidate.llm, candidate.pool
            return [key] if key in self._groups else []
        return [key for key in self._groups if key[0] == candidate.llm]

    def _tokens(self, body: DecisionBody, groups: Sequence[Group]) -> Tokens:
        request = body.request or {}
        if body.input_tokens is not None:
            tin, tin_from = float(body.input_tokens), GIVEN
        else:
            tin, tin_from = input_tokens(request), CHARACTERS
        if body.output_tokens is not None:
            return Tokens(tin, float(body.output_tokens), tin_from, GIVEN)
        limit = output_limit(request)
        learned = self.lengths.mean(groups[0][0].llm, body.route, limit)
        if learned is not None:
            return Tokens(tin, learned, tin_from, LEARNED)
        if limit is not None:
            return Tokens(tin, limit, tin_from, LIMIT)
        return Tokens(tin, DEFAULT_OUTPUT_TOKENS, tin_from, DEFAULT)


def policy_of(prices: PublishedPrices, now: float, lifetime_s: float) -> Policy:
    """Return the policy that a published plan makes.

    Parameters
    ----------
    prices
        Of the plan.
    now
        Unix time [s].
    lifetime_s
        Until it expires [s].
    """
    return Policy(
        source=PLAN,
        joules_per_device_second=dict(prices.joules_per_device_second),
        joules_per_quality_token=prices.joules_per_quality_token,
        made_at=now,
        expires_at=now + lifetime_s,
        plan_id=prices.plan_id,
    )

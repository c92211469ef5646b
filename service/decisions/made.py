"""A decision as it is answered, counted and told."""

from __future__ import annotations

from dataclasses import dataclass

from service.decisions.candidates import Names
from service.decisions.policy import Policy
from service.decisions.rule import Decision
from service.decisions.token_estimate import TokenEstimate


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
    unknown
        What the fleet does not have of the candidates, in a sentence; None where it has all.
    """

    decision_id: str
    decision: Decision
    policy: Policy
    tokens: TokenEstimate
    names: Names
    unknown: str | None = None

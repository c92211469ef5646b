"""What a key may do: read, plan, set the policy."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from service.problems import Problem, ProblemError

Scope = Literal["read", "plan", "policy"]

READ: Scope = "read"
PLAN: Scope = "plan"
POLICY: Scope = "policy"
SCOPES = (READ, PLAN, POLICY)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Paths that are asked by what keeps the service alive; their answers are worth no key."""
_POLICY_PATH = "/policy"


def scopes_for(method: str, path: str) -> tuple[Scope, ...]:
    """Return the scopes any of which suffices for a call.

    Whoever may plan may read of plans, and whoever may set the policy may read it. The path is
    without the prefix of a version.

    Examples
    --------
    >>> scopes_for("GET", "/placements"), scopes_for("POST", "/decision")
    (('read',), ('plan',))
    >>> scopes_for("GET", "/plans/1"), scopes_for("DELETE", "/plans/1")
    (('read', 'plan'), ('plan',))
    >>> scopes_for("GET", "/policy"), scopes_for("PUT", "/policy")
    (('read', 'policy'), ('policy',))
    """
    if path == _POLICY_PATH:
        return (READ, POLICY) if method in SAFE_METHODS else (POLICY,)
    if method not in SAFE_METHODS:
        return (PLAN,)
    is_of_plans = path == "/plans" or path.startswith("/plans/")
    return (READ, PLAN) if is_of_plans else (READ,)


def insufficient(name: str, wanted: Collection[str]) -> ProblemError:
    """Return the refusal of a key of that name, which has none of the scopes that would suffice."""
    words = " or ".join(wanted)
    challenge = f'Bearer realm="jouleplan", error="insufficient_scope", scope="{" ".join(wanted)}"'
    detail = f"Expected a key with the scope {words}; the key {name} has it not."
    return ProblemError(Problem("forbidden", detail, headers={"WWW-Authenticate": challenge}))

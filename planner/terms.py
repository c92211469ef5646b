"""Terms of a problem that contradict each other or themselves, whatever the requests are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from planner.errors import InvalidProblemError
from planner.inputs import Limits, Placement, Pool, Share


def check_terms(pools: Sequence[Pool], placements: Sequence[Placement], limits: Limits) -> None:
    """Check what pools, placements and limits say of each other.

    Raises
    ------
    InvalidProblemError
        With a pointer to the first term to mend.
    """
    if not placements:
        raise InvalidProblemError("/fleet/pools", "Expected at least one placement, got none.")
    _check_activations(pools)
    _check_shares(limits.shares)


def _check_activations(pools: Sequence[Pool]) -> None:
    for index, pool in enumerate(pools):
        if pool.power_policy == "always_on" and max(pool.activation_j, pool.activation_s) > 0.0:
            raise InvalidProblemError(
                f"/fleet/pools/{index}/activation_joules",
                f"Expected no activation of the always-on pool {pool.name}, whose devices are on "
                "anyway.",
            )


def _check_shares(shares: Mapping[str, Share]) -> None:
    for llm, share in shares.items():
        if share.min > share.max:
            raise InvalidProblemError(
                f"/constraints/shares/{llm}",
                f"Expected min <= max, got {share.min} > {share.max}.",
            )
    if sum(share.min for share in shares.values()) > 1.0 + 1e-9:
        raise InvalidProblemError(
            "/constraints/shares", "Expected minimum shares that sum to at most 1."
        )

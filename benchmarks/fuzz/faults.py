"""What a check found wrong with an answer."""

from __future__ import annotations

import math

TOLERANCE = 1e-6
"""Relative difference of figures that is taken for the rounding of floats and their sums."""
LIMIT_TOLERANCE = 1e-8
"""Relative excess of limits that is taken for rounding; the service keeps them to 1e-9."""


class Faults:
    """Collects sentences, each about one thing that does not hold."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def expect(self, holds: object, message: str) -> bool:
        """Note the message unless it holds; return whether it does."""
        if not holds:
            self.found.append(message)
        return bool(holds)

    def close(self, got: float | None, wanted: float | None, name: str, share: float = 0.0) -> None:
        """Note two figures that differ; `share` is a difference that is let pass beside rounding.

        A sum may be small beside its terms, so `share` is of the size of these.
        """
        if got is None or wanted is None:
            self.expect(got is wanted, f"{name}: expected {wanted}, got {got}")
            return
        same = math.isclose(got, wanted, rel_tol=TOLERANCE, abs_tol=share + 1e-12)
        self.expect(same, f"{name}: expected {wanted!r}, got {got!r}")

    def at_most(
        self, value: float, limit: float, name: str, slack: float = LIMIT_TOLERANCE
    ) -> None:
        """Note a value above a limit."""
        holds = value <= limit + slack * max(abs(limit), 1e-9)
        self.expect(holds, f"{name}: expected at most {limit!r}, got {value!r}")

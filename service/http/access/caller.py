"""Whose call it is, as the routes see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from service.http.access.limits import Limits, Place
from service.http.access.scopes import POLICY, SCOPES


@dataclass(frozen=True)
class Caller:
    """Who calls; without keys everybody is the same, sees everything and may do everything.

    Attributes
    ----------
    owner
        Whose plans it makes and sees; None where there are no keys.
    scopes
        What it may do.
    place
        Of this call among those of its key.
    """

    owner: str | None = None
    scopes: frozenset[str] = frozenset(SCOPES)
    place: Place = field(default_factory=lambda: Place(Limits()))

    @property
    def may_publish(self) -> bool:
        """Whether its plans may become the policy."""
        return POLICY in self.scopes


def caller_of(request: Request) -> Caller:
    """Return whose call it is."""
    found = getattr(request.state, "caller", None)
    return found if isinstance(found, Caller) else Caller()

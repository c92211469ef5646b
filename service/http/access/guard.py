"""Middleware that lets a call in: by its key, within its limits, with a body that comes in time."""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.access.body import Body, BodyLimits
from service.http.access.caller import Caller
from service.http.access.fail_open import refuse_openly
from service.http.access.limits import Place
from service.http.access.ring import KeyRing
from service.problems import ProblemError

#: Asked by what keeps the service alive, and telling nothing that is worth a key.
OPEN_PATHS = ("/healthz", "/readyz")


class Guard:
    """Refuses a call before its body is read, and gives its place back when it has ended.

    Parameters
    ----------
    app
        What is guarded.
    ring
        The keys in force; None where everybody may call.
    limits
        Of bodies.
    prefixes
        What paths are served under.
    refused
        Told the slug of each refusal.
    """

    def __init__(
        self,
        app: ASGIApp,
        ring: KeyRing | None,
        limits: BodyLimits,
        prefixes: Collection[str],
        refused: Callable[[str], None],
    ) -> None:
        self._app, self._ring, self._limits = app, ring, limits
        self._refused = refused
        self._prefixes = prefixes
        self._open_paths = {prefix + path for prefix in prefixes for path in OPEN_PATHS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._ring is None or scope["path"] in self._open_paths:
            await self._serve(scope, receive, send)
        else:
            await self._admit(self._ring, scope, receive, send)

    async def _admit(self, ring: KeyRing, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            holder = ring.admit(scope["headers"], scope["method"], self._written(scope["path"]))
        except ProblemError as error:
            self._refused(error.problem.slug)
            await refuse_openly(error.problem, Request(scope))(scope, receive, send)
            return
        key, place = holder.key, Place(holder.limits)
        scope.setdefault("state", {}).update(
            key_name=key.name, caller=Caller(key.owner, key.scopes, place)
        )
        try:
            await self._serve(scope, receive, send)
        finally:
            place.leave()

    def _written(self, path: str) -> str:
        """Return a path as it is without the prefix of a version."""
        for prefix in self._prefixes:
            if prefix and path.startswith(f"{prefix}/"):
                return path.removeprefix(prefix)
        return path

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive, self._limits)

        async def send_noted(message: Message) -> None:
            body.answered = True
            await send(message)

        await self._app(scope, body, send_noted)

"""Middleware that lets a call in: by its host, by its key, within its limits."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.access.connections import BodyLimits, TimedBody
from service.http.access.hosts import ANY_HOST, AllowedHosts, HostGuard
from service.http.access.keys import KeyStore
from service.http.access.limits import KeyLimits, Permit
from service.http.access.scopes import OPEN_PATHS, POLICY, SCOPES
from service.http.refusals import refuse_openly
from service.problems import ProblemError
from service.settings.access import AccessSettings, is_loopback


@dataclass(frozen=True)
class Caller:
    """Who calls; without keys everybody is the same, sees everything and may do everything.

    Attributes
    ----------
    owner
        Whose plans it makes and sees; None where there are no keys.
    scopes
        What it may do.
    permit
        Its call's share of the concurrency of its key.
    """

    owner: str | None = None
    scopes: frozenset[str] = frozenset(SCOPES)
    permit: Permit = field(default_factory=lambda: Permit(KeyLimits()))

    @property
    def may_publish(self) -> bool:
        """Whether its plans may become the policy."""
        return POLICY in self.scopes


def caller_of(request: Request) -> Caller:
    """Return whose call it is."""
    found = getattr(request.state, "caller", None)
    return found if isinstance(found, Caller) else Caller()


class Guard:
    """Middleware that refuses a call before its body is read, by its key and that key's limits.

    Parameters
    ----------
    app
        The application behind it.
    keys
        The keys in force; None where everybody may call.
    limits
        What a body may take.
    prefixes
        What paths are served under.
    on_refusal
        Called with the slug of each refusal.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: KeyStore | None,
        limits: BodyLimits,
        prefixes: Collection[str],
        on_refusal: Callable[[str], None],
    ) -> None:
        self._app, self._keys, self._limits = app, keys, limits
        self._on_refusal, self._prefixes = on_refusal, prefixes
        self._open_paths = {prefix + path for prefix in prefixes for path in OPEN_PATHS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._keys is None or scope["path"] in self._open_paths:
            await self._serve(scope, receive, send)
        else:
            await self._admit(self._keys, scope, receive, send)

    async def _admit(self, keys: KeyStore, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            state = keys.admit(scope["headers"], scope["method"], self._unprefixed(scope["path"]))
        except ProblemError as error:
            self._on_refusal(error.problem.slug)
            await refuse_openly(error.problem, Request(scope))(scope, receive, send)
            return
        key, permit = state.key, Permit(state.limits)
        scope.setdefault("state", {}).update(
            key_name=key.name, caller=Caller(key.owner, key.scopes, permit)
        )
        try:
            await self._serve(scope, receive, send)
        finally:
            permit.leave()

    def _unprefixed(self, path: str) -> str:
        for prefix in self._prefixes:
            if prefix and path.startswith(f"{prefix}/"):
                return path.removeprefix(prefix)
        return path

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = TimedBody(receive, self._limits)

        async def send_answer(message: Message) -> None:
            body.answered = True
            await send(message)

        await self._app(scope, body, send_answer)


def install_guards(
    app: FastAPI,
    access: AccessSettings,
    limits: BodyLimits,
    keys: KeyStore | None,
    prefixes: Collection[str],
    on_refusal: Callable[[str], None],
) -> None:
    """Let in by host, by key and within limits; middleware that is added later stands before it."""
    app.add_middleware(Guard, keys=keys, limits=limits, prefixes=prefixes, on_refusal=on_refusal)
    install_host_guard(app, access, on_refusal)


def install_host_guard(
    app: FastAPI, access: AccessSettings, on_refusal: Callable[[str], None]
) -> None:
    """Answer for the hosts of the settings only, and no page of another site."""
    named = access.allowed_hosts
    hosts = AllowedHosts.of(named, addresses=not is_loopback(access.host))
    is_open = access.api_keys_file is not None and not named
    app.add_middleware(
        HostGuard,
        hosts=None if is_open else hosts,
        origins=AllowedHosts.of(name for name in named if name != ANY_HOST),
        on_refusal=on_refusal,
    )

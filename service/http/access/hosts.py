"""Middleware that answers for hosts of its own only, and no page of another site.

A browser runs anybody's script. Where no key is asked for, such a script could plan, publish
prices or report actuals: by a fetch across sites, or by DNS rebinding, where a name of the attacker
begins to mean this machine. Both show in what the browser sends: `Sec-Fetch-Site` and `Origin`, or
a `Host` that is not ours.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.refusals import refuse_openly
from service.problems import Problem

ANY_HOST = "*"
LOCALHOST = "localhost"
OWN_SITES = frozenset({"same-origin", "none"})
"""What `Sec-Fetch-Site` says of a page of ours, and of an address that somebody typed."""
READING = frozenset({"GET", "HEAD"})
SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Every answer is what it says it is, and no page of another site may embed it."""


@dataclass(frozen=True)
class AllowedHosts:
    """The hosts that are answered.

    Attributes
    ----------
    names
        Hosts in lower case, without a port; `*` stands for any, `*.example.org` for any below that.
    addresses
        Whether any IP address is answered: rebinding takes a name. Loopback ones always are.
    """

    names: frozenset[str]
    addresses: bool = False

    @classmethod
    def of(cls, names: Iterable[str], *, addresses: bool = False) -> Self:
        """Read names as a setting has them."""
        return cls(frozenset(name.lower().rstrip(".") for name in names), addresses)

    def admit(self, host: str) -> bool:
        """Say whether a host without its port is answered.

        Examples
        --------
        >>> ours = AllowedHosts.of(["planner", "*.example.org"])
        >>> [ours.admit(host) for host in ("planner", "a.example.org", "localhost", "[::1]")]
        [True, True, True, True]
        >>> [ours.admit(host) for host in ("example.org", "evil.test", "10.0.0.1", "")]
        [False, False, False, False]
        """
        if ANY_HOST in self.names or self.names_host(host) or host == LOCALHOST:
            return True
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return self.addresses or address.is_loopback

    def names_host(self, host: str) -> bool:
        """Say whether an operator has named a host."""
        below = host.partition(".")[2]
        return host in self.names or (bool(below) and f"*.{below}" in self.names)


class HostGuard:
    """Refuses what a browser may have been made to send, and marks every answer as it is.

    Parameters
    ----------
    app
        The application behind it.
    hosts
        Those that are answered; None for any, where whoever calls shows a key.
    origins
        Hosts of pages that may ask although they are of another origin.
    on_refusal
        Called with the slug of each refusal.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: AllowedHosts | None,
        origins: AllowedHosts,
        on_refusal: Callable[[str], None],
    ) -> None:
        self._app, self._hosts, self._origins, self._on_refusal = app, hosts, origins, on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SAFE_HEADERS]
            await send(message)

        problem = self._problem_of(scope)
        if problem is not None:
            self._on_refusal(problem.slug)
            await refuse_openly(problem, Request(scope))(scope, receive, send_safe)
        elif scope["method"] == "HEAD":
            # The server leaves the body away; whoever answers need not know of it.
            await self._app({**scope, "method": "GET"}, receive, _without_body(send_safe))
        else:
            await self._app(scope, receive, send_safe)

    def _problem_of(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        hosts = _values(headers, "host")
        if len(hosts) > 1 or (not hosts and scope["http_version"] != "1.0"):
            message = f"Expected one Host header, got {len(hosts)}."
            return Problem("malformed-request", message, headers={"Connection": "close"})
        given = hosts[0] if hosts else ""
        if self._hosts is not None and hosts and not self._hosts.admit(without_port(given)):
            message = (
                f"Expected a host that is served here, got {given!r:.100}: name it in "
                "JOULEPLAN_ALLOWED_HOSTS, or ask for API keys."
            )
            return Problem("host-not-served", message)
        if self._is_foreign(headers, given, scope["method"]):
            message = "Expected no call by a page of another site."
            return Problem("cross-site", message)
        return None

    def _is_foreign(self, headers: Headers, host: str, method: str) -> bool:
        netlocs = [origin.partition("://")[2] for origin in _values(headers, "origin")]
        if netlocs:
            return any(
                netloc != host and not self._origins.names_host(without_port(netloc))
                for netloc in netlocs
            )
        sites = [site for value in _values(headers, "sec-fetch-site") for site in value.split(",")]
        if OWN_SITES.issuperset(map(str.strip, sites)):
            return False
        # A link that somebody follows is no fetch: the page that has it sees nothing of the answer.
        mode, target = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
        return not (method in READING and mode == "navigate" and target == "document")


def _values(headers: Headers, name: str) -> list[str]:
    return [value.strip().lower() for value in headers.getlist(name)]


def without_port(netloc: str) -> str:
    """Return the host of `host:port`, without the dot that a whole name may end in.

    Examples
    --------
    >>> [without_port(text) for text in ("localhost:80", "[::1]:80", "[::1]", "a.b.", "a:b:c")]
    ['localhost', '[::1]', '[::1]', 'a.b', 'a:b']
    """
    host, colon, port = netloc.rpartition(":")
    if colon and not port.endswith("]"):
        return host.rstrip(".")
    return netloc.rstrip(".")


def _without_body(send: Send) -> Send:
    """Return what sends the header and ends there: the end of a stream is not waited for."""
    ended = False

    async def send_header(message: Message) -> None:
        nonlocal ended
        if ended:
            return
        await send(message)
        if message["type"] == "http.response.start":
            ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_header

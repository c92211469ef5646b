"""Guards an application as the settings say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import FastAPI

from service.http.access.body import BodyLimits
from service.http.access.guard import Guard
from service.http.access.hosts import ANY_HOST, AllowedHosts, HostGuard
from service.http.access.ring import FiledKeys
from service.settings.access import AccessSettings, is_loopback


def add_guard(
    app: FastAPI,
    access: AccessSettings,
    limits: BodyLimits,
    keys: FiledKeys | None,
    prefixes: Sequence[str],
    refused: Callable[[str], None],
) -> None:
    """Let in by host, by key and within limits; middleware that is added later stands before it.

    `refused` is told the slug of each refusal.
    """
    app.add_middleware(
        Guard,
        ring=None if keys is None else keys.ring,
        limits=limits,
        prefixes=prefixes,
        refused=refused,
    )
    add_host_guard(app, access, refused)


def add_host_guard(app: FastAPI, access: AccessSettings, refused: Callable[[str], None]) -> None:
    """Answer for the hosts of the settings only, and no page of another site."""
    named = access.allowed_hosts
    hosts = AllowedHosts.of(named, addresses=not is_loopback(access.host))
    is_open = access.api_keys_file is not None and not named
    app.add_middleware(
        HostGuard,
        hosts=None if is_open else hosts,
        origins=AllowedHosts.of(name for name in named if name != ANY_HOST),
        refused=refused,
    )

"""Takes over each changed file that can be used; of one that cannot, what was before stays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from service.access.errors import KeyFileError, TlsError
from service.access.ring import FiledKeys
from service.access.tls import RenewableContext
from service.decisions.tokenizers import TokenizerError, Tokenizers
from service.settings import Settings
from service.telemetry.failures import Failures
from service.workers.pool import WorkerPool
from service.workers.reloading import fingerprint, follow


def follow_files(
    settings: Settings,
    pool: WorkerPool,
    tokenizers: Tokenizers,
    keys: FiledKeys | None,
    certificate: RenewableContext | None,
    reloads: Failures,
) -> list[Coroutine[Any, Any, None]]:
    """Return what follows each kind of file until cancelled; nothing where none is followed.

    Parameters
    ----------
    settings
        Names the files, and how often they are looked at.
    pool, tokenizers, keys, certificate
        What is loaded of them; None where there is none.
    reloads
        Where what cannot be used is told, by its kind.
    """
    period_s = settings.reload_seconds
    if period_s <= 0:
        return []
    followed = [_follow_models(settings, pool)]
    if settings.tokenizers_dir is not None:
        reload = telling(reloads, "tokenizers", tokenizers.reload, TokenizerError)
        followed.append(follow(tokenizers.look, tokenizers.seen, period_s, reload))
    if keys is not None:
        reload = telling(reloads, "keys", keys.reload, KeyFileError)
        followed.append(follow(keys.look, keys.looked, period_s, reload))
    if certificate is not None:
        reload = telling(reloads, "certificate", certificate.reload, TlsError)
        followed.append(follow(certificate.look, certificate.looked, period_s, reload))
    return followed


async def _follow_models(settings: Settings, pool: WorkerPool) -> None:
    def look() -> object:
        return fingerprint(settings.models_dir, settings.fleet_path)

    await follow(look, await asyncio.to_thread(look), settings.reload_seconds, pool.reload)


def telling(
    failures: Failures, name: str, load: Callable[[], Awaitable[None]], refused: type[Exception]
) -> Callable[[], Awaitable[None]]:
    """Return a reload that tells of what cannot be used, which is not tried again as it is.

    Parameters
    ----------
    failures, name
        Where it is told, and by which name.
    load
        Loads what has changed, or leaves in force what was before and raises.
    refused
        Raised where it cannot be used, with a message that says why.
    """
    failures.watch(name)

    async def reload() -> None:
        try:
            await load()
        except refused as error:
            failures.failed(name, str(error))
        else:
            failures.mended(name)

    return reload

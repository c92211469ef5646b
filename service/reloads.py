"""Takes over each changed file that can be used; of one that cannot, what was before stays."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from service.decisions.tokenizers import TokenizerError, Tokenizers
from service.file_changes import UNEXPECTED, fingerprint, follow
from service.http.access.key_file import FileKeyStore, KeyFileError
from service.http.access.tls import RenewableContext, TlsError
from service.settings.files import FileSettings
from service.telemetry.failures import Failures
from service.workers.pool import WorkerPool

logger = logging.getLogger("service.background.reloads")


class Followed(Protocol):
    """Files of one kind that are followed, and what is loaded of them."""

    @property
    def name(self) -> str:
        """The files, as messages name them."""

    @property
    def loaded_stamp(self) -> object:
        """Stamp of the files when they were read first."""

    def stamp(self) -> object:
        """Return what changes when one of them does; runs in any thread."""

    async def reload(self) -> None:
        """Load what has changed, or leave in force what was before and raise."""


def follow_files(
    files: FileSettings,
    pool: WorkerPool,
    tokenizers: Tokenizers,
    keys: FileKeyStore | None,
    certificate: RenewableContext | None,
    reloads: Failures,
) -> list[Coroutine[Any, Any, None]]:
    """Return what follows each kind of file until cancelled; nothing where none is followed.

    Parameters
    ----------
    files
        Which there are, by the settings, and how often they are looked at.
    pool, tokenizers, keys, certificate
        What is loaded of them; None where there is none.
    reloads
        Failures of loading, by kind.
    """
    period_s = files.reload_seconds
    if period_s <= 0:
        return []
    followed: list[tuple[str, Followed, type[Exception]]] = []
    if files.tokenizers_dir is not None:
        followed.append(("tokenizers", tokenizers, TokenizerError))
    if keys is not None:
        followed.append(("keys", keys, KeyFileError))
    if certificate is not None:
        followed.append(("certificate", certificate, TlsError))
    return [
        _follow_models(files, pool),
        *(_follow(name, files, refused, reloads, period_s) for name, files, refused in followed),
    ]


async def _follow_models(files: FileSettings, pool: WorkerPool) -> None:
    stamp_of = partial(fingerprint, files.models_dir, files.fleet_path)
    period_s = files.reload_seconds
    while (description := pool.description) is None:
        await asyncio.sleep(period_s)
    await follow(
        stamp_of, description.files_seen, period_s, pool.reload, lambda: pool.may_be_mended
    )


def _follow(
    name: str, files: Followed, refused: type[Exception], reloads: Failures, period_s: float
) -> Coroutine[Any, Any, None]:
    reload = recording(reloads, name, files, refused)
    return follow(
        files.stamp, files.loaded_stamp, period_s, reload, lambda: bool(reloads.known[name])
    )


def recording(
    failures: Failures, name: str, files: Followed, refused: type[Exception]
) -> Callable[[], Awaitable[None]]:
    """Return a reload of files that never raises: it records why they cannot be used.

    `refused` is what their reload raises then, with a message that says why.
    """
    failures.register(name)

    async def reload() -> None:
        try:
            await files.reload()
        except refused as error:
            failures.failed(name, str(error))
        except Exception:
            logger.exception("Loading %s failed as it never should.", files.name)
            failures.failed(name, f"{files.name}: {UNEXPECTED}")
        else:
            failures.mended(name)

    return reload

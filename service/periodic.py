"""Tasks that go on as long as the service runs, and survive their failures or report them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

logger = logging.getLogger("service.background.endless")


async def run_periodically(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work`, wait for so many seconds, and do it again until cancelled; failures are logged."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("Something that is done again and again failed once.")
        await asyncio.sleep(seconds)


def start_tasks(works: Iterable[Coroutine[Any, Any, None]]) -> list[asyncio.Task[None]]:
    """Run all works beside each other, until they end or are cancelled; failures are logged."""
    tasks = [asyncio.create_task(one) for one in works]
    for task in tasks:
        task.add_done_callback(_log_failure)
    return tasks


async def cancel_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks, and wait until all have ended."""
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)


def _log_failure(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        logger.error("Something that is to go on until the end has failed.", exc_info=error)

"""What is done again and again as long as the service runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

logger = logging.getLogger("service.background.endless")


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work`, wait, and do it again until cancelled; what fails is told, and tried again.

    Parameters
    ----------
    seconds
        Between the end of one and the begin of the next.
    work
        What is done.
    """
    while True:
        try:
            await work()
        except Exception:
            logger.exception("Something that is done again and again failed once.")
        await asyncio.sleep(seconds)


def begin(works: Iterable[Coroutine[Any, Any, None]]) -> list[asyncio.Task[None]]:
    """Do each work beside the others; one that fails is told of at once.

    Parameters
    ----------
    works
        Each goes on until cancelled, or returns where there is nothing to do.
    """
    tasks = [asyncio.create_task(one) for one in works]
    for task in tasks:
        task.add_done_callback(_tell_failure)
    return tasks


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel what was begun, and wait until it has ended."""
    every_one = list(tasks)
    for task in every_one:
        task.cancel()
    await asyncio.gather(*every_one, return_exceptions=True)


def _tell_failure(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        logger.error("Something that is to go on until the end has failed.", exc_info=error)

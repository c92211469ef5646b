"""What is done again and again as long as the service runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

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

"""Waiting for a condition instead of for a time: a busy machine takes longer, and is not wrong."""

import asyncio
import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 180.0
"""Far beyond what anything here takes on a busy machine."""


def wait_until(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as a condition holds; fail when it never does."""
    end = time.perf_counter() + patience_s
    while not holds():
        assert time.perf_counter() < end, "what was waited for did not come to be"
        time.sleep(0.02)


async def wait_in_loop_until(holds: Callable[[], bool]) -> None:
    """Return as soon as a condition holds, the event loop running meanwhile."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock, which other processes wait for, as long as the block runs."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

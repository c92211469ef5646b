"""Work on several parts of a batch at once: numpy lets go of the interpreter within a part."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 2

Part = TypeVar("Part")
Found = TypeVar("Found")


LEAST_REQUESTS = 20_000
"""Below, starting the threads takes longer than they save."""


def in_threads(work: Callable[[Part], Found], parts: Iterable[Part], requests: int) -> list[Found]:
    """Return what is found for each part of some requests, in their order."""
    if requests < LEAST_REQUESTS:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(work, parts))

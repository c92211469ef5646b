"""Work on several parts of a batch at once: numpy lets go of the interpreter within a part."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TypeVar

THREADS = 2
WAKE_S = 0.05

Part = TypeVar("Part")
Found = TypeVar("Found")


MIN_THREADED_REQUESTS = 20_000
"""Requests below which starting the threads takes longer than they save."""


def in_threads(work: Callable[[Part], Found], parts: Iterable[Part], requests: int) -> list[Found]:
    """Return what is found for each part of some requests, in their order."""
    if requests < MIN_THREADED_REQUESTS:
        return [work(part) for part in parts]
    threads = ThreadPoolExecutor(THREADS)
    try:
        ended: SimpleQueue[Future[Found]] = SimpleQueue()
        futures = [threads.submit(work, part) for part in parts]
        for future in futures:
            future.add_done_callback(ended.put)
        for _ in futures:
            _wait_for_next(ended)
        return [future.result() for future in futures]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _wait_for_next(ended: SimpleQueue[Future[Found]]) -> None:
    """Wait in short pieces: between them a limit of time can cut the work."""
    while True:
        try:
            ended.get(timeout=WAKE_S)
        except Empty:
            continue
        return

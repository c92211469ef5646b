"""The heap: one for all threads, given back after a call, and not walked over while it grows.

Threads that allocate in heaps of their own leave as many half-empty ones behind, and a large block
that is freed within a heap leaves a hole that small ones split. The calls for that are glibc's;
elsewhere nothing happens.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
"""Parameters of `mallopt`, as in glibc's malloc.h."""
LARGE_BYTES = 2**20
"""A block from which `map_large_blocks` maps it: beyond the chunks in which bodies are read."""


def share_one_heap() -> None:
    """Let all threads of this process, those to come, allocate in one heap."""
    _set_option(M_ARENA_MAX, 1)


def map_large_blocks() -> None:
    """Let each large block be memory of its own, which goes back to the system when it is freed.

    Without this glibc does so until the first one is freed, and keeps those that follow in the
    heap. That is quicker for who computes with arrays, and leaves what was once needed with a
    process that lives for months.
    """
    _set_option(M_MMAP_THRESHOLD, LARGE_BYTES)


def _set_option(option: int, value: int) -> None:
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(option, value)


def release_memory() -> None:
    """Free what refers to itself, as a run does, and return what is free to the system."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextmanager
def collection_paused() -> Iterator[None]:
    """Keep the collector from walking over a million new objects again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()

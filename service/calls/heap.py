"""The heap: one for all threads, given back after a call, and not walked over while it grows.

Threads that allocate in heaps of their own leave as many half-empty ones behind. The calls for that
are glibc's; elsewhere nothing happens.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: From glibc's malloc.h.
M_ARENA_MAX = -8


def share_one_heap() -> None:
    """Let all threads of this process, those to come, allocate in one heap."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(M_ARENA_MAX, 1)


def give_back() -> None:
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

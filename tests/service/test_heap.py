"""Where large blocks lie that a process allocates after it has freed one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from service.calls.content import READ_BYTES
from service.calls.heap import LARGE_BYTES
from tests.service.server import ROOT

PROGRAM = """
import sys
from ctypes import addressof, c_char
from service.calls.heap import LARGE_BYTES, map_large_blocks

def is_in_heap(block):
    [heap] = [line for line in open("/proc/self/maps") if line.rstrip().endswith("[heap]")]
    begin, end = (int(one, 16) for one in heap.split()[0].split("-"))
    return begin <= addressof(c_char.from_buffer(block)) < end

if sys.argv[1] == "mapped":
    map_large_blocks()
larger = bytearray(8 * LARGE_BYTES)
del larger
print(is_in_heap(bytearray(4 * LARGE_BYTES)), is_in_heap(bytearray(LARGE_BYTES // 4)))
"""
"""Program that prints whether a large block is in the heap after a larger one was freed, and
whether a chunk is."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap's options are glibc's")
@pytest.mark.parametrize(("how", "large_in_heap"), [("mapped", False), ("as it is", True)])
def test_large_blocks_stay_out_of_the_heap_and_chunks_of_bodies_do_not(
    how: str, large_in_heap: bool
) -> None:
    command = [sys.executable, "-c", PROGRAM, how]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert found.stdout.split() == [str(large_in_heap), "True"]


def test_chunks_in_which_bodies_are_read_are_not_large() -> None:
    assert READ_BYTES < LARGE_BYTES

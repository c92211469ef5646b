"""How benchmarks time and where they ran."""

from __future__ import annotations

import os
import platform
import resource
import statistics
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import TypeVar

Result = TypeVar("Result")

PACKAGES = ("jouleplan", "numpy", "joblib", "ortools")


def timed(call: Callable[[], Result]) -> tuple[float, Result]:
    """Return the seconds of one call, and its result."""
    started = perf_counter()
    result = call()
    return perf_counter() - started, result


def median_s(call: Callable[[], object], runs: int) -> float:
    """Return the median seconds of some calls."""
    return statistics.median(timed(call)[0] for _ in range(runs))


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far [MB].

    Linux counts the parent's memory into `getrusage` of a child, but not into `VmHWM`.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def machine() -> str:
    """Describe the machine and what runs on it, in two lines."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} CPUs, {platform.system()}; load average {load}\n"
        f"Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.machine())

"""A whole campaign on a CPU core: serve, measure, fit, report, and check on points held out.

    python -m examples.simulated_gpu.record [--folder DIR] [--minutes 20]

Seconds are real, those of llama.cpp on one core; joules are simulated by the law in `serve`. Needs
a C compiler and the `dev` requirements. Leave the machine alone while it runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from examples.local_service import free_port
from examples.simulated_gpu.serve import LLM
from examples.simulated_gpu.shim import shim_environment

DEVICE = "1xcpu-core"
AXES = ("--input-tokens=16..512", "--output-tokens=8..256", "--concurrency=1..8")
WINDOW = "--window-seconds=8"
"""A shared machine's speed moves by a third within seconds: longer windows than on a GPU."""
RECORDED = Path(__file__).parent / "recorded"


@contextmanager
def serving(folder: Path, slots: int = 8) -> Iterator[str]:
    """Serve the random LLM with its simulated GPU in a process of its own.

    Parameters
    ----------
    folder
        For the weights and the stand-in library.
    slots
        Requests that it runs at once.

    Yields
    ------
    str
        URL.
    """
    port = free_port()
    command = [sys.executable, "-m", "examples.simulated_gpu.serve", f"--port={port}"]
    process = subprocess.Popen(
        [*command, f"--slots={slots}", f"--gpu={folder}"], stdout=subprocess.PIPE, text=True
    )
    try:
        if process.stdout is None or LLM not in process.stdout.readline():
            raise RuntimeError("Expected the server to start, got nothing.")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def target(url: str) -> list[str]:
    """Return the options that name what is measured, and by what."""
    return [f"--url={url}", f"--llm={LLM}", f"--device={DEVICE}", "--meter=nvml", *SOURCE]


SOURCE = ("--source=simulated", "--hardware=one CPU core, joules simulated")


def profiler(gpu: Path, *arguments: str) -> None:
    """Run one verb of the profiler's command line with the stand-in library at hand."""
    environment: Mapping[str, str] = {**os.environ, **shim_environment(gpu)}
    subprocess.run([sys.executable, "-m", "profiler", *arguments], env=environment, check=True)


def main() -> None:
    """Record it."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="python -m examples.simulated_gpu.record"
    )
    parser.add_argument("--folder", type=Path, default=RECORDED)
    parser.add_argument("--minutes", type=float, default=20.0)
    options = parser.parse_args()
    folder: Path = options.folder
    gpu, observations = folder / "gpu", folder / "observations.csv"
    with serving(gpu) as url:
        budget = (f"--max-minutes={options.minutes:g}", WINDOW)
        profiler(gpu, "measure", *target(url), *AXES, f"--out={observations}", *budget)
        models = f"--models-dir={folder}"
        profiler(gpu, "fit", str(observations), models, f"--report={folder / 'report.html'}")
        held_out = str(folder / "held-out.csv")
        profiler(gpu, "check", held_out, models, *target(url), "--points=12", "--seed=1", WINDOW)


if __name__ == "__main__":
    main()

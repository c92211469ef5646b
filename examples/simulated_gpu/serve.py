"""Serves the random LLM by llama.cpp on one core, and simulates what a GPU would draw for it.

    python -m examples.simulated_gpu.serve --port 8081 --gpu FOLDER

The watts follow the n requests that run: ``80 + 150 (1 - 0.5 exp(-n / 4))``, plus 15 while prompts
are read, with a slow swing of 3 % and noise of 2 %. No basis of a cost model has this form. As on a
real accelerator, most of the power is drawn by the first request.
"""

from __future__ import annotations

import argparse
import math
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import xllamacpp

from examples.simulated_gpu.random_llm import write_random_llm
from examples.simulated_gpu.shim import Shim, SimulatedGpu

LLM = "random-7m"
PERIOD_S = 0.05
IDLE_W = 80.0
BEGAN_S = time.perf_counter()


@dataclass(frozen=True)
class Law:
    """The simulated power.

    Attributes
    ----------
    seed
        Of the noise.
    """

    seed: int = 0

    def watts(self, running: float, reading: bool, at_s: float, noise: random.Random) -> float:
        """Return the watts with so many requests running."""
        if running < 1:
            return IDLE_W
        load = 150.0 * (1.0 - 0.5 * math.exp(-running / 4.0)) + (15.0 if reading else 0.0)
        swing = 1.0 + 0.03 * math.sin(2 * math.pi * at_s / 11.0)
        return (IDLE_W + load) * swing * (1.0 + noise.gauss(0.0, 0.02))


def serve(path: Path, port: int, slots: int, context: int) -> xllamacpp.Server:
    """Start llama.cpp's server in this process.

    Parameters
    ----------
    path
        GGUF file.
    port
        On the loopback address.
    slots
        Requests that it runs at once.
    context
        Tokens of each.
    """
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {LLM}
    params.port = port
    params.n_parallel = slots
    params.n_ctx = context * slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_threads_http = slots + 8
    params.endpoint_metrics = params.endpoint_props = True
    params.cache_prompt = params.ui = params.fit_params = False
    params.cache_ram_mib = 0
    params.verbosity = 0
    return xllamacpp.Server(params)


def feed(shim: Shim, url: str, energy_j: float, ending: threading.Event) -> None:
    """Keep the simulated counter going until told to end, from before the server answers on."""
    law, noise = Law(), random.Random(0)
    last_s, watts = time.perf_counter(), IDLE_W
    prompts, begin_s = 0.0, last_s
    with httpx.Client(base_url=url, timeout=30.0) as client:
        while not ending.wait(PERIOD_S):
            figures = _metrics(client)
            now_s = time.perf_counter()
            energy_j += watts * (now_s - last_s)
            reading = figures["prompt_tokens_total"] > prompts
            prompts = figures["prompt_tokens_total"]
            last_s = now_s
            running = figures["requests_processing"]
            watts = law.watts(running, reading, now_s - begin_s, noise)
            shim.show([SimulatedGpu(energy_j, watts)])


def _metrics(client: httpx.Client) -> dict[str, float]:
    try:
        lines = client.get("/metrics").raise_for_status().text.splitlines()
    except httpx.HTTPError:
        # It loads still: nothing runs.
        return {"prompt_tokens_total": 0.0, "requests_processing": 0.0}
    named = [line.partition(":")[2].split(" ") for line in lines if line[:1] not in {"", "#"}]
    return {name: float(value) for name, value in named}


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="python -m examples.simulated_gpu.serve"
    )
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--context", type=int, default=1024, help="tokens of one request")
    parser.add_argument("--gpu", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    shim = Shim(options.gpu)
    # A counter goes on from where it was, and idling counts from the start of this process.
    energy_j = shim.energy_j + IDLE_W * (time.perf_counter() - BEGAN_S)
    shim.show([SimulatedGpu(energy_j, IDLE_W)])
    weights = options.gpu / "random.gguf"
    if not weights.exists():
        write_random_llm(weights)
    url = f"http://127.0.0.1:{options.port}"
    feeding = threading.Thread(
        target=feed, args=(shim, url, energy_j, threading.Event()), daemon=True
    )
    feeding.start()
    server = serve(weights, options.port, options.slots, options.context)
    print(f"{LLM} at {server.listening_address}", flush=True)
    for name, value in shim.environment.items():
        print(f"export {name}={value}", flush=True)
    feeding.join()


if __name__ == "__main__":
    main()

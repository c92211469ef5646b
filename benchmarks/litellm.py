"""What the hook adds to each request of a LiteLLM proxy, with the planner well and broken.

    python -m benchmarks.litellm [--rounds N] [--calls N] [--broken-calls N] [--litellm COMMAND]

Two proxies of one configuration, one without the hook, get the same calls in turn, one at a time,
and answer from the same LLM servers of a few lines. Added is the quantile of one less that of the
other within a round; the table has medians of the rounds and their extremes. Without `--litellm`,
LiteLLM is installed from its pins first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from benchmarks.gateways.broken_planners import GARBAGE, BrokenPlanner, hung, in_turn
from benchmarks.gateways.litellm_proxy import CALL, KEY, LLM, config, install, litellm_proxy
from benchmarks.gateways.upstreams import upstreams
from benchmarks.markdown import table
from benchmarks.timing import machine
from examples.local_service import free_port, running_service

CHEAP, DEAR = "full", "sparse"
FLEET = f"""\
pools:
  - {{name: {CHEAP}, device: 1xh100, count: 1, concurrency: [128], llms: [{LLM}],
     resident: [{LLM}]}}
  - {{name: {DEAR}, device: 1xh100, count: 1, concurrency: [16], llms: [{LLM}],
     resident: [{LLM}]}}
"""
"""Equal devices: one that many requests share takes fewer joules for each."""
WARMING_CALLS = 100
ROUTED_IN_A_ROW = 20
PATIENCE_S = 60.0
WELL = "well"
HEADER = (
    "planner",
    "calls",
    "served",
    "routed",
    "p50 without [ms]",
    "added p50 [ms]",
    "p99 without [ms]",
    "added p99 [ms]",
)

Planner = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Round:
    """Calls to both proxies in turn.

    Attributes
    ----------
    plain_s, hooked_s
        Seconds of each call, without and with the hook.
    served
        Number of calls with the hook that were answered.
    routed
        Number of them that the cheap pool answered; half of them by chance.
    """

    plain_s: Sequence[float]
    hooked_s: Sequence[float]
    served: int
    routed: int

    def added_ms(self, quantile: float) -> float:
        """Return how much later the quantile is with the hook."""
        return self.plain_ms(quantile, self.hooked_s) - self.plain_ms(quantile)

    def plain_ms(self, quantile: float, seconds: Sequence[float] | None = None) -> float:
        """Return a quantile, without the hook unless seconds are given."""
        return 1e3 * float(np.quantile(self.plain_s if seconds is None else seconds, quantile))


class Proxies:
    """Both proxies, called in turn."""

    def __init__(self, plain: httpx.Client, hooked: httpx.Client) -> None:
        self._plain, self._hooked = plain, hooked

    def round(self, calls: int) -> Round:
        """Call both so often; who is first alternates."""
        seconds: dict[httpx.Client, list[float]] = {self._plain: [], self._hooked: []}
        pools = []
        for index in range(calls):
            both = (self._plain, self._hooked)
            for client in both if index % 2 else both[::-1]:
                begun = time.perf_counter()
                pool = _answering(client)
                seconds[client].append(time.perf_counter() - begun)
                if client is self._hooked:
                    pools.append(pool)
        served = sum(pool is not None for pool in pools)
        return Round(seconds[self._plain], seconds[self._hooked], served, pools.count(CHEAP))

    def wait_until_routed(self) -> None:
        """Return once the hook follows the planner.

        Raises
        ------
        TimeoutError
            If it is not routed within a minute.
        """
        end = time.perf_counter() + PATIENCE_S
        while any(_answering(self._hooked) != CHEAP for _ in range(ROUTED_IN_A_ROW)):
            if time.perf_counter() > end:
                raise TimeoutError("Expected the hook to follow the planner, it does not.")


def _answering(client: httpx.Client) -> str | None:
    """Return the pool that answers a call, None where it fails."""
    answer = client.post("/v1/chat/completions", json=CALL)
    if answer.status_code != 200:
        return None
    return str(answer.json()["choices"][0]["message"]["content"])


def planners(port: int, fleet: Path) -> dict[str, Planner]:
    """Return what may be where a planner is expected: one that is well, and broken ones."""
    settings = {
        "JOULEPLAN_PORT": str(port),
        "JOULEPLAN_FLEET": str(fleet),
    }
    return {
        WELL: lambda: running_service(settings),
        "killed": ExitStack,
        "hung": lambda: BrokenPlanner(port, hung),
        "garbage": lambda: BrokenPlanner(port, in_turn(list(GARBAGE.values()))),
    }


@contextmanager
def both_proxies(command: Path, folder: Path, planner: int) -> Iterator[Proxies]:
    """Run both proxies before the same upstreams."""
    hook = {"JOULEPLAN_URL": f"http://127.0.0.1:{planner}"}
    headers = {"authorization": f"Bearer {KEY}"}
    with ExitStack() as stack:
        ports, _ = stack.enter_context(upstreams(DEAR, CHEAP))
        clients = []
        for with_hook in (False, True):
            settings = config(ports, with_hook=with_hook)
            running = litellm_proxy(command, folder / f"hook-{with_hook}", settings, hook)
            url = stack.enter_context(running).url
            client = httpx.Client(base_url=url, headers=headers, timeout=60.0, trust_env=False)
            clients.append(stack.enter_context(client))
        yield Proxies(*clients)


def measure(command: Path, folder: Path, options: argparse.Namespace) -> dict[str, list[Round]]:
    """Return the rounds by the state of the planner; each round goes through all of them."""
    fleet = folder / "fleet.yaml"
    fleet.write_text(FLEET)
    port = free_port()
    rounds: dict[str, list[Round]] = {name: [] for name in planners(port, fleet)}
    with both_proxies(command, folder, port) as proxies:
        proxies.round(WARMING_CALLS)
        for _ in range(options.rounds):
            for name, planner in planners(port, fleet).items():
                with planner():
                    if name == WELL:
                        proxies.wait_until_routed()
                    calls = options.calls if name == WELL else options.broken_calls
                    rounds[name].append(proxies.round(calls))
    return rounds


def report(rounds: dict[str, list[Round]]) -> str:
    """Return the table."""
    return table(HEADER, [_row(name, some) for name, some in rounds.items()])


def _row(name: str, rounds: Sequence[Round]) -> list[str]:
    calls = sum(len(one.hooked_s) for one in rounds)
    figures = [
        _spread([one.plain_ms(0.5) for one in rounds]),
        _spread([one.added_ms(0.5) for one in rounds]),
        _spread([one.plain_ms(0.99) for one in rounds]),
        _spread([one.added_ms(0.99) for one in rounds]),
    ]
    served, routed = (sum(getattr(one, what) for one in rounds) for what in ("served", "routed"))
    return [name, f"{calls:,}", f"{served:,}", f"{routed:,}", *figures]


def _spread(values: Sequence[float]) -> str:
    """Write the median and the extremes."""
    return f"{np.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.litellm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=700)
    parser.add_argument("--broken-calls", type=int, default=350)
    parser.add_argument("--litellm", type=Path, help="command; installed from its pins without")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = options.litellm or install(folder / "environment")
        rounds = measure(command, folder, options)
    print(f"{machine()}\n\n{report(rounds)}")


if __name__ == "__main__":
    main(sys.argv[1:])

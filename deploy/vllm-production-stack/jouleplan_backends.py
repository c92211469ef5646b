"""Keeps the dynamic configuration of vLLM production stack's router to the cheap backends.

One file, nothing but the standard library. Run it beside the router::

    python jouleplan_backends.py --backends backends.json --out /etc/router/dynamic.json
    vllm-router --dynamic-config-json /etc/router/dynamic.json ...

Every few seconds it asks jouleplan's ``GET /prices`` and writes the backends whose price lies
within a slack of the least one for their LLM, the cheapest first. Without an answer the file stays
as it is; where there is none yet, every backend goes in. So do backends that the planner does not
know.

Environment: ``JOULEPLAN_URL`` (http://127.0.0.1:8080), ``JOULEPLAN_API_KEY``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_S = 2.0
MAX_BYTES = 4 * 1024 * 1024
ROUTER_KEYS = frozenset(
    {
        "routing_logic",
        "session_key",
        "callbacks",
        "static_aliases",
        "static_backend_health_checks",
    }
)
"""What a file may hold beside the backends: the router refuses keys that it does not know."""

Prices = Mapping[tuple[str, str], float]

UNUSABLE = (
    *(OSError, http.client.HTTPException),
    *(ValueError, KeyError, TypeError, RecursionError),
)
"""What asking raises where there is no answer, none in HTTP, or none that makes sense."""


@dataclass(frozen=True)
class Backend:
    """One LLM server.

    Attributes
    ----------
    url
        As the router calls it.
    model
        Name that it serves, for the router.
    llm, pool
        As jouleplan's fleet names them.
    """

    url: str
    model: str
    llm: str
    pool: str

    def __post_init__(self) -> None:
        for text in (self.url, self.model):
            # The router separates them by commas.
            if not text or "," in text:
                raise ValueError(f"Expected text without a comma, got {text!r}.")


def least_price_first(backends: Iterable[Backend], prices: Prices, slack: float) -> list[Backend]:
    """Return the backends to use.

    Parameters
    ----------
    backends
        All that there are.
    prices
        By LLM and pool [J].
    slack
        Share of the least price of the LLM by which another may be dearer, at least 0. Under a
        published plan's prices the pools that it uses cost about the same, so they stay together.

    Examples
    --------
    >>> some = [Backend("http://b", "m", "m", "b"), Backend("http://a", "m", "m", "a")]
    >>> [one.pool for one in least_price_first(some, {("m", "a"): 1.0, ("m", "b"): 1.05}, 0.1)]
    ['a', 'b']
    >>> [one.pool for one in least_price_first(some, {("m", "a"): 1.0, ("m", "b"): 1.2}, 0.1)]
    ['a']
    """
    known: dict[Backend, float] = {}
    unknown: list[Backend] = []
    least: dict[str, float] = {}
    for one in backends:
        price = prices.get((one.llm, one.pool))
        if price is None:
            unknown.append(one)
            continue
        known[one] = price
        least[one.llm] = min(price, least.get(one.llm, price))
    cheap = [
        one for one, price in known.items() if price <= least[one.llm] + slack * abs(least[one.llm])
    ]
    return sorted(cheap, key=known.__getitem__) + unknown


def configuration(router: Mapping[str, Any], backends: Sequence[Backend]) -> dict[str, Any]:
    """Return what the router reads."""
    return {
        "routing_logic": "roundrobin",
        **router,
        "service_discovery": "static",
        "static_backends": ",".join(one.url for one in backends),
        "static_models": ",".join(one.model for one in backends),
    }


def write_whole(path: Path, content: Mapping[str, Any]) -> bool:
    """Put a file in the place of another in one step; say whether anything changed."""
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    if path.exists() and path.read_text() == text:
        return False
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return True


def ask(url: str, input_tokens: int, output_tokens: int) -> Prices:
    """Return the prices of a request of these lengths.

    Raises
    ------
    UNUSABLE
        If anything is wrong with the answer.
    """
    query = f"?input_tokens={input_tokens}&output_tokens={output_tokens}"
    request = urllib.request.Request(f"{url.rstrip('/')}/prices{query}")  # noqa: S310
    key = os.environ.get("JOULEPLAN_API_KEY")
    if key:
        request.add_header("authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
        document = json.loads(answer.read(MAX_BYTES))
    return {(one["llm"], one["pool"]): float(one["price_joules"]) for one in document["prices"]}


def read(path: Path) -> tuple[dict[str, Any], list[Backend]]:
    """Return the router's own settings and the backends of a file.

    Raises
    ------
    ValueError
        If it holds anything else.
    """
    given = json.loads(path.read_text())
    router = dict(given.get("router", {}))
    if unknown := set(router) - ROUTER_KEYS:
        raise ValueError(f"Expected router keys of {sorted(ROUTER_KEYS)}, got {sorted(unknown)}.")
    backends = [Backend(**one) for one in given["backends"]]
    if not backends:
        raise ValueError("Expected a backend, got none.")
    return router, backends


def follow(arguments: argparse.Namespace) -> None:
    """Ask and write, again and again."""
    router, backends = read(arguments.backends)
    if not arguments.out.exists():
        write_whole(arguments.out, configuration(router, backends))
    rounds = 0
    while True:
        try:
            prices = ask(arguments.planner, arguments.input_tokens, arguments.output_tokens)
            used = least_price_first(backends, prices, arguments.slack)
            if write_whole(arguments.out, configuration(router, used)):
                _say(f"uses {', '.join(one.url for one in used)}")
        except UNUSABLE as error:
            _say(f"left {arguments.out} as it is: {error!r}")
        rounds += 1
        if rounds == arguments.rounds:
            return
        time.sleep(arguments.every)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(allow_abbrev=False, description=__doc__.splitlines()[0])
    parser.add_argument("--backends", type=Path, required=True, help="JSON file of all backends")
    parser.add_argument("--out", type=Path, required=True, help="file that the router reads")
    parser.add_argument(
        "--planner", default=os.environ.get("JOULEPLAN_URL", "http://127.0.0.1:8080")
    )
    parser.add_argument("--every", type=float, default=10.0, help="seconds between rounds")
    parser.add_argument("--rounds", type=int, default=0, help="then end; 0 for never")
    parser.add_argument("--slack", type=float, default=0.1, help="share of the least price")
    parser.add_argument("--input-tokens", type=int, default=512, help="of the request priced")
    parser.add_argument("--output-tokens", type=int, default=128, help="of the request priced")
    follow(parser.parse_args(arguments))


def _say(text: str) -> None:
    sys.stderr.write(f"jouleplan_backends: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()

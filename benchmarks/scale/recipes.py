"""Search for draws of mixed instances in which every limit binds, by the fractional problem.

python -m benchmarks.scale.recipes PLACEMENTS [--requests N] [--seconds S]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from time import perf_counter

import numpy as np

from benchmarks.scale.fractional import cheapest
from benchmarks.scale.instance import Instance
from benchmarks.scale.instances import SLACK, unlimited
from benchmarks.scale.mixing import Recipe, mixed
from benchmarks.scale.relaxed import fractional, terms_of

LIMITS = 5
"""Limits of a mixed instance."""


def fractional_moves(instance: Instance) -> Iterator[tuple[str, float]]:
    """Yield what the fractional optimum falls by without each limit, as a part of it."""
    minimum = _cost(instance)
    for limit in instance.limit_names():
        yield limit, 1.0 - _cost(instance.without(limit)) / minimum


def _cost(instance: Instance) -> float:
    found = cheapest(*fractional(instance), terms_of(instance))
    if found is None:
        msg = f"Expected {instance.name} to have a fractional plan, got none."
        raise ValueError(msg)
    return found.cost


def main() -> None:
    """Print each recipe in which the limit that binds least binds more than in those before."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.scale.recipes")
    parser.add_argument("placements", type=int)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    bare = unlimited("mixed", options.requests, options.placements)
    started, best, seed = perf_counter(), 0.0, options.first
    while perf_counter() - started < options.seconds:
        seed += 1
        recipe = _random(seed)
        moves = _worst(bare, recipe, best)
        if moves is not None:
            best = min(moves.values())
            listed = ", ".join(f"{limit} {100.0 * move:.2f}" for limit, move in moves.items())
            print(recipe, listed, flush=True)
    print(f"{seed - options.first} recipes tried")


def _random(seed: int) -> Recipe:
    generator = np.random.default_rng([seed, 10])
    return Recipe(
        seed,
        early=float(generator.choice([0.56, 0.6, 0.65, 0.7])),
        shuffle=100.0,
        always_on=float(generator.choice([0.3, 0.5, 1.0])),
        cap=float(generator.choice([0.2, 0.35, 0.5, 0.65])),
    )


def _worst(bare: Instance, recipe: Recipe, best: float) -> dict[str, float] | None:
    """Return the moves where each is above `best`."""
    moves = {}
    try:
        instance = mixed(bare, recipe, 1, SLACK)
        for limit, move in fractional_moves(instance):
            moves[limit] = move
            if move <= best:
                return None
    except ValueError:
        return None
    return moves if len(moves) == LIMITS else None


if __name__ == "__main__":
    main()

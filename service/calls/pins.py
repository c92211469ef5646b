"""Pinned requests: what a pin names, and what that leaves to the plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from costmodel.arrays import BoolArray, IntArray
from costmodel.nearest import unknown_name
from service.calls.fleet.placements import Candidates
from service.calls.schemas.requests import Pin

Pins = Sequence[Pin | None] | None


def pin_errors(pins: Pins, candidates: Candidates) -> Iterator[tuple[int, str, str]]:
    """Yield requests whose pins name what the fleet has not: index, field, what was expected."""
    checked = {pin: list(_errors_of(pin, candidates)) for pin in set(pins or ()) if pin is not None}
    for index, pin in enumerate(pins or ()) if any(checked.values()) else ():
        for field, message in checked[pin] if pin is not None else ():
            yield index, field, message


def _errors_of(pin: Pin, candidates: Candidates) -> Iterator[tuple[str, str]]:
    names = {"llm": list(candidates.llms), "pool": list(candidates.pool_names)}
    unknown = [
        (field, unknown_name(got, known, f"one of the fleet's {field}s"))
        for field, known in names.items()
        if (got := getattr(pin, field)) is not None and got not in known
    ]
    yield from unknown
    named = _named(pin, candidates)
    if unknown:
        return
    if not named.any():
        yield "llm", f"Expected an LLM that pool {pin.pool} runs, got {pin.llm}."
        return
    offered = {candidates.placements[k].concurrency for k in np.flatnonzero(named)}
    if pin.concurrency is not None and pin.concurrency not in offered:
        listed = ", ".join(map(str, sorted(offered)))
        yield "concurrency", f"Expected one that is offered ({listed}), got {pin.concurrency}."
    last = max(candidates.pools[candidates.placements[k].pool].count for k in np.flatnonzero(named))
    if pin.device_index is not None and pin.device_index >= last:
        yield "device_index", f"Expected at most {last - 1}, got {pin.device_index}."


def pinned_placements(pins: Pins, candidates: Candidates) -> BoolArray | None:
    """Which placements each request's pin admits, shape (n, k); None where all admit all."""
    if pins is None or all(pin is None for pin in pins):
        return None
    distinct: dict[Pin | None, int] = {}
    which = [distinct.setdefault(pin, len(distinct)) for pin in pins]
    return np.asarray(np.stack([_admitted(pin, candidates) for pin in distinct])[which])


def pinned_devices(pins: Pins) -> IntArray | None:
    """Device that each request is pinned to, -1 where free, shape (n,); None where all are."""
    if pins is None or all(pin is None or pin.device_index is None for pin in pins):
        return None
    devices = [None if pin is None else pin.device_index for pin in pins]
    return np.array([-1 if device is None else device for device in devices], dtype=np.int64)


def _named(pin: Pin, candidates: Candidates) -> BoolArray:
    return np.array(
        [
            pin.llm in (None, placement.llm)
            and pin.pool in (None, candidates.pools[placement.pool].name)
            for placement in candidates.placements
        ],
        dtype=bool,
    )


def _admitted(pin: Pin | None, candidates: Candidates) -> BoolArray:
    if pin is None:
        return np.ones(len(candidates.placements), dtype=bool)
    concurrency = [placement.concurrency for placement in candidates.placements]
    at_it = [pin.concurrency in (None, offered) for offered in concurrency]
    return np.asarray(_named(pin, candidates) & np.array(at_it, dtype=bool))

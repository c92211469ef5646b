"""What plans cost: joules, grams of carbon dioxide or money, by the figures of the pools.

A plan's cost is the sum over pools of its joules times the price of a joule and of its on-seconds
times the price of a second. An on-second is one device that is on for a second: until its last
block ends where the pool powers down, until the horizon or the makespan where it is always on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from planner.errors import InvalidProblemError
from planner.inputs import Pool, Unit

JOULES_PER_KWH = 3.6e6
SECONDS_PER_HOUR = 3600.0
FIGURES: dict[Unit, tuple[str, ...]] = {
    "energy": (),
    "carbon": ("carbon_g_per_kwh",),
    "money": ("price_per_kwh", "price_per_device_hour"),
}
"""Figures of a pool, one of which at least it must state to be priced in a unit."""


@dataclass(frozen=True)
class Rates:
    """Prices of a joule and of an on-second on each pool, shape (pools,) each; nan where unknown.

    Examples
    --------
    >>> rates = rates_of([Pool("a", "1xh100", 1, price_per_device_hour=3.6)], "money")
    >>> rates.cost(np.array([5e6]), np.array([1000.0]))
    1.0
    """

    per_joule: FloatArray
    per_second: FloatArray

    def cost(self, energy_j: FloatArray, on_s: FloatArray) -> float:
        """Cost of joules and on-seconds, shape (pools,) each; nan where a used pool is unknown."""
        used = (energy_j != 0.0) | (on_s != 0.0)
        costs = self.per_joule * energy_j + self.per_second * on_s
        return float(np.sum(costs, where=used))

    def of_idling(self, pools: Sequence[Pool]) -> FloatArray:
        """Cost of a second for which a device of each always-on pool idles, 0 elsewhere."""
        watts = np.array([pool.always_on_watts for pool in pools])
        always = np.array([pool.power_policy == "always_on" for pool in pools])
        return np.asarray(self.per_joule * watts + self.per_second * always)

    def known(self) -> Rates:
        """Return the same rates with 0 where they are not known."""
        return Rates(np.nan_to_num(self.per_joule), np.nan_to_num(self.per_second))


def states_figures(pool: Pool, unit: Unit) -> bool:
    """Whether a pool states what it takes to be priced in a unit."""
    names = FIGURES[unit]
    return not names or any(getattr(pool, name) is not None for name in names)


def no_figures(pools: Sequence[Pool], index: int, unit: Unit) -> InvalidProblemError:
    """Return the error that a pool states no figures in a unit."""
    names = FIGURES[unit]
    return InvalidProblemError(
        f"/fleet/pools/{index}/{names[0]}",
        f"Expected {' or '.join(names)} of pool {pools[index].name}, which the plan may use, to "
        f"count {unit}, got none.",
    )


def rates_of(pools: Sequence[Pool], unit: Unit) -> Rates:
    """Return the rates of pools in a unit: 1 and 0 for joules.

    A pool that states one of its two prices has the other for nothing: what a cloud asks for an
    hour of a device holds its electricity.
    """
    return Rates(
        np.array([_per_joule(pool, unit) for pool in pools]),
        np.array([_per_second(pool, unit) for pool in pools]),
    )


def _per_joule(pool: Pool, unit: Unit) -> float:
    if not states_figures(pool, unit):
        return np.nan
    per_kwh = {"carbon": pool.carbon_g_per_kwh, "money": pool.price_per_kwh}
    return 1.0 if unit == "energy" else (per_kwh[unit] or 0.0) / JOULES_PER_KWH


def _per_second(pool: Pool, unit: Unit) -> float:
    if not states_figures(pool, unit):
        return np.nan
    per_hour = pool.price_per_device_hour if unit == "money" else None
    return (per_hour or 0.0) / SECONDS_PER_HOUR

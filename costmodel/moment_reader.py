"""Many moments of one source, and what had to be assumed of them."""

from __future__ import annotations

from collections.abc import Callable

from costmodel.moments import read_moment, written
from costmodel.zones import MACHINE_ZONE, Zone

JITTER_S = 60.0
"""Rows of several GPUs of one log may be out of order by that much."""


class MomentReader:
    """Reads many moments of one source, and remembers what it had to assume.

    Parameters
    ----------
    zone
        Zone of those that are written without one.
    """

    def __init__(self, zone: Zone = MACHINE_ZONE) -> None:
        self._zone = zone
        self._naive: float | None = None
        self._twice: float | None = None
        self._last_s = -float("inf")
        self._resolution_s = float("inf")

    @property
    def resolution_s(self) -> float:
        """Resolution of the finest moment so far [s]: others may end in zeros by chance."""
        return self._resolution_s

    @property
    def zone(self) -> Zone:
        """Where moments without a zone are taken to be."""
        return self._zone

    def read(self, value: str | float, fits: Callable[[float], bool] | None = None) -> float:
        """Return seconds since 1970-01-01 UTC.

        Of an hour that the clock showed twice, the second is taken where time would otherwise run
        back from the moment read before, or where that one fits alone.

        Parameters
        ----------
        value
            A value as of `read_moment`.
        fits
            Says whether it may be the moment; None where any may.

        Raises
        ------
        MomentRefusedError
            If `read_moment` refuses it.
        """
        moment = read_moment(value, self._zone)
        at_s = moment.at_s
        if not moment.zoned and self._naive is None:
            self._naive = at_s
        if moment.later_s > at_s:
            self._twice = at_s if self._twice is None else self._twice
            runs_back = at_s < self._last_s - JITTER_S
            if runs_back or (fits is not None and fits(moment.later_s) and not fits(at_s)):
                at_s = moment.later_s
        self._last_s = at_s
        self._resolution_s = min(self._resolution_s, moment.resolution_s)
        return at_s

    def assumed(self, what: str) -> list[str]:
        """Say what was assumed, a sentence each.

        Parameters
        ----------
        what
            Names the source, as ``power.csv``.
        """
        notes = []
        if self._naive is not None:
            hint = "" if self._zone.name else "; if that is wrong, state it with --zone"
            notes.append(
                f"{what}: moments without a zone are taken in {self._zone.shown(self._naive)}{hint}"
            )
        if self._twice is not None:
            notes.append(
                f"{what}: the clock showed {written(self._twice)[:13]}:00 UTC and the hour after "
                "it alike; the first is taken, the second where only that one fits: "
                "write moments with their offset"
            )
        return notes

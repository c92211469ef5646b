"""What a campaign measures with: a live server, or what was recorded of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from costmodel.bases import Basis
from profiler.campaign.points import Point
from profiler.campaign.trial import Trial


@dataclass(frozen=True)
class Measured:
    """A window that has just ended.

    Attributes
    ----------
    trial
        Row of the window.
    requests
        A row for each of its requests, as the journal keeps them.
    """

    trial: Trial
    requests: Sequence[Sequence[object]] = ()


class Rig(ABC):
    """Measures windows at points."""

    basis: Basis

    @abstractmethod
    def candidates(self) -> list[Point]:
        """Return the grid that may be measured; at least one point."""

    @abstractmethod
    def windows(self, point: Point, stage: str, done: int) -> Generator[Measured, None, None]:
        """Measure a point, window after window, until the caller has enough and closes it.

        Parameters
        ----------
        point
            Point to be measured.
        stage
            Stage of the campaign, for the row.
        done
            Windows of that point that the campaign has already.

        Yields
        ------
        Measured
            Each window as it ends.
        """

    @abstractmethod
    def max_windows(self, point: Point) -> int | None:
        """Return how many windows of a point there can be; None for as many as are wanted."""

    @abstractmethod
    def cost_s(self, point: Point, device_seconds: float, windows: int) -> float:
        """Return the seconds that measuring a point takes, given its device-seconds a request."""

    @abstractmethod
    def mixes(self) -> list[Point]:
        """Return the windows of mixed lengths that can be measured, one for each concurrency."""

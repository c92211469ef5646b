"""What every meter is: marks in time, and joules between two of them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from profiler.errors import MeterError

MIN_WATTS = 0.5
"""Mean power below which a meter sees nothing: an idling accelerator draws tens of watts, an
idling laptop's processor about one."""


@dataclass(frozen=True)
class Mark:
    """A moment that a meter was asked at.

    Attributes
    ----------
    at_s
        `time.perf_counter` [s].
    clock_s
        Unix time [s], for meters on another host.
    counters
        Raw readings by name, in the meter's own unit.
    """

    at_s: float
    clock_s: float
    counters: Mapping[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Joules:
    """Energy between two marks.

    Attributes
    ----------
    gpu_j, cpu_j
        Joules of the accelerators and of the processor with its memory [J]; None where not metered.
    flags
        Words for the observation, such as ``integrated_power``.
    """

    gpu_j: float | None = None
    cpu_j: float | None = None
    flags: tuple[str, ...] = ()

    @property
    def total_j(self) -> float:
        """All that was metered [J]."""
        return (self.gpu_j or 0.0) + (self.cpu_j or 0.0)


class Meter(ABC):
    """A device's energy meter, open between `open` and `close` or in a ``with`` block.

    Attributes
    ----------
    scope
        What the joules include: "gpu", "gpu+cpu" or "wall".
    min_window_s
        Windows shorter than this are not resolved at all [s].
    """

    scope: str = "gpu"
    min_window_s: float = 0.0

    def open(self) -> None:  # noqa: B027 (some meters have nothing to open)
        """Begin to meter.

        Raises
        ------
        MeterError
            If there is nothing to read, with what to do.
        """

    def close(self) -> None:  # noqa: B027
        """Stop; harmless twice."""

    def mark(self) -> Mark:
        """Note this moment; cheap enough to be called while requests are in flight.

        Raises
        ------
        MeterError
            If the counters cannot be read.
        """
        return Mark(time.perf_counter(), time.time(), self.counters())

    def counters(self) -> Mapping[str, int | float]:
        """Read the raw counters, by name."""
        return {}

    def between(self, begin: Mark, end: Mark) -> Joules:
        """Return the joules between two marks.

        Raises
        ------
        MeterError
            If the meter saw nothing.
        """
        joules = self._between(begin, end)
        seconds = end.at_s - begin.at_s
        if not joules.total_j > MIN_WATTS * seconds:
            msg = (
                f"Expected the {self.name} meter to see at least {MIN_WATTS} W, got "
                f"{joules.total_j:.4g} J in {seconds:.3g} s: is it the device that the server uses?"
            )
            raise MeterError(msg)
        return joules

    def facts(self) -> Mapping[str, str]:
        """Return what is known of the metered hardware: `hardware` and `driver`."""
        return {}

    @property
    @abstractmethod
    def name(self) -> str:
        """Name on the command line."""

    @abstractmethod
    def _between(self, begin: Mark, end: Mark) -> Joules: ...

    def __enter__(self) -> Self:
        """Open the meter; one that cannot be opened holds on to nothing."""
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the meter."""
        self.close()

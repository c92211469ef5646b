"""Several meters as one: GPUs by one of them, the processor by another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiler.errors import MeterError
from profiler.meters.meter import Joules, Mark, Meter


class CombinedMeter(Meter):
    """Meters whose joules add up; no two of them may see the same part.

    Parameters
    ----------
    meters
        Two meters or more.
    """

    scope = "gpu+cpu"

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = tuple(meters)
        self.min_window_s = max(meter.min_window_s for meter in meters)

    @property
    def name(self) -> str:
        """Names on the command line."""
        return ",".join(meter.name for meter in self._meters)

    def open(self) -> None:
        """Open all, or none."""
        for place, meter in enumerate(self._meters):
            try:
                meter.open()
            except BaseException:
                for opened in self._meters[:place]:
                    opened.close()
                raise

    def close(self) -> None:
        """Close all."""
        for meter in self._meters:
            meter.close()

    def counters(self) -> Mapping[str, int | float]:
        """All raw counters."""
        return {
            f"{meter.name}:{key}": value
            for meter in self._meters
            for key, value in meter.counters().items()
        }

    def facts(self) -> Mapping[str, str]:
        """Return what the meters know of the hardware."""
        return {key: text for meter in self._meters for key, text in meter.facts().items()}

    def _between(self, begin: Mark, end: Mark) -> Joules:
        parts = [meter.between(_own(meter, begin), _own(meter, end)) for meter in self._meters]
        gpu = [part.gpu_j for part in parts if part.gpu_j is not None]
        cpu = [part.cpu_j for part in parts if part.cpu_j is not None]
        if len(gpu) > 1 or len(cpu) > 1:
            raise MeterError(f"Expected one meter for each part, got {self.name} for the same.")
        flags = tuple(flag for part in parts for flag in part.flags)
        return Joules(gpu[0] if gpu else None, cpu[0] if cpu else None, flags)


def _own(meter: Meter, mark: Mark) -> Mark:
    prefix = f"{meter.name}:"
    own = {k.removeprefix(prefix): v for k, v in mark.counters.items() if k.startswith(prefix)}
    return Mark(mark.at_s, mark.clock_s, own)

"""AMD, Apple and Jetson by the Zeus library, an optional extra: ``pip install 'jouleplan[zeus]'``.

Zeus measures a window between two calls, so each mark ends one and begins the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiler.errors import MeterError
from profiler.meters.meter import Joules, Mark, Meter

_WINDOW = "jouleplan"
_WHOLE = "total_energy_mj"
_PARTS = (
    *("cpu_total_mj", "gpu_mj", "gpu_sram_mj", "ane_mj", "dram_mj"),
    *("cpu_energy_mj", "gpu_energy_mj"),
)
"""Fields of Zeus' measurements of an Apple chip, and of a Jetson without a reading of the whole."""


class ZeusMeter(Meter):
    """Joules by `zeus.monitor.ZeusMonitor`: GPUs, the processor where it can be read, or a SoC.

    Parameters
    ----------
    num_gpus
        Number of GPUs, as the device's name says.
    gpus
        Indices; None for all that Zeus sees.
    """

    def __init__(self, num_gpus: int, gpus: tuple[int, ...] | None = None) -> None:
        self._num_gpus, self._gpus = num_gpus, gpus
        self._monitor: Any = None
        self._spent = {"gpu": 0.0, "cpu": 0.0}

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "zeus"

    def open(self) -> None:
        """Load Zeus and begin its first window."""
        try:
            from zeus.monitor import ZeusMonitor  # noqa: PLC0415
        except ImportError:
            msg = "Expected the Zeus library, got none: pip install 'jouleplan[zeus]'."
            raise MeterError(msg) from None
        try:
            chosen = None if self._gpus is None else list(self._gpus)
            self._monitor = ZeusMonitor(gpu_indices=chosen)
            self._monitor.begin_window(_WINDOW, sync_execution=False)
            seen = len(self._monitor.gpu_indices)
        except Exception as error:
            raise MeterError(f"Expected a device that Zeus can meter, got {error}.") from error
        # A chip that is metered as a whole has no GPUs of its own.
        if seen not in (0, self._num_gpus):
            msg = f"Expected {self._num_gpus} GPUs, got the {seen} that Zeus sees: use --gpus."
            raise MeterError(msg)

    def close(self) -> None:
        """Nothing to let go of."""
        self._monitor = None

    def counters(self) -> Mapping[str, int | float]:
        """Joules since `open` of the GPUs and of the processor."""
        measured = self._monitor.end_window(_WINDOW, sync_execution=False)
        self._monitor.begin_window(_WINDOW, sync_execution=False)
        self._spent["gpu"] += sum(measured.gpu_energy.values()) + soc_j(measured.soc_energy)
        self._spent["cpu"] += sum((measured.cpu_energy or {}).values())
        return dict(self._spent)

    def _between(self, begin: Mark, end: Mark) -> Joules:
        gpu, cpu = (end.counters[part] - begin.counters[part] for part in ("gpu", "cpu"))
        return Joules(gpu_j=gpu or None, cpu_j=cpu or None)


def soc_j(measured: Any) -> float:
    """Return the joules of an Apple or Jetson chip as a whole.

    Parameters
    ----------
    measured
        Zeus' measurement of it, in millijoules; None where there is no such chip.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> soc_j(SimpleNamespace(total_energy_mj=5000.0, gpu_energy_mj=3000.0))
    5.0
    >>> soc_j(SimpleNamespace(cpu_total_mj=1000.0, gpu_mj=2000.0, ane_mj=None, dram_mj=500.0))
    3.5
    """
    if measured is None:
        return 0.0
    fields = {name: value for name, value in vars(measured).items() if value is not None}
    if _WHOLE in fields:
        return float(fields[_WHOLE]) / 1e3
    return float(sum(fields.get(name, 0.0) for name in _PARTS)) / 1e3

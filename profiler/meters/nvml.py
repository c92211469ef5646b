"""NVIDIA GPUs by the driver's NVML: the energy counter, or power integrated where there is none.

`nvmlDeviceGetTotalEnergyConsumption` counts millijoules since the driver was loaded (Volta and
later); `nvmlDeviceGetPowerUsage` gives milliwatts. Resolution: repeats of a window vary by 15 %
below half a second and by 1 % above five (A100, Wilkins et al. 2024).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pynvml

from profiler.errors import MeterError
from profiler.meters.meter import Joules, Mark, Meter
from profiler.meters.sampling import Sampler

POWER_PERIOD_S = 0.05
LIMIT_CHECK_PERIOD_S = 1.0
INTEGRATED = "integrated_power"
_MILLI = 1e-3


class NvmlMeter(Meter):
    """Joules of the GPUs that the server uses, summed.

    Parameters
    ----------
    num_gpus
        Number of GPUs, as the device's name says.
    gpus
        Indices or UUIDs; None to take those on which a process computes or, where none can be seen
        (in a container), all if the machine has `num_gpus`.
    shared
        Whether other processes may compute on them too.
    """

    def __init__(
        self, num_gpus: int, gpus: Sequence[str] | None = None, *, shared: bool = False
    ) -> None:
        self._num_gpus, self._wanted, self._shared = num_gpus, gpus, shared
        self._handles: dict[str, Any] = {}
        self._integrated: dict[str, float] = {}
        self._processes: dict[str, frozenset[int]] = {}
        self._last: tuple[float, dict[str, float]] | None = None
        self._lock = threading.Lock()
        self._samplers: list[Sampler] = []
        self._seen_processes: str | None = None

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "nvml"

    def open(self) -> None:
        """Find the GPUs and what each of them can report."""
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            msg = f"Expected an NVIDIA driver, got {error}: choose another --meter."
            raise MeterError(msg) from None
        try:
            self._handles = self._choose()
            self._processes = {name: _processes(gpu) for name, gpu in self._handles.items()}
            self._refuse_crowds()
            if not all(_has_counter(gpu) for gpu in self._handles.values()):
                self._integrated = dict.fromkeys(self._handles, 0.0)
                self._samplers.append(Sampler(self._sample_power, POWER_PERIOD_S))
            self._samplers.append(Sampler(self._check_limits, LIMIT_CHECK_PERIOD_S))
            for sampler in self._samplers:
                sampler.start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop, and let go of the driver."""
        for sampler in self._samplers:
            sampler.stop()
        if self._handles:
            pynvml.nvmlShutdown()
        self._handles, self._samplers = {}, []

    def counters(self) -> Mapping[str, int | float]:
        """Millijoules by GPU: the driver's counter, or the integral of power since `open`."""
        for sampler in self._samplers:
            sampler.check()
        if self._seen_processes is not None:
            raise MeterError(self._seen_processes)
        if self._integrated:
            self._sample_power()
            with self._lock:
                return dict(self._integrated)
        return {name: _call(_energy_mj, gpu) for name, gpu in self._handles.items()}

    def facts(self) -> Mapping[str, str]:
        """Return the GPUs' names and the driver's version."""
        names = sorted({_text(_call(pynvml.nvmlDeviceGetName, g)) for g in self._handles.values()})
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        return {"hardware": f"{len(self._handles)} x {', '.join(names)}", "driver": driver}

    def _between(self, begin: Mark, end: Mark) -> Joules:
        spent = {name: value - begin.counters[name] for name, value in end.counters.items()}
        stuck = [name for name, value in spent.items() if not value > 0]
        if stuck:
            msg = f"Expected the energy counter of {stuck[0]} to rise, got {spent[stuck[0]]} mJ."
            raise MeterError(msg)
        flags = (INTEGRATED,) if self._integrated else ()
        return Joules(gpu_j=sum(spent.values()) * _MILLI, flags=flags)

    def _choose(self) -> dict[str, Any]:
        count = pynvml.nvmlDeviceGetCount()
        if self._wanted is not None:
            chosen = [_by_name(name, count) for name in self._wanted]
        else:
            every = [(f"gpu{i}", pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(count)]
            chosen = [one for one in every if _processes(one[1])] or every
        if len(chosen) != self._num_gpus or len(dict(chosen)) != len(chosen):
            msg = (
                f"Expected {self._num_gpus} GPUs as the device's name says, got "
                f"{len(chosen)} ({', '.join(name for name, _ in chosen)}): name them with --gpus."
            )
            raise MeterError(msg)
        return dict(chosen)

    def _refuse_crowds(self) -> None:
        if self._shared:
            return
        for name, found in self._processes.items():
            if len(found) > 1:
                listed = ", ".join(str(pid) for pid in sorted(found))
                msg = (
                    f"Expected the server alone on {name}, got processes {listed}: its joules "
                    "would hold theirs. Stop the others, or say --shared-gpus if all are its own."
                )
                raise MeterError(msg)

    def _check_limits(self) -> None:
        if self._shared:
            return
        for name, gpu in self._handles.items():
            known = self._processes[name]
            fresh = _processes(gpu) - known
            if fresh and known:
                self._seen_processes = (
                    f"Expected the server alone on {name}, got process {min(fresh)} too, which "
                    "came while measuring: the last window is not kept."
                )
            elif fresh:
                # The server's own first appearance: it takes its memory with the first request.
                self._processes[name] = fresh

    def _sample_power(self) -> None:
        watts_m = {name: float(_call(_power_mw, gpu)) for name, gpu in self._handles.items()}
        now = time.perf_counter()
        with self._lock:
            if self._last is not None:
                before, power = self._last
                for name, value in watts_m.items():
                    self._integrated[name] += (power[name] + value) / 2 * (now - before)
            self._last = now, watts_m


def _energy_mj(gpu: Any) -> int:
    return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu))


def _power_mw(gpu: Any) -> int:
    return int(pynvml.nvmlDeviceGetPowerUsage(gpu))


def _has_counter(gpu: Any) -> bool:
    try:
        _energy_mj(gpu)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return False
    except pynvml.NVMLError as error:
        raise MeterError(f"Expected a reading of the energy counter, got {error}.") from None
    return True


def _call(read: Any, gpu: Any) -> Any:
    try:
        return read(gpu)
    except pynvml.NVMLError as error:
        raise MeterError(f"Expected a reading of the GPU, got {error}.") from None


def _processes(gpu: Any) -> frozenset[int]:
    try:
        return frozenset(one.pid for one in pynvml.nvmlDeviceGetComputeRunningProcesses(gpu))
    except pynvml.NVMLError:
        # Not to be seen in some containers and virtual machines.
        return frozenset()


def _by_name(name: str, count: int) -> tuple[str, Any]:
    try:
        if name.isdigit():
            return f"gpu{int(name)}", pynvml.nvmlDeviceGetHandleByIndex(int(name))
        return name, pynvml.nvmlDeviceGetHandleByUUID(name)
    except pynvml.NVMLError as error:
        msg = f"Expected the index (below {count}) or UUID of a GPU, got {name!r}: {error}."
        raise MeterError(msg) from None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

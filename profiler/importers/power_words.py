"""Words in the names of columns by which those of a log of power are distinguished."""

from __future__ import annotations

import re

from profiler.units import name_words

MOMENTS = ("timestamp", "datetime", "time", "date", "epoch", "unix", "ts")
DRAWS = {"power", "watt", "watts", "milliwatts", "kilowatts", "microwatts", "pwr"}
COUNTERS = {"energy", "joule", "joules", "millijoules", "microjoules", "kilojoules"}
NO_DRAW = frozenset(
    (
        *("limit", "limits", "cap", "caps", "capped", "max", "maximum", "min", "minimum"),
        *("peak", "default", "enforced", "requested", "management", "managed", "state"),
        *("pstate", "mode", "status", "budget", "target", "threshold", "tdp", "violation"),
        *("violations", "throttle", "throttling", "reason", "reasons", "profile", "setting"),
        *("settings", "smoothing", "percent", "pct", "util", "utilization", "utilisation"),
        *("count", "supported", "factor", "temp", "temperature", "cost", "price", "per"),
        *("type", "unit", "units", "source", "scope", "sensor"),
    )
)
AT_THE_PLUG = frozenset(
    (
        *("wall", "psu", "outlet", "plug", "pdu", "ups", "mains", "ac", "active", "apparent"),
        *("reactive", "inlet", "phase", "supply", "dcmi", "ipmi", "bmc", "redfish"),
    )
)
"""Words in the names of meters of whole machines."""
OTHER_PARTS = frozenset(
    (
        *("cpu", "cpus", "dram", "ram", "memory", "mem", "module", "soc", "ane", "cor", "core"),
        *("cores", "uncore", "fan", "pcie", "nic", "disk", *AT_THE_PLUG),
    )
)
PLACES = frozenset(
    (
        *("package", "pkg", "system", "sys", "node", "host", "chassis", "socket", "server"),
        *("rack", "platform", "reading", "readings"),
    )
)
"""Other parts too, unless a word of `GRAPHICS` says that it is the GPU in them."""
GRAPHICS = frozenset(("gpu", "gpus", "graphics"))
VOLTS = frozenset(("voltage", "volt", "volts"))
AMPERES = frozenset(("amp", "amps", "ampere", "amperes", "amperage"))
AVERAGES, INSTANTS = {"average", "avg", "mean"}, {"instant", "instantaneous", "inst", "current"}
SUMS = {"total", "sum", "all", "combined"}
GPUS = (
    *("index", "idx", "uuid", "serial", "gpu", "gpu index", "gpu idx", "gpu id", "gpu uuid"),
    *("gpu serial", "gpu number", "gpu num", "gpuid", "gpuindex", "device", "device id"),
    *("device index", "pci bus id", "bus id", "gpu bus id", "gpu i d", "card", "card id"),
    *("minor number", "gpu ordinal", "ordinal"),
    *("host", "hostname", "node", "instance", "server", "gpu instance"),
)
_LABELS = re.compile(r"\{([^{}]*)\}")
_GPU_LABEL = re.compile(
    r"(?<![A-Za-z_])(?:gpu|gpu_id|gpu_index|index|minor_number|device)\s*=\s*"
    r"""["']?(?:nvidia|card)?([0-9]+)["']?\s*(?:,|$)""",
    re.IGNORECASE,
)


def without_labels(name: str) -> str:
    """Return the name of a series without its labels in braces, but for the number of the GPU.

    Examples
    --------
    >>> without_labels('power_watts{gpu="1",modelName="H100",Hostname="node-7"}')
    'power_watts gpu 1 '
    """
    return _LABELS.sub(_gpu_label, name)


def name_parts(name: str) -> list[str]:
    """Split the name of a column into words and numbers, see `profiler.units.name_words`."""
    return name_words(without_labels(name))


def _gpu_label(labels: re.Match[str]) -> str:
    found = _GPU_LABEL.search(labels[1])
    return f" gpu {found[1]} " if found else " "

"""What each column of an observations file may hold: text of one cell to a checked value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from costmodel.errors import CostModelError
from costmodel.names import device_named, device_num_gpus, llm_name
from costmodel.provenance import ENERGY_SCOPES
from profiler.units import number_hint

Rule = Callable[[str], object]


class CellError(ValueError):
    """One cell breaks its rule; the reader adds file, row and column."""


MAX_MEASUREMENT = 1e12
"""No measurement is larger, and no power of one that a fit forms overflows."""
MIN_MEASUREMENT = 1e-9
"""No positive measurement is smaller."""


def number(text: str, *, minimum: float = -MAX_MEASUREMENT, wanted: str = "a number") -> float:
    """Read a finite number with a lower limit.

    Parameters
    ----------
    text
        The cell.
    least
        The number is at least that, and at most 1e12.
    wanted
        What the message says was expected.

    Returns
    -------
    float
        The number.

    Raises
    ------
    CellError
        If it is anything else, NaN and infinities included.

    Examples
    --------
    >>> number("2.5", minimum=1.0)
    2.5
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not minimum <= value <= MAX_MEASUREMENT:
        raise CellError(f"Expected {wanted}, got {text!r}.{number_hint(text)}")
    return value


def _name(normal: Callable[[str], str]) -> Rule:
    def read(text: str) -> str:
        try:
            return normal(text)
        except CostModelError as error:
            raise CellError(str(error)) from None

    return read


def _one_of(*allowed: str) -> Rule:
    def read(text: str) -> str:
        if text not in allowed:
            shown = " or ".join(map(repr, filter(None, allowed)))
            raise CellError(f"Expected {shown}, got {text!r}.")
        return text

    return read


def _yes_or_no(text: str) -> bool:
    """Read 0 or 1, also as programs write them that know only floats or truth values."""
    value = {"false": "0", "true": "1", "0.0": "0", "1.0": "1"}.get(text.lower(), text)
    return _one_of("0", "1")(value) == "1"


def _whole(text: str) -> int:
    value = number(text, minimum=1.0, wanted="a whole number of 1 or more")
    if value != int(value):
        raise CellError(f"Expected a whole number of 1 or more, got {text!r}.")
    return int(value)


def _tokens_in(text: str) -> float:
    return number(text, minimum=0.0, wanted="zero or more tokens or nothing") if text else math.nan


def _named_source(text: str) -> str:
    if not text:
        raise CellError("Expected the name of a campaign, got nothing.")
    return text


RULES: Mapping[str, Rule] = {
    "llm": _name(llm_name),
    "device": _name(device_named),
    "num_gpus": _whole,
    "concurrency": lambda text: number(text, minimum=1.0, wanted="a concurrency of 1 or more"),
    "kv_cache": _one_of("on", "off"),
    "input_tokens": _tokens_in,
    "output_tokens": lambda text: number(text, minimum=1.0, wanted="1 or more tokens"),
    "runtime_s": lambda text: number(text, minimum=MIN_MEASUREMENT, wanted="positive seconds"),
    "energy_gpu_j": lambda text: number(text, minimum=0.0, wanted="zero or more joules"),
    "energy_cpu_j": lambda text: number(text, wanted="joules") if text else math.nan,
    "warmup": _yes_or_no,
    "source": _named_source,
    "flags": str,
}
"""One rule a column of the schema, in order."""

FURTHER_RULES: Mapping[str, Rule] = {
    "energy_scope": lambda text: _one_of("", *ENERGY_SCOPES)(text.lower()),
    "max_context_tokens": lambda text: str(_whole(text)) if text else "",
}
"""Rules of further columns that a fit goes by: text to its normal form."""

UNUSABLE_CPU_FLAGS = frozenset(
    {"cpu_wrong_timechart_or_core", "cpu_negative_after_idle_subtraction"}
)
"""Rows with one of these have a processor energy that means nothing; it is read as not metered."""


def check_row(row: dict[str, object]) -> None:
    """Check what only several cells of a row can show, and drop processor joules declared unusable.

    Parameters
    ----------
    row
        Checked values by column; `energy_cpu_j` becomes NaN where the flags say so.

    Raises
    ------
    CellError
        If processor joules are negative and no flag explains it, or the name of the device counts
        other accelerators than `num_gpus`.
    """
    if UNUSABLE_CPU_FLAGS.intersection(str(row["flags"]).split(";")):
        row["energy_cpu_j"] = math.nan
    cpu = row["energy_cpu_j"]
    if isinstance(cpu, float) and cpu < 0:
        raise CellError(f"Expected zero or more joules in energy_cpu_j, got {cpu!r}.")
    check_num_gpus(str(row["device"]), row["num_gpus"])


def check_num_gpus(device: str, num_gpus: object) -> None:
    """Check that a device's name counts as many accelerators as its row.

    Raises
    ------
    CellError
        If the two numbers differ.
    """
    named = device_num_gpus(device)
    if named != num_gpus:
        raise CellError(f"Expected num_gpus {named} as the device says, got {num_gpus}.")

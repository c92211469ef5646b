"""Any CSV of measurements to observations, by naming its columns and its constants."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from costmodel.errors import MomentRefusedError, NameRefusedError
from costmodel.moments import read_moment
from costmodel.names import device_named, device_num_gpus, llm_name
from profiler.column_proposals import import_options
from profiler.delimited import Rows, read_table
from profiler.errors import ObservationError, UnusableInputError
from profiler.importers.column_units import COLUMN_QUANTITIES, convert_units
from profiler.observation_files import NUMBER_COLUMNS, checked_observations
from profiler.observation_rules import FURTHER_RULES
from profiler.observations import COLUMNS, Observations

NO_UNITS: Mapping[str, str] = {}
DEFAULTS: Mapping[str, str] = {"energy_cpu_j": "", "warmup": "0", "source": "csv", "flags": ""}
"""Columns that a file may lack: nothing metered on the processor, no warm-up, no campaign name.

So may `num_gpus`, which the name of the device says.
"""
FURTHER = (*FURTHER_RULES, "started_at", "requests", "window_s", "engine")
"""Columns beyond the schema that are read where they are."""


def import_csv(
    path: Path,
    renamed: Mapping[str, str],
    constants: Mapping[str, str],
    units: Mapping[str, str] = NO_UNITS,
) -> tuple[Observations, list[str]]:
    """Read a CSV file whose columns have other names than the schema's.

    Parameters
    ----------
    path
        The file.
    renamed
        Name in the file by column of the schema.
    constants
        Text that all rows get, by column; it wins over a column of the same name in the file.
    units
        Units of joules and seconds whose columns do not name theirs, by column of the schema.

    Returns
    -------
    tuple
        The observations, with columns kept that the schema does not know, and what had to be
        assumed, a sentence each.

    Raises
    ------
    ObservationError
        If the file lacks a column, or a cell breaks its rule.
    UnusableInputError
        If a column is both renamed and constant.

    Examples
    --------
    A file with ``prompt,generated,seconds,joules`` is read with ``renamed={"input_tokens":
    "prompt", "output_tokens": "generated", "runtime_s": "seconds", "energy_gpu_j": "joules"}`` and
    the LLM, device and settings as constants.
    """
    both = next((name for name in renamed if name in constants), None)
    if both is not None:
        msg = f"Expected {both} by --column {both}=... or by --set {both}=..., got both."
        raise UnusableInputError(msg)
    header, rows = read_table(path, lambda _: {renamed.get(name, name) for name in NUMBER_COLUMNS})
    absent = [theirs for theirs in renamed.values() if theirs not in header]
    if absent:
        raise ObservationError(path, f"Expected a column {absent[0]!r}, got {header}.", row=1)
    taken = {*renamed, *renamed.values()}
    origin = {**renamed, **{name: name for name in header if name not in taken}}
    fixed = {**{name: text for name, text in DEFAULTS.items() if name not in origin}, **constants}
    mapped = [
        (line, {**{ours: cells[theirs] for ours, theirs in origin.items()}, **fixed})
        for line, cells in rows
    ]
    if "num_gpus" not in {*origin, *fixed}:
        _count_gpus(mapped)
        fixed["num_gpus"] = ""
    if "started_at" in renamed:
        _check_moments(path, renamed["started_at"], rows)
    _check_complete(path, [name for name in header if name not in taken], {*origin, *fixed})
    read = {
        ours: theirs
        for ours, theirs in origin.items()
        if ours in COLUMN_QUANTITIES and ours not in fixed
    }
    notes = [*_replaced(path, rows, constants), *convert_units(path, read, mapped, units)]
    return checked_observations(path, list({**origin, **fixed}), mapped), notes


def _count_gpus(rows: Rows) -> None:
    """Write how many GPUs a device has, as its name says; those of no name get their refusal."""
    for _, cells in rows:
        try:
            cells["num_gpus"] = str(device_num_gpus(device_named(cells.get("device", ""))))
        except NameRefusedError:
            cells["num_gpus"] = "1"


def _check_moments(path: Path, name: str, rows: Rows) -> None:
    """Refuse a column of moments with a cell that is none."""
    for line, cells in rows:
        try:
            if cells[name].strip():
                read_moment(cells[name])
        except MomentRefusedError as error:
            raise ObservationError(path, str(error), row=line, column=name) from None


def _check_complete(path: Path, header: Sequence[str], given: Collection[str]) -> None:
    """Refuse a table of which neither a column nor an option gives all that is needed."""
    missing = [name for name in COLUMNS if name not in given]
    if missing:
        problem = (
            f"Expected {', '.join(missing)} too, which neither the table nor an option gives: add "
            f"{' '.join(import_options(header, missing))}, and see that each is what it seems."
        )
        raise ObservationError(path, problem, row=1)


def _replaced(path: Path, rows: Rows, constants: Mapping[str, str]) -> list[str]:
    """Say which constants stand in place of other texts of the file."""
    notes = []
    for name, text in constants.items():
        others = {cells[name].strip() for _, cells in rows if name in cells} - {text, ""}
        if others:
            shown = ", ".join(sorted(others)[:3]) + (", ..." if len(others) > 3 else "")
            notes.append(f"{path.name}: --set {name}={text} replaces its column {name} ({shown})")
    return notes


def parse_assignments(texts: Sequence[str], option: str) -> dict[str, str]:
    """Split `NAME=VALUE` texts of the command line.

    Parameters
    ----------
    texts
        Texts as given.
    option
        The option's name, for the message.

    Returns
    -------
    dict
        Value by name.

    Raises
    ------
    UnusableInputError
        If there is no "=" or, for a column, no such name in the schema; or a constant is to be the
        name of an LLM or a device and is none.

    Examples
    --------
    >>> parse_assignments(["runtime_s=seconds"], "--column")
    {'runtime_s': 'seconds'}
    """
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UnusableInputError(f"Expected {option} NAME=VALUE, got {text!r}.")
        allowed = {"--column": (*COLUMNS, *FURTHER), "--unit": tuple(COLUMN_QUANTITIES)}.get(option)
        if allowed is not None and name not in allowed:
            raise UnusableInputError(
                f"Expected {option} with one of {', '.join(allowed)}, got {name!r}."
            )
        pairs[name] = _normal(name, value) if option == "--set" else value
    return pairs


def _normal(name: str, value: str) -> str:
    """Return the normal form of the value of a column of names, any other value as it is."""
    read = {"llm": llm_name, "device": device_named}.get(name)
    try:
        return value if read is None else read(value)
    except NameRefusedError as error:
        raise UnusableInputError(f"--set {name}: {error}") from None

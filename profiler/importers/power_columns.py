"""Which columns of a log of power hold the moment, the draw and the GPU, by the words in its names.

A limit, a state or a share of use is never the draw, whatever else stands in its name; nor is the
power of a processor, of memory or of a whole node. Averages go before plain readings, since a GPU
draws in bursts that an instant misses, and those before instants. Active power is what meters of
plugs and of racks tell, and a power reading what a mainboard does: of whole machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from profiler.delimited import UNNAMED
from profiler.errors import ObservationError
from profiler.importers.power_words import (
    AMPERES,
    AT_THE_PLUG,
    AVERAGES,
    COUNTERS,
    DRAWS,
    GPUS,
    GRAPHICS,
    INSTANTS,
    MOMENTS,
    NO_DRAW,
    OTHER_PARTS,
    PLACES,
    SUMS,
    VOLTS,
    name_parts,
    without_labels,
)
from profiler.power_limits import COUNTER_LAG_S
from profiler.short_windows import AVERAGED_S, INSTANT_S
from profiler.units import (
    ENERGY,
    POWER,
    UNITS,
    Unit,
    UnitError,
    bracketed,
    header_units,
    unit,
)

HOW_TO_LOG = "nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv -l 1"
_HINT = f"write a header, or rename the column; NVIDIA's is logged by {HOW_TO_LOG}"
_DCGM_COUNTER = ("dcgm", "fi", "dev", "total", "energy", "consumption")


@dataclass(frozen=True)
class Source:
    """One column of readings.

    Attributes
    ----------
    column
        Name of the column.
    counter
        Whether it counts energy, instead of stating power.
    unit
        Unit that its name states; None where it states none.
    gpu
        Number of the GPU in its name; "" where it has none.
    summed
        Whether it is of all GPUs together.
    late_s
        By how much a reading is late, see `profiler.short_windows`.
    """

    column: str
    counter: bool
    unit: Unit | None
    gpu: str = ""
    summed: bool = False
    late_s: float = AVERAGED_S / 2


@dataclass(frozen=True)
class Columns:
    """What is read of a log.

    Attributes
    ----------
    moment
        One column, which may have no name, or a date and a time.
    sources
        Groups of columns of readings, the preferred first; those of one group are of one GPU each.
    gpus
        Columns that distinguish GPUs.
    passed_over
        Columns of limits, of states or of other parts, which are never read.
    """

    moment: tuple[str, ...]
    sources: tuple[tuple[Source, ...], ...]
    gpus: tuple[str, ...]
    passed_over: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """Columns of readings, and of the moment, which may be in seconds."""
        return (*self.moment, *(source.column for group in self.sources for source in group))


def find_columns(path: Path, header: Sequence[str]) -> Columns:
    """Find the columns of a log.

    Raises
    ------
    ObservationError
        If there is none of a moment or of readings, several that could be meant, or a unit that
        makes no sense.
    """
    moment = _moment(path, header)
    rest = [name for name in header if name not in moment and name != UNNAMED]
    groups, others = _groups(path, header, rest)
    taken = {source.column for group in groups for source in group}
    gpus = tuple(name for name in rest if name not in taken and " ".join(name_parts(name)) in GPUS)
    return Columns(moment, groups, gpus, others)


def _moment(path: Path, header: Sequence[str]) -> tuple[str, ...]:
    words = {name: name_parts(name) for name in header}
    whole = {" ".join(found): name for name, found in words.items()}
    if "date" in whole and "time" in whole:
        return whole["date"], whole["time"]
    for wanted in MOMENTS:
        exact = [name for name, found in words.items() if found == [wanted]]
        begun = [name for name, found in words.items() if found[:1] == [wanted]]
        ended = [name for name, found in words.items() if found[-1:] == [wanted]]
        for found in (exact, begun, ended):
            if found:
                return (found[0],)
    if UNNAMED in header:
        return (UNNAMED,)
    problem = f"Expected a column of moments such as timestamp, got {', '.join(header)}: {_HINT}."
    raise ObservationError(path, problem, row=1)


def _groups(
    path: Path, header: Sequence[str], names: Sequence[str]
) -> tuple[tuple[tuple[Source, ...], ...], tuple[str, ...]]:
    """Return columns of power, the preferred first, else those of energy, and what is neither."""
    others: list[str] = []
    unread: list[ObservationError] = []
    plugged = _is_plug(header)
    for dimension in (POWER, ENERGY):
        ranked: dict[tuple[bool, int], list[Source]] = {}
        for name in names:
            words = set(name_parts(name))
            if not _tells(dimension, name, words):
                continue
            if _is_other(words) or (plugged and not words & GRAPHICS):
                others += [name] * (name not in others)
                continue
            try:
                source = _source(path, name, dimension)
            except ObservationError as error:
                unread.append(error)
                continue
            ranked.setdefault((source.summed, _rank(words)), []).append(source)
        if ranked:
            groups = tuple(tuple(ranked[rank]) for rank in sorted(ranked))
            if dimension == POWER:
                taken = {source.column for group in groups for source in group}
                others += [
                    one
                    for one in names
                    if one not in {*taken, *others} and _tells(ENERGY, one, set(name_parts(one)))
                ]
            return groups, tuple(others)
        # What counts joules beside the power of a whole machine counts those of the machine.
        plugged |= any(AT_THE_PLUG.intersection(name_parts(one)) for one in others)
    if unread:
        raise unread[0]
    aside = f" ({', '.join(others)}: not what GPUs draw by the name)" if others else ""
    problem = (
        "Expected a column of what GPUs draw such as power.draw [W], power_w or gpu0_power_w, or "
        f"of the energy that they count, got {', '.join(filter(None, header))}{aside}: rename it "
        f"where it is meant; NVIDIA's is logged by {HOW_TO_LOG}."
    )
    raise ObservationError(path, problem, row=1)


def _tells(dimension: str, name: str, words: set[str]) -> bool:
    """Say whether a name speaks of power, or of energy, by a word or by its unit in brackets."""
    if words & (DRAWS if dimension == POWER else COUNTERS):
        return True
    stated = bracketed(without_labels(name))
    try:
        return bool(stated) and unit(stated).dimension == dimension
    except UnitError:
        return False


def _is_other(words: set[str]) -> bool:
    """Say whether a name is that of a limit, a state, or a part that is no GPU."""
    return bool(words & (NO_DRAW | OTHER_PARTS)) or bool(words & PLACES and not words & GRAPHICS)


def _is_plug(header: Sequence[str]) -> bool:
    """Say whether volts and amperes are told of what is drawn, as plugs and rack meters do.

    Examples
    --------
    >>> _is_plug(["time", "Power (W)", "Voltage (V)", "Current (A)"])
    True
    >>> _is_plug(["timestamp", "power.draw [W]", "clocks.current.sm [MHz]", "gfx_voltage"])
    False
    """
    words = [set(name_parts(name)) for name in header]
    volts = any(one & VOLTS and not one & {*GRAPHICS, "gfx", "soc", "mem"} for one in words)
    return volts and any(one & AMPERES or one == {"current"} for one in words)


def _source(path: Path, name: str, dimension: str) -> Source:
    words = name_parts(name)
    try:
        units = header_units(without_labels(name), dimension)
    except UnitError as error:
        raise ObservationError(path, str(error), row=1, column=name) from None
    if tuple(words) == _DCGM_COUNTER:
        units = (UNITS["mJ"],)
    if len(units) > 1:
        either = " or ".join(f"[{one.symbol}]" for one in units)
        problem = f"Expected one unit, got a name in which case says nothing: write {either}."
        raise ObservationError(path, problem, row=1, column=name)
    numbers = [word for word in words if word.isdigit()]
    return Source(
        name,
        dimension == ENERGY,
        units[0] if units else None,
        numbers[0] if len(numbers) == 1 else "",
        summed=bool(SUMS & set(words)) and dimension == POWER,
        late_s=_late_s(dimension, set(words)),
    )


def _late_s(dimension: str, words: set[str]) -> float:
    if dimension == ENERGY:
        return COUNTER_LAG_S
    return (INSTANT_S if INSTANTS & words else AVERAGED_S) / 2


def _rank(words: set[str]) -> int:
    if AVERAGES & words:
        return 0
    return 2 if INSTANTS & words else 1


def check_one_each(path: Path, sources: Sequence[Source]) -> None:
    """Check that columns of one rank are of one GPU each, by the numbers in their names.

    Raises
    ------
    ObservationError
        If two columns are of one GPU: either could be meant.
    """
    shapes = {
        " ".join("#" if word == source.gpu else word for word in name_parts(source.column))
        for source in sources
    }
    numbered = {source.gpu for source in sources} - {""}
    if len(sources) > 1 and (len(shapes) > 1 or len(numbered) < len(sources)):
        names = ", ".join(source.column for source in sources)
        problem = (
            "Expected one column of what is drawn, or one for each GPU by its number, got "
            f"{names}: keep those that are meant."
        )
        raise ObservationError(path, problem, row=1)

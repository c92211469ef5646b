"""Which columns of a log of power hold the moment, the draw and the GPU, by the words in its names.

A limit, a state or a share of use is never the draw, whatever else stands in its name; nor is the
power of a processor, of memory or of a whole node. Averages go before plain readings, since a GPU
draws in bursts that an instant misses, and those before instants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from profiler.delimited import UNNAMED
from profiler.errors import ObservationError
from profiler.power_limits import COARSE_S
from profiler.short_windows import AVERAGED_S, INSTANT_S
from profiler.units import (
    ENERGY,
    POWER,
    UNITS,
    Unit,
    UnitError,
    bracketed,
    header_units,
    name_words,
    unit,
)

_MOMENTS = ("timestamp", "datetime", "time", "date", "epoch", "unix", "ts")
_DRAWS = {"power", "watt", "watts", "milliwatts", "kilowatts", "microwatts", "pwr"}
_COUNTERS = {"energy", "joule", "joules", "millijoules", "microjoules", "kilojoules"}
_NO_DRAW = frozenset(
    (
        *("limit", "limits", "cap", "caps", "capped", "max", "maximum", "min", "minimum"),
        *("peak", "default", "enforced", "requested", "management", "managed", "state"),
        *("pstate", "mode", "status", "budget", "target", "threshold", "tdp", "violation"),
        *("violations", "throttle", "throttling", "reason", "reasons", "profile", "setting"),
        *("settings", "smoothing", "percent", "pct", "util", "utilization", "utilisation"),
        *("count", "supported", "factor", "temp", "temperature", "cost", "price", "per"),
    )
)
_OTHER_PARTS = frozenset(
    (
        *("cpu", "cpus", "dram", "ram", "memory", "mem", "wall", "psu", "module", "soc", "ane"),
        *("fan", "pcie", "nic", "disk"),
    )
)
_PLACES = frozenset(
    ("package", "pkg", "system", "sys", "node", "host", "chassis", "socket"),
)
"""Other parts too, unless a word of `_GRAPHICS` says that it is the GPU in them."""
_GRAPHICS = frozenset(("gpu", "gpus", "graphics"))
HOW_TO_LOG = "nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv -l 1"
_AVERAGES, _INSTANTS = {"average", "avg", "mean"}, {"instant", "instantaneous", "inst", "current"}
_SUMS = {"total", "sum", "all", "combined"}
_GPUS = (
    *("index", "idx", "uuid", "serial", "gpu", "gpu index", "gpu idx", "gpu id", "gpu uuid"),
    *("gpu serial", "gpu number", "gpu num", "gpuid", "gpuindex", "device", "device id"),
    *(
        "device index",
        "pci bus id",
        "bus id",
        "gpu bus id",
        "gpu i d",
        "card",
        "card id",
        "minor number",
    ),
    *("host", "hostname", "node", "instance", "server", "gpu instance"),
)
_HINT = f"write a header, or rename the column; NVIDIA's is logged by {HOW_TO_LOG}"
_DCGM_COUNTER = ("dcgm", "fi", "dev", "total", "energy", "consumption")


@dataclass(frozen=True)
class Source:
    """One column of readings.

    Attributes
    ----------
    column
        Its name.
    counter
        Whether it counts energy, instead of telling power.
    unit
        That its name states; None where it states none.
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
        Columns that tell GPUs apart.
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
        Where there is none of a moment or of readings, several that could be meant, or a unit that
        makes no sense.
    """
    moment = _moment(path, header)
    rest = [name for name in header if name not in moment and name != UNNAMED]
    groups, others = _groups(path, header, rest)
    taken = {source.column for group in groups for source in group}
    gpus = tuple(name for name in rest if name not in taken and " ".join(name_words(name)) in _GPUS)
    return Columns(moment, groups, gpus, others)


def _moment(path: Path, header: Sequence[str]) -> tuple[str, ...]:
    words = {name: name_words(name) for name in header}
    whole = {" ".join(found): name for name, found in words.items()}
    if "date" in whole and "time" in whole:
        return whole["date"], whole["time"]
    for wanted in _MOMENTS:
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
    for dimension in (POWER, ENERGY):
        ranked: dict[tuple[bool, int], list[Source]] = {}
        for name in names:
            words = set(name_words(name))
            if not _tells(dimension, name, words):
                continue
            if _is_other(words):
                others.append(name)
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
                    if one not in {*taken, *others} and _tells(ENERGY, one, set(name_words(one)))
                ]
            return groups, tuple(others)
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
    if words & (_DRAWS if dimension == POWER else _COUNTERS):
        return True
    stated = bracketed(name)
    try:
        return bool(stated) and unit(stated).dimension == dimension
    except UnitError:
        return False


def _is_other(words: set[str]) -> bool:
    """Say whether a name is that of a limit, a state, or a part that is no GPU."""
    return bool(words & (_NO_DRAW | _OTHER_PARTS)) or bool(
        words & _PLACES and not words & _GRAPHICS
    )


def _source(path: Path, name: str, dimension: str) -> Source:
    words = name_words(name)
    try:
        units = header_units(name, dimension)
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
        summed=bool(_SUMS & set(words)) and dimension == POWER,
        late_s=_late_s(dimension, set(words)),
    )


def _late_s(dimension: str, words: set[str]) -> float:
    if dimension == ENERGY:
        return COARSE_S
    return (INSTANT_S if _INSTANTS & words else AVERAGED_S) / 2


def _rank(words: set[str]) -> int:
    if _AVERAGES & words:
        return 0
    return 2 if _INSTANTS & words else 1


def check_one_each(path: Path, sources: Sequence[Source]) -> None:
    """Check that columns of one rank are of one GPU each, by the numbers in their names.

    Raises
    ------
    ObservationError
        Where they are not: either could be meant.
    """
    shapes = {
        " ".join("#" if word == source.gpu else word for word in name_words(source.column))
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

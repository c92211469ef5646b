"""Units as headers and cells write them, and quantities read with them.

The case of a letter decides where a unit stands by itself (``[mJ]``, ``0.3 MW``). In the words of a
name (``energy_mj``, ``POWER_MW``) case says nothing, unless both are there (``energy_mJ``): a watt
is a milliwatt, since no board draws megawatts, and a joule may be either, for physics to decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from costmodel.decimal_commas import comma_hint

POWER, ENERGY, TIME = "power", "energy", "time"
PLAIN: Mapping[str, str] = {POWER: "W", ENERGY: "J", TIME: "s"}


@dataclass(frozen=True)
class Unit:
    """One unit.

    Attributes
    ----------
    symbol
        Symbol as it is written, ``mJ``.
    dimension
        ``power``, ``energy`` or ``time``.
    scale
        How many watts, joules or seconds it is.
    """

    symbol: str
    dimension: str
    scale: float


_PREFIXES: Mapping[str, tuple[str, float]] = {
    "n": ("nano", 1e-9),
    "u": ("micro", 1e-6),
    "m": ("milli", 1e-3),
    "": ("", 1.0),
    "k": ("kilo", 1e3),
    "M": ("mega", 1e6),
    "G": ("giga", 1e9),
}
_BASES: Mapping[str, tuple[str, str, float, str]] = {
    "W": (POWER, "watt", 1.0, "numkMG"),
    "J": (ENERGY, "joule", 1.0, "numkMG"),
    "Wh": (ENERGY, "watthour", 3600.0, "umkM"),
    "Ws": (ENERGY, "wattsecond", 1.0, "umkM"),
    "s": (TIME, "second", 1.0, "num"),
}
UNITS: Mapping[str, Unit] = {
    f"{prefix}{base}": Unit(f"{prefix}{base}", dimension, scale * _PREFIXES[prefix][1])
    for base, (dimension, _, scale, prefixes) in _BASES.items()
    for prefix in ("", *prefixes)
} | {"min": Unit("min", TIME, 60.0), "h": Unit("h", TIME, 3600.0)}
"""Units by symbol."""
_SPELLED: Mapping[str, str] = {
    f"{_PREFIXES[prefix][0]}{word}": f"{prefix}{base}"
    for base, (_, word, _, prefixes) in _BASES.items()
    for prefix in ("", *prefixes)
} | {
    **{"sec": "s", "msec": "ms", "usec": "us", "minute": "min", "hour": "h", "hr": "h"},
    **{"millis": "ms", "micros": "us", "nanos": "ns", "mins": "min"},
}
_FOLDED: Mapping[str, tuple[str, ...]] = {
    folded: tuple(symbol for symbol in UNITS if symbol.lower() == folded)
    for folded in {symbol.lower() for symbol in UNITS}
}
_FOREIGN = frozenset(
    (
        *("cal", "kcal", "btu", "erg", "ev", "kev", "hp", "therm", "dbm", "ah", "mah"),
        *("va", "kva", "var", "kvar", "vah", "kvah"),
    )
)
"""Units that no reader here converts, in lower case: a name that has one is in no other."""
_BRACKETED = re.compile(r"[\[(]\s*([^\[\]()]*?)\s*[\])]\s*$")
_CELL = re.compile(
    r"(?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*(?P<unit>[^\s0-9.,+-].*)?",
    re.ASCII | re.DOTALL,
)
_MILLI = re.compile(r"(?<![A-Za-z])m(?:J|Wh)(?![A-Za-z])")
"""A unit in a name that nobody writes so who means millions."""
_WORDS = re.compile(r"[a-z]+|[0-9]+|%")


class UnitError(ValueError):
    """A unit that is none, or contradicts another; its message is a sentence."""


def unit(text: str) -> Unit:
    """Return the unit that stands by itself.

    Raises
    ------
    UnitError
        If the text is no unit.

    Examples
    --------
    >>> unit("mJ").scale, unit("MJ").scale, unit("kilowatt hours").symbol
    (0.001, 1000000.0, 'kWh')
    """
    bare = text.strip().replace("\u00b5", "u").replace("\u03bc", "u")
    if bare in UNITS:
        return UNITS[bare]
    spelled = _spelled(re.sub(r"[\s_-]+", "", bare.lower()))
    if spelled is not None:
        return spelled
    meant = _FOLDED.get(bare.lower(), ())
    if len(meant) == 1:
        return UNITS[meant[0]]
    if meant:
        return UNITS[_by_case(bare, meant)]
    raise UnitError(f"Expected a unit such as W, mW, kW, J, mJ, Wh, kWh or s, got {text!r:.40}.")


def name_words(name: str) -> list[str]:
    """Split the name of a column into words and numbers in lower case, without its brackets.

    Examples
    --------
    >>> name_words("GPU0_Power.draw [W]"), name_words("powerDraw_mW")
    (['gpu', '0', 'power', 'draw'], ['power', 'draw', 'mw'])
    """
    bare, _ = _split(name)
    parted = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", bare)
    return _WORDS.findall(parted.lower())


def bracketed(name: str) -> str:
    """Return the text of a unit in brackets behind a name; "" where there is none.

    Examples
    --------
    >>> bracketed("gpu [%]"), bracketed("Power (GPU 0)")
    ('%', '')
    """
    return _split(name)[1]


def header_units(name: str, dimension: str) -> tuple[Unit, ...]:
    """Return the units that the name of a column may state.

    Parameters
    ----------
    name
        Name of the column.
    dimension
        What it should hold.

    Returns
    -------
    tuple
        Empty where it states none; two where case alone would tell them apart.

    Raises
    ------
    UnitError
        If the unit is of another kind, or the name contradicts its brackets.

    Examples
    --------
    >>> [one.symbol for one in header_units("energy_mj", "energy")]
    ['mJ', 'MJ']
    >>> [one.symbol for one in header_units("Power (kW)", "power")]
    ['kW']
    """
    words = name_words(name)
    foreign = next((word for word in words if word in _FOREIGN), None)
    if foreign is not None:
        unit(foreign)
    named = _worded(words, dimension)
    if _MILLI.search(_split(name)[0]):
        named = named[:1]
    stands = bracketed(name)
    if not stands:
        return _of_kind(name, named, dimension)
    stated = unit(stands)
    if named and stated not in named:
        both = f"{named[0].symbol} and {stated.symbol}"
        raise UnitError(f"Expected one unit in the name {name!r}, got {both}.")
    return _of_kind(name, (stated,), dimension)


def read_quantity(cell: str, dimension: str) -> tuple[float, Unit | None]:
    """Read a number and the unit behind it.

    Parameters
    ----------
    cell
        ``300.00 W``, ``0.3kW`` or ``300``.
    dimension
        What it should be.

    Returns
    -------
    tuple
        The number as it is written, and its unit; None where it has none.

    Raises
    ------
    UnitError
        If it is no number, or of another unit.
    """
    found = _CELL.fullmatch(cell.strip())
    if found is None:
        raise UnitError(f"Expected {PLAIN[dimension]}, got {cell!r:.40}.{number_hint(cell)}")
    if found["unit"] is None:
        return float(found["number"]), None
    try:
        stated = unit(found["unit"])
    except UnitError as error:
        raise UnitError(f"{error}{number_hint(cell)}") from None
    if stated.dimension != dimension:
        raise UnitError(f"Expected {PLAIN[dimension]} or the like, got {cell!r:.40}.")
    return float(found["number"]), stated


def number_hint(cell: str) -> str:
    """Return the sentence that says how to write what a cell may mean; "" where none is known.

    Examples
    --------
    >>> number_hint("0:00:02")
    ' Write a duration as one number.'
    """
    if hint := comma_hint(cell):
        return hint
    return " Write a duration as one number." if re.search(r"[0-9]:[0-9]{2}", cell) else ""


def _split(name: str) -> tuple[str, str]:
    """Part a name from the unit in brackets behind it; a word there is part of the name."""
    found = _BRACKETED.search(name)
    if found is None:
        return name, ""
    try:
        unit(found[1])
    except UnitError:
        if found[1].lower() not in _FOREIGN and re.search(r"[A-Za-z]{3}", found[1]):
            return name, ""
    return name[: found.start()], found[1]


def _of_kind(name: str, found: tuple[Unit, ...], dimension: str) -> tuple[Unit, ...]:
    other = next((one for one in found if one.dimension != dimension), None)
    if other is not None:
        msg = (
            f"Expected {dimension} in {PLAIN[dimension]} or the like, got {name!r}, {other.symbol}."
        )
        raise UnitError(msg)
    return found


def _worded(words: list[str], dimension: str) -> tuple[Unit, ...]:
    """Return the unit that the words of a name say, the last one first."""
    for place in reversed(range(len(words))):
        pair = "".join(words[place - 1 : place + 1]) if place else ""
        for word in (pair, words[place]):
            spelled = _spelled(word) if word else None
            if spelled is not None:
                return (spelled,)
            meant = [UNITS[symbol] for symbol in _FOLDED.get(word, ()) if len(word) > 1 or place]
            if meant:
                return _likely(meant)
    return ()


def _likely(meant: list[Unit]) -> tuple[Unit, ...]:
    if all(one.dimension == POWER for one in meant):
        return (min(meant, key=lambda one: one.scale),)
    return tuple(sorted(meant, key=lambda one: one.scale))


def _spelled(word: str) -> Unit | None:
    symbol = _SPELLED.get(word) or _SPELLED.get(word.removesuffix("s"))
    return None if symbol is None else UNITS[symbol]


def _by_case(bare: str, meant: tuple[str, ...]) -> str:
    """Choose among units that differ in the case of their first letter alone."""
    return next((symbol for symbol in meant if symbol[0] == bare[0]), meant[0])

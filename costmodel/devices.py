"""Published figures of accelerators, by the names that devices have here.

One table, `devices.csv`: what a vendor says that one board, module or chip may draw, and where.
Where a name leaves the form open (``h100``), all its forms are meant.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from costmodel.names import device_num_gpus

_PREFIXES = frozenset(
    (
        *("nvidia", "amd", "intel", "tesla", "geforce", "quadro", "radeon", "instinct"),
        *("data", "center", "gpu"),
    )
)
_SHAPE = re.compile(r"^[0-9]+x|-tp[0-9]+-ep[0-9]+-dp[0-9]+$", re.ASCII)
_JOINED = re.compile(
    r"(rtx|gtx|titan|gaudi|max|arc)-?(?=[a-z0-9])|(?<=[0-9])(?=(?:ti|super)\b)", re.ASCII
)
_FORMS: Mapping[str, tuple[str, ...]] = {
    "": (),
    "sxm": ("sxm", "sxm2", "sxm3", "sxm4", "sxm5", "sxm6", "hbm3", "hbm3e"),
    "pcie": ("pcie", "pci"),
    "nvl": ("nvl",),
}
"""Words of a name that mean a form of the table."""


@dataclass(frozen=True)
class Accelerator:
    """One board, module or chip.

    Attributes
    ----------
    name
        ``h100``, or ``rtx-6000-ada``.
    watts
        What it may draw in all, sustained, as its vendor says [W].
    source
        Where that is published.
    forms
        Words of which a name has one where it means this form; empty where there is but one form.
    """

    name: str
    watts: float
    source: str
    forms: tuple[str, ...] = ()


def accelerators(device: str) -> tuple[Accelerator, ...]:
    """Return what the accelerators of a device may be.

    Parameters
    ----------
    device
        Name of a device.

    Returns
    -------
    tuple
        The forms that its name leaves open; empty where nothing is known of it.

    Raises
    ------
    NameRefusedError
        If it is not the name of a device.

    Examples
    --------
    >>> [one.watts for one in accelerators("8xh100")]
    [700.0, 350.0, 400.0]
    >>> [one.watts for one in accelerators("1xh100-sxm5-80gb")]
    [700.0]
    >>> accelerators("1xabacus")
    ()
    """
    device_num_gpus(device)
    words = _words(_SHAPE.sub("", device))
    families = _families()
    longest = max((len(found) for found in families if _begins(words, found)), default=0)
    family = families.get(tuple(words[:longest]), ()) if longest else ()
    named = tuple(one for one in family if set(one.forms) & set(words))
    return named or tuple(family)


@cache
def known_accelerators() -> tuple[Accelerator, ...]:
    """Return all that the table has, the largest form of each first."""
    table = files(__package__).joinpath("devices.csv").read_text(encoding="utf-8")
    return tuple(
        Accelerator(row["name"], float(row["watts"]), row["source"], _FORMS[row["form"]])
        for row in csv.DictReader(table.splitlines())
    )


@cache
def _families() -> Mapping[tuple[str, ...], tuple[Accelerator, ...]]:
    """Return the forms of each by the words of its name."""
    found: dict[tuple[str, ...], tuple[Accelerator, ...]] = {}
    for one in known_accelerators():
        key = tuple(one.name.split("-"))
        found[key] = (*found.get(key, ()), one)
    return found


def _words(name: str) -> list[str]:
    words = [word for word in _JOINED.sub(r"\1-", name).split("-") if word]
    return [word for word in words if word not in _PREFIXES]


def _begins(words: Sequence[str], family: Sequence[str]) -> bool:
    return list(words[: len(family)]) == list(family)

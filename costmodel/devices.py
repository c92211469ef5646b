"""Published figures of accelerators, by the names that devices have here.

One table: what a vendor says that one board, module or chip may draw. Where a name leaves the form
open (``h100``), all its forms are meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

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
    longest = max((len(found) for found in _FAMILIES if _begins(words, found)), default=0)
    family = _FAMILIES.get(tuple(words[:longest]), ()) if longest else ()
    named = tuple(one for one in family if set(one.forms) & set(words))
    return named or tuple(family)


def _words(name: str) -> list[str]:
    words = [word for word in _JOINED.sub(r"\1-", name).split("-") if word]
    return [word for word in words if word not in _PREFIXES]


def _begins(words: Sequence[str], family: Sequence[str]) -> bool:
    return list(words[: len(family)]) == list(family)


_SXM = ("sxm", "sxm2", "sxm3", "sxm4", "sxm5", "sxm6", "hbm3", "hbm3e")
_PCIE, _NVL = ("pcie", "pci"), ("nvl",)
_APPLE = "Apple support, power of the whole {}"

ACCELERATORS = (
    Accelerator("p4", 75.0, "NVIDIA Tesla P4 datasheet"),
    Accelerator("p40", 250.0, "NVIDIA Tesla P40 datasheet"),
    Accelerator("p100", 300.0, "NVIDIA Tesla P100 datasheet", _SXM),
    Accelerator("p100", 250.0, "NVIDIA Tesla P100 datasheet", _PCIE),
    Accelerator("v100", 300.0, "NVIDIA V100 datasheet", _SXM),
    Accelerator("v100", 250.0, "NVIDIA V100 datasheet", _PCIE),
    Accelerator("v100s", 250.0, "NVIDIA V100 datasheet"),
    Accelerator("t4", 70.0, "NVIDIA T4 datasheet"),
    Accelerator("t4g", 70.0, "NVIDIA T4 datasheet"),
    Accelerator("a2", 60.0, "NVIDIA A2 datasheet"),
    Accelerator("a10", 150.0, "NVIDIA A10 datasheet"),
    Accelerator("a10g", 300.0, "power limit of Amazon's G5 as its driver says"),
    Accelerator("a16", 250.0, "NVIDIA A16 datasheet"),
    Accelerator("a30", 165.0, "NVIDIA A30 datasheet"),
    Accelerator("a40", 300.0, "NVIDIA A40 product brief PB-09976-001"),
    Accelerator("a100", 400.0, "NVIDIA A100 datasheet", _SXM),
    Accelerator("a100", 300.0, "NVIDIA A100 datasheet (80 GB; 250 W with 40 GB)", _PCIE),
    Accelerator("a800", 400.0, "NVIDIA A800, as A100", _SXM),
    Accelerator("a800", 300.0, "NVIDIA A800, as A100", _PCIE),
    Accelerator("l4", 72.0, "NVIDIA L4 datasheet"),
    Accelerator("l20", 275.0, "NVIDIA L20 datasheet"),
    Accelerator("l40", 300.0, "NVIDIA L40 datasheet"),
    Accelerator("l40s", 350.0, "NVIDIA L40S datasheet"),
    Accelerator("h20", 400.0, "NVIDIA H20 datasheet"),
    Accelerator("h100", 700.0, "NVIDIA H100 datasheet", _SXM),
    Accelerator("h100", 350.0, "NVIDIA H100 PCIe product brief PB-11133-001", _PCIE),
    Accelerator("h100", 400.0, "NVIDIA H100 datasheet", _NVL),
    Accelerator("h800", 700.0, "NVIDIA H800, as H100", _SXM),
    Accelerator("h800", 350.0, "NVIDIA H800, as H100", _PCIE),
    Accelerator("h200", 700.0, "NVIDIA H200 datasheet", _SXM),
    Accelerator("h200", 600.0, "NVIDIA H200 datasheet", _NVL),
    Accelerator("gh200", 1000.0, "NVIDIA GH200 datasheet, processor and memory included"),
    Accelerator("b200", 1000.0, "NVIDIA DGX B200 datasheet"),
    Accelerator("gb200", 1200.0, "NVIDIA GB200 NVL72 datasheet"),
    Accelerator("b300", 1400.0, "NVIDIA Blackwell Ultra datasheet"),
    Accelerator("gb300", 1400.0, "NVIDIA Blackwell Ultra datasheet"),
    Accelerator("jetson-agx-orin", 60.0, "NVIDIA Jetson AGX Orin data sheet, 64 GB module"),
    Accelerator("jetson-agx-thor", 130.0, "NVIDIA Jetson Thor data sheet, T5000 module"),
    Accelerator("gb10", 140.0, "NVIDIA DGX Spark, the whole chip"),
    Accelerator("rtx-2080-ti", 260.0, "NVIDIA GeForce RTX 2080 Ti specifications"),
    Accelerator("rtx-3060", 170.0, "NVIDIA GeForce RTX 3060 specifications"),
    Accelerator("rtx-3070", 220.0, "NVIDIA GeForce RTX 3070 specifications"),
    Accelerator("rtx-3080", 350.0, "NVIDIA GeForce RTX 3080 specifications (12 GB)"),
    Accelerator("rtx-3080-ti", 350.0, "NVIDIA GeForce RTX 3080 Ti specifications"),
    Accelerator("rtx-3090", 350.0, "NVIDIA GeForce RTX 3090 specifications"),
    Accelerator("rtx-3090-ti", 450.0, "NVIDIA GeForce RTX 3090 Ti specifications"),
    Accelerator("rtx-4060", 115.0, "NVIDIA GeForce RTX 4060 specifications"),
    Accelerator("rtx-4060-ti", 165.0, "NVIDIA GeForce RTX 4060 Ti specifications"),
    Accelerator("rtx-4070", 200.0, "NVIDIA GeForce RTX 4070 specifications"),
    Accelerator("rtx-4070-ti", 285.0, "NVIDIA GeForce RTX 4070 Ti specifications"),
    Accelerator("rtx-4080", 320.0, "NVIDIA GeForce RTX 4080 specifications"),
    Accelerator("rtx-4090", 450.0, "NVIDIA GeForce RTX 4090 specifications"),
    Accelerator("rtx-5070", 250.0, "NVIDIA GeForce RTX 5070 specifications"),
    Accelerator("rtx-5070-ti", 300.0, "NVIDIA GeForce RTX 5070 Ti specifications"),
    Accelerator("rtx-5080", 360.0, "NVIDIA GeForce RTX 5080 specifications"),
    Accelerator("rtx-5090", 575.0, "NVIDIA GeForce RTX 5090 specifications"),
    Accelerator("titan-rtx", 280.0, "NVIDIA Titan RTX specifications"),
    Accelerator("rtx-6000", 295.0, "NVIDIA Quadro RTX 6000 datasheet"),
    Accelerator("rtx-8000", 295.0, "NVIDIA Quadro RTX 8000 datasheet"),
    Accelerator("rtx-a4000", 140.0, "NVIDIA RTX A4000 datasheet"),
    Accelerator("rtx-a5000", 230.0, "NVIDIA RTX A5000 datasheet"),
    Accelerator("rtx-a6000", 300.0, "NVIDIA RTX A6000 datasheet"),
    Accelerator("a6000", 300.0, "NVIDIA RTX A6000 datasheet"),
    Accelerator("rtx-4000-ada", 130.0, "NVIDIA RTX 4000 Ada datasheet"),
    Accelerator("rtx-5000-ada", 250.0, "NVIDIA RTX 5000 Ada datasheet"),
    Accelerator("rtx-6000-ada", 300.0, "NVIDIA RTX 6000 Ada datasheet"),
    Accelerator("rtx-pro-6000", 600.0, "NVIDIA RTX PRO 6000 Blackwell datasheet"),
    Accelerator("rx-7900-xtx", 355.0, "AMD Radeon RX 7900 XTX specifications"),
    Accelerator("mi50", 300.0, "AMD Instinct MI50 datasheet"),
    Accelerator("mi100", 300.0, "AMD Instinct MI100 datasheet"),
    Accelerator("mi210", 300.0, "AMD Instinct MI210 datasheet"),
    Accelerator("mi250", 560.0, "AMD Instinct MI250 datasheet, peak"),
    Accelerator("mi250x", 560.0, "AMD Instinct MI250X datasheet, peak"),
    Accelerator("mi300a", 760.0, "AMD Instinct MI300A datasheet, peak, processor included"),
    Accelerator("mi300x", 750.0, "AMD Instinct MI300X datasheet"),
    Accelerator("mi325x", 1000.0, "AMD Instinct MI325X datasheet"),
    Accelerator("mi350x", 1000.0, "AMD Instinct MI350X datasheet"),
    Accelerator("mi355x", 1400.0, "AMD Instinct MI355X datasheet"),
    Accelerator("gaudi-2", 600.0, "Intel Gaudi 2 datasheet"),
    Accelerator("gaudi-3", 900.0, "Intel Gaudi 3 datasheet"),
    Accelerator("max-1100", 300.0, "Intel Data Center GPU Max 1100 specifications"),
    Accelerator("max-1550", 600.0, "Intel Data Center GPU Max 1550 specifications"),
    Accelerator("arc-a770", 225.0, "Intel Arc A770 specifications"),
    Accelerator("m1", 39.0, _APPLE.format("Mac mini")),
    Accelerator("m1-pro", 96.0, "Apple, adapter of the MacBook Pro"),
    Accelerator("m1-max", 115.0, _APPLE.format("Mac Studio")),
    Accelerator("m1-ultra", 215.0, _APPLE.format("Mac Studio")),
    Accelerator("m2", 50.0, _APPLE.format("Mac mini")),
    Accelerator("m2-pro", 100.0, _APPLE.format("Mac mini")),
    Accelerator("m2-max", 145.0, _APPLE.format("Mac Studio")),
    Accelerator("m2-ultra", 295.0, _APPLE.format("Mac Studio")),
    Accelerator("m3-max", 140.0, "Apple, adapter of the MacBook Pro"),
    Accelerator("m3-ultra", 270.0, _APPLE.format("Mac Studio")),
    Accelerator("m4", 65.0, _APPLE.format("Mac mini")),
    Accelerator("m4-pro", 140.0, _APPLE.format("Mac mini")),
    Accelerator("m4-max", 145.0, _APPLE.format("Mac Studio")),
)
"""All that are known, the largest form of each first."""

_FAMILIES: dict[tuple[str, ...], tuple[Accelerator, ...]] = {}
for _one in ACCELERATORS:
    _key = tuple(_one.name.split("-"))
    _FAMILIES[_key] = (*_FAMILIES.get(_key, ()), _one)

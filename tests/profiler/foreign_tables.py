"""Tables as foreign programs write them, drawn at random over figures that are known."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

CONSTANTS = {
    "llm": "made-up",
    "device": "1xl4",
    "num_gpus": "1",
    "kv_cache": "on",
    "input_tokens": "64",
    "output_tokens": "32",
    "concurrency": "2",
}
"""What a table of trials leaves to be said once."""
BEGIN_S = 1_772_366_400
"""Noon of the first of March 2026 in Greenwich."""
SECONDS = 40
WATTS = (60.0, 600.0)
"""Power of each GPU, around the run and in it; one more for each further GPU."""
RUN = (10, 20)
"""Seconds in which the run takes place."""
SCALES = {"W": 1.0, "mW": 1e-3, "kW": 1e3, "uW": 1e-6}
JOULE_SCALES = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "kJ": 1e3, "Wh": 3600.0, "kWh": 3.6e6}

_FRACTION = re.compile(r"[0-9]+\.[0-9]+(?:e[-+][0-9]+)?(?: [A-Za-z]+)?")
Moment = Callable[[float], str]


@dataclass(frozen=True)
class Dialect:
    """How a table is written down."""

    separator: str
    encoding: str
    end: str
    quoting: int
    blank: bool
    comma: bool

    def write(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
        """Write the table."""
        text = io.StringIO()
        writer = csv.writer(
            text, delimiter=self.separator, lineterminator=self.end, quoting=self.quoting
        )
        pad = " " if self.blank and self.quoting == csv.QUOTE_MINIMAL else ""
        for row in (header, *(map(self.number, row) for row in rows)):
            first, *others = row
            writer.writerow([first, *(pad + cell for cell in others)])
        return text.getvalue().encode(self.encoding)

    def number(self, cell: str) -> str:
        """Write a number with a decimal comma, where the table does so."""
        if not self.comma or self.separator == "," or not _FRACTION.fullmatch(cell):
            return cell
        return cell.replace(".", ",")


dialects = st.builds(
    Dialect,
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    blank=st.booleans(),
    comma=st.booleans(),
)


def zoned(hours: float) -> dict[str, Moment]:
    """Return the forms of moments on a clock so many hours ahead of Greenwich."""
    clock = timezone(timedelta(hours=hours))

    def at(at_s: float) -> datetime:
        return datetime.fromtimestamp(at_s, UTC).astimezone(clock)

    return {
        "iso": lambda at_s: at(at_s).isoformat(),
        "space": lambda at_s: at(at_s).strftime("%Y-%m-%d %H:%M:%S.%f %z"),
        "smi": lambda at_s: at(at_s).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3],
        "comma": lambda at_s: at(at_s).strftime("%Y-%m-%d %H:%M:%S,%f"),
        "s": lambda at_s: f"{at_s:.3f}",
        "ms": lambda at_s: str(round(at_s * 1e3)),
        "us": lambda at_s: str(round(at_s * 1e6)),
        "ns": lambda at_s: str(round(at_s * 1e3) * 10**6),
    }


NAIVE = ("smi", "comma")

DECOYS: tuple[tuple[str, Callable[[int], str]], ...] = (
    ("power.limit [W]", lambda row: "700.00 W"),
    ("enforced.power.limit [W]", lambda row: "650.00 W"),
    ("power_cap_w", lambda row: "700"),
    ("power.management", lambda row: "Enabled"),
    ("gpu_util [%]", lambda row: f"{40 + row % 3} %"),
    ("utilization.gpu [%]", lambda row: f"{90 + row % 9}"),
    ("gpu_temp", lambda row: f"{60 + row % 5}"),
    ("temperature.gpu [°C]", lambda row: f"{60 + row % 5}"),
    ("memory.used [MiB]", lambda row: "71000 MiB"),
    ("clocks.sm [MHz]", lambda row: "1980 MHz"),
    ("pstate", lambda row: "P0"),
    ("cpu_power_w", lambda row: "180"),
    ("name", lambda row: "NVIDIA H100 80GB HBM3"),
    ("power.draw.instant [W]", lambda row: f"{100 * (row % 9)}.00 W"),
)
"""Columns that are never the draw, and last a reading that is worse than another."""


@dataclass(frozen=True)
class PowerTable:
    """A log of power, and what is true of it.

    Attributes
    ----------
    content
        Of the file.
    zone
        That the user states.
    joules
        Of the run.
    honest
        Whether everything that is needed is stated in it.
    """

    content: bytes
    zone: str
    joules: float
    honest: bool
    header: list[str] = field(default_factory=list)


def true_watts(second: int, gpu: int) -> float:
    """Watts of a GPU: more while the run lasts."""
    return WATTS[RUN[0] <= second <= RUN[1]] + 10.0 * gpu


@st.composite
def power_tables(draw: st.DrawFn) -> PowerTable:
    """Draw a log: layout, units, moments, columns beside, and what may be missing of it."""
    gpus, hours = draw(st.integers(1, 3)), draw(st.sampled_from([-8, -3.5, 0, 5, 5.75]))
    form = draw(st.sampled_from(sorted(zoned(0))))
    moment = zoned(hours)[form]
    missing = draw(st.sampled_from(["", "", "", "gpu", "unit", "zone"]))
    shape = draw(st.sampled_from(["wide", "long", "counter"] if gpus > 1 else ["long", "counter"]))
    unit = draw(st.sampled_from(sorted(JOULE_SCALES if shape == "counter" else SCALES)))
    place = draw(st.sampled_from(["[]", "()", "cell", "cells and name"]))
    lost = {"gpu": gpus > 1 and shape != "wide", "unit": True, "zone": form in NAIVE}
    stated = "" if missing == "unit" else unit
    base = "energy" if shape == "counter" else draw(st.sampled_from(["power", "power.draw"]))
    named = {"[]": f" [{stated}]", "()": f" ({stated})"}.get(place, "") if stated else ""
    behind = f" {stated}" if stated and place.startswith("cell") else ""
    scale = (JOULE_SCALES if shape == "counter" else SCALES)[unit]

    def cell(second: int, gpu: int) -> str:
        drawn = [true_watts(past, gpu) for past in range(second + 1)]
        figure = sum(drawn) if shape == "counter" else drawn[-1]
        return f"{figure / scale:.9g}{behind}"

    each = range(gpus) if shape != "wide" else range(1)
    rows = [(second, gpu) for second in range(SECONDS) for gpu in each]
    columns: list[tuple[str, list[str]]] = [
        ("timestamp", [moment(BEGIN_S + second) for second, _ in rows])
    ]
    if shape == "wide":
        columns += [
            (f"gpu{gpu}_{base.replace('.', '_')}{named}", [cell(second, gpu) for second, _ in rows])
            for gpu in range(gpus)
        ]
    else:
        columns.append((f"{base}{named}", [cell(second, gpu) for second, gpu in rows]))
        if missing != "gpu":
            name = draw(st.sampled_from(["index", "gpu", "gpu_uuid", "pci.bus_id", "device_id"]))
            spell = "GPU-{}-ab" if "uuid" in name else "0000:{}0:00.0" if "pci" in name else "{}"
            columns.append((name, [spell.format(gpu) for _, gpu in rows]))
    beside = DECOYS[:-1] if shape == "counter" else DECOYS
    for name, decoy in draw(st.lists(st.sampled_from(beside), unique_by=lambda one: one[0])):
        columns.append((name, [decoy(second) for second, _ in rows]))
    columns = draw(st.permutations(columns))
    order = draw(st.sampled_from([rows, rows[::-1]]))
    places = [rows.index(one) for one in order]
    header = [name for name, _ in columns]
    cells = [[values[place] for _, values in columns] for place in places]
    offset = 0.0 if missing == "zone" else hours
    sign, total = ("-" if offset < 0 else "+"), round(abs(offset) * 60)
    joules = sum(
        (true_watts(second, gpu) + true_watts(second + 1, gpu)) / 2
        if shape != "counter"
        else true_watts(second + 1, gpu)
        for second in range(*RUN)
        for gpu in range(gpus)
    )
    return PowerTable(
        draw(dialects).write(header, cells),
        f"{sign}{total // 60:02}:{total % 60:02}",
        joules,
        not (missing and lost[missing]),
        header,
    )

"""Compare methods on instances of any size, and hold the planner to its bars.

python -m benchmarks.scale                      the whole comparison: hours, most of them CBC's
python -m benchmarks.scale --sizes 100 1000 --placements 3 --forms shares
python -m benchmarks.scale --bars               what the bars need: a quarter of an hour
python -m benchmarks.scale --check-binding      whether each limit of the instances binds
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.scale.bars import Bar, bars
from benchmarks.scale.binding import Move, binding_table, moves
from benchmarks.scale.comparison import METHODS, Options, compare, feasible_forms
from benchmarks.scale.instance import FORMS
from benchmarks.scale.instances import PLACEMENTS, SIZES
from benchmarks.scale.page import PLOT, page
from benchmarks.scale.plot import draw
from benchmarks.scale.report import bars_table, line, tables, title
from benchmarks.timing import machine

PAGE, DATA = "scale.md", "scale.json"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for."""
    options = _parser().parse_args(arguments)
    print(_where(), flush=True)
    if options.check_binding:
        check_binding(options)
    elif options.bars:
        print_bars(options)
    else:
        print_comparison(options)


def print_comparison(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare on every instance asked for; write what was found after each of them."""
    results: list[dict[str, Any]] = []
    for form in options.forms:
        for placements in options.placements:
            for size in options.sizes if feasible_forms([form], placements) else ():
                found = compare(form, size, placements, _options(options), _print_row)
                results += found
                print(f"\n{tables(found)}\n", flush=True)
                _write(options.out, {"where": _where(), "results": results})
    return results


def print_bars(options: argparse.Namespace) -> list[Bar]:
    """Run what the bars need; print each, then all as a table."""
    rows: list[dict[str, Any]] = []
    found = bars(_options(options), rows.append, lambda bar: print(*bar.cells, flush=True))
    print(f"\n{bars_table([bar.cells for bar in found])}\n\n{_where()}", flush=True)
    results = {"bars": [bar.cells for bar in found], "bars_rows": rows, "bars_where": _where()}
    _write(options.out, results)
    return found


def check_binding(options: argparse.Namespace) -> list[Move]:
    """Print what each limit moves."""
    found = [
        move
        for placements in options.placements
        for form in feasible_forms(options.forms, placements)
        for size in options.sizes
        for move in moves(form, size, placements)
    ]
    print(f"\n{binding_table(found)}", flush=True)
    _write(options.out, {"binding": binding_table(found)})
    return found


def _write(folder: Path | None, results: dict[str, Any]) -> None:
    """Put what was found beside what earlier runs found there, and write page and plot anew."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / DATA
    found = json.loads(data.read_text(encoding="utf-8")) if data.is_file() else {}
    found |= json.loads(json.dumps(results))
    data.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(page(found), encoding="utf-8")
    if found.get("results"):
        draw(found["results"], folder / PLOT)


def _print_row(row: dict[str, Any]) -> None:
    print(title(row), "|", *line(row), flush=True)


def _where() -> str:
    return f"{machine()}, PuLP {version('pulp')}"


def _options(options: argparse.Namespace) -> Options:
    return Options(
        runs=options.runs,
        cbc_s=options.cbc_seconds,
        cpsat_s=options.cpsat_seconds,
        seed=options.seed,
        data=options.data,
        methods=tuple(options.methods),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--placements", type=int, nargs="+", choices=PLACEMENTS, default=PLACEMENTS)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--runs", type=int, default=5, help="repeats of all but CBC and CP-SAT")
    parser.add_argument("--cbc-seconds", type=float, default=300.0, help="time limit of CBC")
    parser.add_argument("--cpsat-seconds", type=float, default=60.0, help="of naive CP-SAT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="draw tokens from azure2023/ in this folder")
    parser.add_argument("--out", type=Path, help="folder for scale.md, scale.json and scale.png")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--bars", action="store_true", help="run what the bars need alone")
    mode.add_argument("--check-binding", action="store_true", help="leave out limits in turn")
    return parser


if __name__ == "__main__":
    main()

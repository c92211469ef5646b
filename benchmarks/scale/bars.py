"""The bars that the planner is held to, each with its target and what was seen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.scale.comparison import (
    GAPS,
    TIME_LIMIT_S,
    Options,
    compare,
    identity,
    in_process,
)
from benchmarks.scale.instance import Form
from benchmarks.scale.instances import build
from benchmarks.scale.responsiveness import responsiveness
from benchmarks.scale.stored import store

OnRow = Callable[[dict[str, Any]], None]
MILLION = 1_000_000


@dataclass(frozen=True)
class Bar:
    """A target and what was seen."""

    name: str
    target: str
    seen: str
    met: bool

    @property
    def cells(self) -> tuple[str, str, str, bool]:
        """Cells of the bar in a table's row."""
        return self.name, self.target, self.seen, self.met


@dataclass(frozen=True)
class EndToEnd:
    """Seconds, gap and memory of one call over HTTP; None where there is no bar."""

    form: Form
    requests: int
    placements: int
    seconds: float
    gap: float | None = None
    peak_mb: float | None = None
    method: str = "http"


END_TO_END = (
    EndToEnd("shares", 100, 3, 0.06),
    EndToEnd("deadline", 100, 3, 0.06),
    EndToEnd("shares", 10_000, 8, 0.5),
    EndToEnd("deadline", 10_000, 8, 0.5),
    EndToEnd("masks", 10_000, 8, 0.5),
    EndToEnd("shares", MILLION, 8, 5.0, 1e-3, 1_200.0),
    EndToEnd("deadline", MILLION, 8, 5.0, 1e-3, 1_200.0),
    EndToEnd("shares", MILLION, 8, 10.0, 1e-3, method="http rows"),
    EndToEnd("masks", MILLION, 8, 20.0, 1e-3),
    EndToEnd("mixed", MILLION, 8, 15.0, 2e-3),
    EndToEnd("shares", MILLION, 32, 10.0, 1e-3),
    EndToEnd("deadline", MILLION, 32, 10.0, 1e-3),
    EndToEnd("shares", MILLION, 64, 18.0, 1e-3),
    EndToEnd("deadline", MILLION, 64, 18.0, 1e-3),
)
AGAINST_CBC = ((500, 2.0), (1_000, 4.0), (10_000, 50.0))
"""Requests on three placements under shares, and how many times as fast as CBC."""
AGAINST_CBC_DUE = ((1_000, 20.0), (10_000, 20.0))
"""Requests under a deadline, and how many times as fast as CBC, which may fail altogether."""
PROVEN = ((100, 8), (500, 8), (1_000, 8))
PROVEN_GAP, PROVEN_S = 1e-6, 5.0
HEALTHZ_S = 0.05


def bars(options: Options, on_row: OnRow, seen: Callable[[Bar], None]) -> list[Bar]:
    """Run what the bars need and nothing else.

    CBC stops where its bar is decided: when it has taken so many times as long as the plan, or at
    its own limit.
    """
    found = []
    for bar in _each(options, on_row):
        seen(bar)
        found.append(bar)
    return found


def _each(options: Options, on_row: OnRow) -> Iterator[Bar]:
    for wanted in END_TO_END:
        yield end_to_end(wanted, options, on_row)
    for requests, placements in PROVEN:
        yield _proven(requests, placements, options, on_row)
    for form, against in (("shares", AGAINST_CBC), ("deadline", AGAINST_CBC_DUE)):
        for requests, times in against:
            yield _against_cbc(form, requests, times, options, on_row)  # type: ignore[arg-type]
    yield from _responsive()


def end_to_end(wanted: EndToEnd, options: Options, on_row: OnRow) -> Bar:
    """Send one instance over HTTP a few times."""
    found = _over_http(
        wanted.form, wanted.requests, wanted.placements, GAPS[wanted.form], wanted.method, options
    )
    on_row(found)
    rows = ", rows" if wanted.method == "http rows" else ""
    name = f"{wanted.form} {wanted.requests:,} x {wanted.placements} over HTTP{rows}"
    target = [f"{wanted.seconds:g} s", "no violation"]
    target += [] if wanted.gap is None else [f"gap {wanted.gap:g}"]
    target += [] if wanted.peak_mb is None else [f"{wanted.peak_mb:,.0f} MB"]
    if not found["runs"]:
        return Bar(name, ", ".join(target), found["word"], met=False)
    seconds, broken = found["seconds"]["total"], found["broken"]
    met = seconds <= wanted.seconds and not broken
    met &= wanted.gap is None or found["gap"] <= wanted.gap
    met &= wanted.peak_mb is None or (found["peak_mb"] or 0.0) <= wanted.peak_mb
    shown = f"{seconds:.3g} s, gap {found['gap']:.1e}, {found['peak_mb'] or 0.0:,.0f} MB"
    return Bar(name, ", ".join(target), f"{shown}, broken: {', '.join(broken) or 'none'}", met)


def _over_http(
    form: Form, requests: int, placements: int, gap: float, method: str, options: Options
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="jouleplan-scale-") as folder:
        instance = build(form, requests, placements, options.seed, options.data)
        solver = {"relative_gap": gap, "time_limit_seconds": TIME_LIMIT_S}
        store(instance, Path(folder), solver, by_row=method == "http rows")
        found = in_process(method, Path(folder), ["--runs", str(options.runs)])
        return {**identity(instance), "method": method, **found}


def _proven(requests: int, placements: int, options: Options, on_row: OnRow) -> Bar:
    found = _over_http("shares", requests, placements, PROVEN_GAP / 2.0, "http", options)
    on_row({**found, "method": f"http, gap {PROVEN_GAP:g}"})
    name = f"shares {requests:,} x {placements}, optimal and proven"
    target = f"{PROVEN_S:g} s, gap {PROVEN_GAP:g}"
    if not found["runs"]:
        return Bar(name, target, found["word"], met=False)
    seconds, gap = found["seconds"]["total"], found["gap"]
    met = seconds <= PROVEN_S and gap <= PROVEN_GAP
    return Bar(name, target, f"{seconds:.3g} s, gap {gap:.1e}", met)


def _against_cbc(form: Form, requests: int, times: float, options: Options, on_row: OnRow) -> Bar:
    """Compare the seconds from the cost matrix to a plan, without what comes before and after."""
    short = replace(options, methods=("plan",))
    (ours,) = compare(form, requests, 3, short)
    cbc_s = options.cbc_s
    if ours["runs"]:
        cbc_s = min(cbc_s, max(10.0, 2.0 * times * ours["seconds"]["solve"]))
    both = replace(options, methods=("plan", "PuLP/CBC"), cbc_s=cbc_s)
    ours, other = compare(form, requests, 3, both, on_row)
    name = f"{form} {requests:,} x 3 against PuLP/CBC"
    target = f"{times:g}x as fast" + (" or not reached" if form == "deadline" else "")
    if not ours["runs"] or not other["runs"]:
        return Bar(name, target, f"{ours['word']} / {other['word']}", met=False)
    seconds = ours["seconds"]["solve"]
    if other["reached_s"] is None:
        waited = other["seconds"]["total"]
        met = form == "deadline" or waited >= times * seconds
        return Bar(name, target, f"{seconds:.3g} s; not reached in {waited:.3g} s", met)
    ratio = other["reached_s"] / seconds
    seen = f"{ratio:.2f}x ({seconds:.3g} s against {other['reached_s']:.3g} s)"
    return Bar(name, target, seen, ratio >= times)


def _responsive() -> Iterator[Bar]:
    found = responsiveness(MILLION, 8)
    p99 = f"{1e3 * found.p99_s:.0f} ms of {len(found.healthz_s)}, plans answered {found.statuses}"
    name = "/healthz while two plans of a million requests are solved, p99"
    met = found.p99_s <= HEALTHZ_S and found.statuses == (200, 200)
    yield Bar(name, f"{1e3 * HEALTHZ_S:g} ms", p99, met)
    status, wait = found.third
    answered = f"{status}" + (f", Retry-After {wait}" if wait else "")
    met = status == 200 or (status == 429 and wait is not None)
    yield Bar("a third such plan meanwhile", "queued, or 429 with Retry-After", answered, met)

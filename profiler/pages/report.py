"""One page about one pair: what was measured, what the fit makes of it, and what to do next.

Self-contained HTML: figures are inline SVG, so that the page can be mailed and kept.
"""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from costmodel.arrays import FloatArray
from costmodel.bases import BASES
from costmodel.card import null_reasons
from costmodel.cost_model import CostModel
from costmodel.nearest import counted
from profiler.fit.anova import analyse
from profiler.fit.learning import choose_learning
from profiler.fit.selection import scoped_energy_j
from profiler.fit.training import ENERGY, RUNTIME
from profiler.length_mix import WindowTerms
from profiler.observations import Observations
from profiler.pages.suggestions import suggestions
from profiler.pages.tables import percent, statistic

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "jouleplan"
"""Same observations, same page."""

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1f; background: #fff }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #e2e2e6; text-align: right }
th:first-child, td:first-child { text-align: left } svg { max-width: 100%; height: auto }
.note { color: #5b5b66 } .warn { border-left: 4px solid #d97706; padding-left: .8rem }
nav a { margin-right: 1rem }
"""
ReportedPair = tuple[CostModel, Observations]
"""A fitted pair, and all its trials."""

_BLUE, _ORANGE = "#2563eb", "#d97706"


def write_report(path: Path, pairs: Sequence[ReportedPair], skipped: Sequence[str]) -> None:
    """Write the page of some fitted pairs.

    Parameters
    ----------
    path
        HTML file; replaced where it exists.
    pairs
        One pair or more.
    skipped
        A sentence for each pair that could not be fitted.
    """
    parts = [_section(pair) for pair in pairs]
    links = "".join(f'<a href="#{_anchor(p[0])}">{_title(p[0])}</a>' for p in pairs)
    nav = f"<nav>{links}</nav>" if len(pairs) > 1 else ""
    missing = "".join(f"<p class=warn>Not fitted: {html.escape(one)}</p>" for one in skipped)
    body = f"{nav}{missing}{''.join(parts)}"
    head = f"<meta charset=utf-8><title>Cost models</title><style>{_STYLE}</style>"
    view = "<meta name=viewport content='width=device-width'>"
    path.parent.mkdir(parents=True, exist_ok=True)
    page = f"<!doctype html><html lang=en><head>{head}{view}</head><body>{body}</body></html>\n"
    path.write_text(page, encoding="utf-8")


def _title(cost_model: CostModel) -> str:
    return html.escape(f"{cost_model.llm} on {cost_model.device}")


def _anchor(cost_model: CostModel) -> str:
    return html.escape(f"{cost_model.llm}__{cost_model.device}")


def _section(pair: ReportedPair) -> str:
    cost_model, trials = pair
    scope = cost_model.provenance.energy_scope
    learning, _ = choose_learning(trials, scope)
    used = trials.take(learning.chosen)
    simulated = (
        "<p class=warn>Simulated: these joules were not measured on any device. The service "
        "refuses this artefact unless it is told otherwise.</p>"
        if cost_model.provenance.simulated
        else ""
    )
    figures = [
        ("Predicted against measured", _predicted(cost_model, used, scope)),
        ("Residuals by tokens and concurrency", _residuals(cost_model, used, scope)),
        ("Energy per token against concurrency", _per_token(cost_model, used, scope)),
        ("The profiled region", _region(used)),
    ]
    drawn = "".join(f"<h2>{title}</h2>{figure}" for title, figure in figures)
    advice = "".join(f"<li>{html.escape(one)}</li>" for one in suggestions(cost_model))
    return (
        f"<section id={_anchor(cost_model)}><h1>{_title(cost_model)}</h1>{simulated}"
        f"{_facts(cost_model, len(used), learning.left_out)}"
        f"<h2>Cross-validated errors, beside the paper's form</h2>{_errors(cost_model)}"
        f"{_mixed(cost_model)}{drawn}"
        f"<h2>Analysis of variance</h2>{_anova(used, scope)}"
        f"<h2>What to measure next</h2><ul>{advice}</ul></section>"
    )


def _facts(cost_model: CostModel, used: int, left_out: Mapping[str, int]) -> str:
    known = cost_model.provenance
    said = [known.hardware, known.engine, known.driver and f"driver {known.driver}", known.date]
    line = " &middot; ".join(html.escape(str(one)) for one in said if one)
    counts = "; ".join(f"{count} left out, {why}" for why, count in left_out.items())
    loads = [
        f"{name} {value:.4g} {unit}"
        for name, value, unit in (
            ("loading", cost_model.load_s, "s"),
            ("loading", cost_model.load_energy_j, "J"),
            ("idling", cost_model.idle_watts, "W"),
        )
        if value is not None
    ]
    return (
        f"<p class=note>{line}</p><p>{counted(used, 'window')} at "
        f"{counted(known.points or 0, 'point')}, joules of "
        f"{known.energy_scope}{'; ' + counts if counts else ''}."
        f"{' ' + ', '.join(loads) + '.' if loads else ''}</p>"
    )


def _errors(cost_model: CostModel) -> str:
    rows = []
    for name, title in ((ENERGY, "energy"), (RUNTIME, "runtime")):
        own, control = cost_model.errors[name], cost_model.errors["control"][name]
        rows.append([f"{title}, this model", *_ratios(own), percent(own.get("coverage90"))])
        rows.append([f"{title}, paper's bilinear form", *_ratios(control), "-"])
        for axis, held in own.get("held_out", {}).items():
            rows.append([f"{title}, largest {axis} held out", *_ratios(held), "-"])
    header = ["", "MAPE %", "median %", "WAPE %", "p90 %", "inside 90 % interval, %"]
    return _table(header, rows) + f"<p class=note>{html.escape(cost_model.errors['method'])}</p>"


def _mixed(cost_model: CostModel) -> str:
    mixed = cost_model.mixed_lengths
    if mixed is None:
        why = null_reasons(cost_model)["mixed_lengths"]
        return f"<p class=note>Mixed lengths: {html.escape(why)}.</p>"
    rows = [
        [name.replace("_", "-"), *(percent(mixed[name][one]) for one in ("mape", "wape", "worst"))]
        for name in ("energy", "device_seconds")
    ]
    windows = counted(mixed["windows"], "window")
    title = f"<h2>{windows} of mixed lengths, predicted from uniform ones</h2>"
    return title + _table(["", "MAPE %", "WAPE %", "worst %"], rows)


def _ratios(found: Mapping[str, float]) -> list[str]:
    return [percent(found[name]) for name in ("mape", "median_ape", "wape", "p90_ape")]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _anova(used: Observations, scope: str) -> str:
    # The analysis looks at the accelerators' column; here it is to see all that the scope holds.
    used = replace(used, energy_gpu_j=scoped_energy_j(used, scope))
    effects = analyse(used) if np.isfinite(used.input_tokens).all() else None
    if effects is None:
        return "<p class=note>No repeats to judge an interaction by.</p>"
    rows = [
        [
            f"{quantity}: {source}",
            f"{one.sum_squares:.4g}",
            str(one.df),
            statistic(one.f, 4),
            statistic(one.p, 4),
        ]
        for quantity, found in effects.items()
        for source, one in found.items()
    ]
    return _table(["source of variance", "sum of squares", "df", "F", "p"], rows)


def _both(
    cost_model: CostModel, used: Observations, scope: str
) -> list[tuple[str, FloatArray, FloatArray]]:
    at = WindowTerms(used), used.concurrency
    return [
        ("joules per request", scoped_energy_j(used, scope), cost_model.energy_of(*at)),
        ("device-seconds per request", used.device_seconds, cost_model.device_seconds_of(*at)),
    ]


def _predicted(cost_model: CostModel, used: Observations, scope: str) -> str:
    figure, axes = _figure(2)
    for ax, (name, measured, predicted) in zip(axes, _both(cost_model, used, scope), strict=True):
        ends = [min(measured.min(), predicted.min()), max(measured.max(), predicted.max())]
        ax.plot(ends, ends, color="0.7", linewidth=1)
        ax.scatter(measured, predicted, s=16, color=_BLUE, alpha=0.7)
        ax.set(xscale="log", yscale="log", xlabel=f"measured {name}", ylabel="predicted")
    return _svg(figure)


def _residuals(cost_model: CostModel, used: Observations, scope: str) -> str:
    figure, axes = _figure(3)
    columns = [
        ("input tokens", used.input_tokens),
        ("output tokens", used.output_tokens),
        ("concurrency", used.concurrency),
    ]
    for ax, (name, values) in zip(axes, columns, strict=True):
        ax.axhline(0.0, color="0.7", linewidth=1)
        for (title, measured, predicted), color in zip(
            _both(cost_model, used, scope), (_BLUE, _ORANGE), strict=True
        ):
            off = 100 * (predicted / measured - 1.0)
            ax.scatter(values, off, s=14, color=color, alpha=0.7, label=title.split(" per")[0])
        ax.set(xscale="log", xlabel=name)
    axes[0].set_ylabel("predicted over measured, %")
    axes[0].legend(fontsize=8)
    return _svg(figure)


def _per_token(cost_model: CostModel, used: Observations, scope: str) -> str:
    figure, axes = _figure(2)
    tokens = used.output_tokens
    batch = np.geomspace(1.0, max(float(used.concurrency.max()), 1.0), 50)
    tin = np.full(50, np.nanmedian(used.input_tokens) if BASES[cost_model.basis].needs_input else 0)
    middle = np.full(50, np.median(tokens))
    curves = [cost_model.energy_j, cost_model.device_seconds]
    for ax, (name, measured, _), curve in zip(
        axes, _both(cost_model, used, scope), curves, strict=True
    ):
        ax.scatter(used.concurrency, measured / tokens, s=16, color=_BLUE, alpha=0.6)
        ax.plot(batch, curve(tin, middle, batch) / middle, color=_ORANGE, linewidth=1.5)
        ax.set(xscale="log", yscale="log", xlabel="concurrency")
        ax.set_ylabel(name.replace("per request", "per output token"))
    return (
        _svg(figure)
        + "<p class=note>Line: the fit at the median lengths. Points: every window, so their "
        "height also tells of their prompts.</p>"
    )


def _region(used: Observations) -> str:
    figure, axes = _figure(1)
    drawn = axes[0].scatter(
        np.nan_to_num(used.input_tokens),
        used.output_tokens,
        c=used.concurrency,
        s=30,
        cmap="viridis",
    )
    axes[0].set(xscale="symlog", yscale="log", xlabel="input tokens", ylabel="output tokens")
    figure.colorbar(drawn, ax=axes[0], label="concurrency")
    return _svg(figure)


def _figure(columns: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(10.0 if columns > 1 else 6.0, 3.6), layout="constrained")
    drawn = figure.subplots(1, columns, squeeze=False)
    return figure, list(drawn[0])


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    drawing = text.getvalue()
    return drawing[drawing.index("<svg") :]

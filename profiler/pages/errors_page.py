"""The page of cross-validated errors, from the cards of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from costmodel.cost_model import CostModel
from profiler.fit.training import QUANTITIES
from profiler.pages.tables import markdown_table, percent

GRID_DEVICES = ("1xa100-sxm4-40gb", "3xa100-sxm4-40gb", "4xa100-sxm4-40gb")
"""Devices of the full grids of input and output tokens; the others have one-dimensional sweeps."""

_INTRODUCTION = """\
# Errors of the cost models

Made from the cards in `models/` by

    .venv/bin/jouleplan errors --models-dir models > docs/studies/cost-model-errors.md

and not to be edited by hand. The cards' figures come from

    .venv/bin/jouleplan import wilkins2024 DATA/wilkins2024 --out out/wilkins2024.csv
    .venv/bin/jouleplan import mlenergy_v3 DATA/mlenergy_v3 --out out/mlenergy_v3.csv
    .venv/bin/jouleplan fit out/wilkins2024.csv out/mlenergy_v3.csv \\
        --loads DATA/wilkins2024/loads.csv --models-dir models

which cross-validates every pair while it fits it: single requests without a KV cache (Wilkins,
Keshav and Mortier 2024), and vLLM configurations of the ML.ENERGY Leaderboard v3 (Chung et al.
2025). All errors are per cent.

- **MAPE**: mean of |predicted - measured| / measured; **median** and **p90**: of the same;
  **WAPE**: sum of |predicted - measured| over sum of measured, so that long requests count more.
- **Folds** go by grid point: repeats of a point are never on both sides. Figures are means of ten
  seeded splits into five folds; the curves over the batch leave out one batch size at a time.
- **tin out, tout out, batch out**: MAPE at the largest level of that axis after a fit on the rest.
- **Coverage**: share of held-out trials inside the 90 % interval, whose width comes from the
  training folds alone; "-" where those are too few points for an interval.
- **Control**: the form of Wilkins, Keshav and Mortier, `a0*tin + a1*tout + a2*tin*tout`, by
  ordinary least squares on the same folds; where input lengths were never recorded, `a1*tout`.
- **Negative**: predictions below zero, over all splits.
- Not scored: warm-ups, trials after an unmarked restart, and trials that compiled kernels while
  timed. The cards count them.
"""


def errors_page(cost_models: Mapping[tuple[str, str], CostModel]) -> str:
    """Write the page.

    Parameters
    ----------
    cost_models
        By (LLM, device).

    Returns
    -------
    str
        Markdown.
    """
    ordered = [cost_models[pair] for pair in sorted(cost_models)]
    with_errors = [one for one in ordered if "method" in one.errors]
    grids = [one for one in with_errors if _is_grid(one)]
    lengths = [one for one in with_errors if not _is_curve(one) and not _is_grid(one)]
    curves = [one for one in with_errors if _is_curve(one)]
    parts = [_INTRODUCTION]
    if grids:
        parts.append("## Without a KV cache: full grids on A100 SXM\n")
        parts += [_length_table(grids, quantity) for quantity in QUANTITIES]
        parts.append(_pooled(grids))
    if lengths:
        parts.append("## Other pairs with recorded input lengths\n")
        parts.append(
            "One-dimensional sweeps: 15 to 20 distinct points, so that an interval rests on one or "
            "two residuals.\n"
        )
        parts += [_length_table(lengths, quantity) for quantity in QUANTITIES]
    if curves:
        parts.append("## With a KV cache: curves over the batch\n")
        parts.append(_curve_table(curves))
        parts.append(_curve_summary(curves))
        parts.append(_step_table(curves))
    return "\n".join(part for part in parts if part)


def _is_grid(cost_model: CostModel) -> bool:
    return cost_model.device in GRID_DEVICES and cost_model.provenance.kv_cache == "off"


def _is_curve(cost_model: CostModel) -> bool:
    return not cost_model.region.input_known


def _length_table(cost_models: Sequence[CostModel], quantity: str) -> str:
    header = ["LLM", "device", "points", "trials", "MAPE", "median", "p90", "WAPE", "tin out"]
    header += ["tout out", "negative", "coverage", "control MAPE", "control negative"]
    rows = []
    for one in cost_models:
        found, control = one.errors[quantity], one.errors["control"][quantity]
        row = [one.llm, one.device, str(one.provenance.points), str(found["trials"])]
        row += [percent(found[name]) for name in ("mape", "median_ape", "p90_ape", "wape")]
        row += [_held_out(found, "input_tokens"), _held_out(found, "output_tokens")]
        row += [str(found["negative_predictions"]), percent(found["coverage90"])]
        row += [percent(control["mape"], 0), str(control["negative_predictions"])]
        rows.append(row)
    return f"{quantity.capitalize()}\n\n{markdown_table(header, rows)}"


def _pooled(cost_models: Sequence[CostModel]) -> str:
    lines = []
    for quantity in QUANTITIES:
        found = [one.errors[quantity] for one in cost_models]
        judged = sum(one["coverage_trials"] for one in found)
        inside = sum((one["coverage90"] or 0.0) * one["coverage_trials"] for one in found)
        covered = inside / judged if judged else None
        lines.append(
            f"{quantity.capitalize()}: mean MAPE {percent(_mean(found, 'mape'))}, mean WAPE "
            f"{percent(_mean(found, 'wape'))}, 90 % intervals cover {percent(covered)} % out of "
            f"fold (pooled over {len(found)} LLMs).\n"
        )
    return "\n".join(lines)


def _curve_table(cost_models: Sequence[CostModel]) -> str:
    header = ["LLM", "device", "task", "batch sizes", "batch", "energy MAPE", "energy batch out"]
    header += ["energy coverage", "runtime MAPE", "runtime batch out", "runtime coverage", "steps"]
    rows = []
    for one in cost_models:
        low, high = one.region.points[:, 2].min(), one.region.points[:, 2].max()
        row = [one.llm, one.device, one.provenance.task or "-", str(one.provenance.points)]
        row.append(f"{low:.0f} to {high:.0f}")
        for quantity in QUANTITIES:
            found = one.errors[quantity]
            row += [percent(found["mape"]), _held_out(found, "concurrency")]
            row.append(percent(found["coverage90"]))
        rows.append([*row, str(len(one.errors.get("throughput_drops", [])))])
    return markdown_table(header, rows)


def _chip(cost_model: CostModel) -> str:
    return cost_model.device.partition("x")[2].partition("-")[0] or cost_model.device


def _curve_summary(cost_models: Sequence[CostModel]) -> str:
    lines = []
    for chip in sorted({_chip(one) for one in cost_models}):
        of_chip = [one for one in cost_models if _chip(one) == chip]
        spreads = [
            f"{quantity} {_spread([one.errors[quantity]['mape'] for one in of_chip])}"
            for quantity in QUANTITIES
        ]
        lines.append(f"MAPE of {len(of_chip)} pairs on {chip.upper()}: {'; '.join(spreads)}.\n")
    return "\n".join(lines)


def _spread(ratios: Sequence[float]) -> str:
    mean, middle = percent(float(np.mean(ratios))), percent(float(np.median(ratios)))
    return f"mean {mean}, median {middle}, largest {percent(max(ratios))}"


def _step_table(cost_models: Sequence[CostModel]) -> str:
    rows = [
        [
            one.llm,
            one.device,
            f"{drop['from_concurrency']:.0f} to {drop['to_concurrency']:.0f}",
            percent(drop["drop_ratio"]),
        ]
        for one in cost_models
        for drop in one.errors.get("throughput_drops", [])
    ]
    if not rows:
        return ""
    header = ["LLM", "device", "batch", "throughput lost"]
    return (
        "Steps: a throughput that falls by more than 3 % at a larger batch, which no smooth form "
        f"catches.\n\n{markdown_table(header, rows)}"
    )


def _held_out(found: Mapping[str, Any], axis: str) -> str:
    scored = found["held_out"].get(axis)
    return percent(scored["mape"] if scored else None)


def _mean(found: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(np.mean([one[name] for one in found]))

"""One artefact as tables."""

from __future__ import annotations

from commandline.tables import print_table
from costmodel.bases import BASES
from costmodel.card import null_reasons
from costmodel.cost_model import CostModel
from costmodel.intervals import ConformalInterval
from profiler.fit.training import QUANTITIES
from profiler.pages.tables import percent


def show(cost_model: CostModel) -> None:
    """Print what an artefact says, on standard output.

    Parameters
    ----------
    cost_model
        The artefact, loaded.
    """
    title = f"{cost_model.llm} on {cost_model.device}"
    print_table(title, ["", ""], _facts(cost_model), names=2)
    terms = BASES[cost_model.basis].terms
    joules, seconds = cost_model.energy_coefficients, cost_model.device_seconds_coefficients
    print_table(
        f"basis {cost_model.basis}",
        ["term", "energy [J]", "device-seconds [s]"],
        [[t, f"{e:.6g}", f"{s:.6g}"] for t, e, s in zip(terms, joules, seconds, strict=True)],
    )
    if "method" in cost_model.errors:
        header = ["", "MAPE %", "median %", "WAPE %", "p90 %", "coverage %", "control MAPE %"]
        print_table(f"errors: {cost_model.errors['method']}", header, _errors(cost_model))


def _facts(cost_model: CostModel) -> list[list[str]]:
    provenance = cost_model.provenance
    values: dict[str, object] = {
        "source": provenance.source,
        "date": provenance.date,
        "engine": provenance.engine,
        "hardware": provenance.hardware,
        "driver": provenance.driver,
        "kv_cache": provenance.kv_cache,
        "energy_scope": provenance.energy_scope,
        "task": provenance.task,
        "trials": provenance.observations,
        "points": provenance.points,
        "input_tokens": _range(cost_model, "input_tokens"),
        "output_tokens": _range(cost_model, "output_tokens"),
        "concurrency": _range(cost_model, "concurrency"),
        "energy_interval": _interval(cost_model.energy_interval),
        "device_seconds_interval": _interval(cost_model.device_seconds_interval),
        "load_s": cost_model.load_s,
        "load_energy_j": cost_model.load_energy_j,
        "idle_watts": cost_model.idle_watts,
        "max_context_tokens": cost_model.max_context_tokens,
        "mixed_lengths": cost_model.mixed_lengths,
    }
    reasons = null_reasons(cost_model)
    rows = [
        [name, str(value) if value is not None else f"null: {reasons.get(name, 'not recorded')}"]
        for name, value in values.items()
    ]
    return rows + [["note", note] for note in provenance.notes]


def _range(cost_model: CostModel, axis: str) -> str | None:
    span = cost_model.region.ranges()[axis]
    return None if span is None else f"{span[0]:g} to {span[1]:g}"


def _interval(interval: ConformalInterval | None) -> str | None:
    if interval is None:
        return None
    level = f"{100 * interval.level:.0f} %"
    return f"{level}, quantile {interval.quantile:g} from {interval.points} points"


def _errors(cost_model: CostModel) -> list[list[str]]:
    rows = []
    for quantity in QUANTITIES:
        found = cost_model.errors[quantity]
        row = [percent(found[name]) for name in ("mape", "median_ape", "wape", "p90_ape")]
        row += [percent(found["coverage90"])]
        rows.append([quantity, *row, percent(cost_model.errors["control"][quantity]["mape"], 0)])
        rows += [
            [f"{quantity}, largest {axis} out", *_held_out(scored)]
            for axis, scored in found["held_out"].items()
        ]
    return rows


def _held_out(scored: dict[str, float]) -> list[str]:
    cells = [percent(scored[name]) for name in ("mape", "median_ape", "wape", "p90_ape")]
    return [*cells, "-", "-"]

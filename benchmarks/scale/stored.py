"""Instances on disk, so that each method can run in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.scale.instance import Instance
from costmodel.workload import Workload

ARRAYS, TERMS = "arrays.npz", "instance.json"


def body_path(folder: Path, *, by_row: bool = False) -> Path:
    """Return where the body of `POST /plan` lies."""
    return folder / ("rows.json" if by_row else "columns.json")


def store(
    instance: Instance, folder: Path, solver: dict[str, Any], *, by_row: bool = False
) -> None:
    """Write an instance and its body."""
    folder.mkdir(parents=True, exist_ok=True)
    body_path(folder, by_row=by_row).write_bytes(instance.body(solver, by_row=by_row))
    np.savez(
        folder / ARRAYS,
        input_tokens=instance.workload.input_tokens,
        output_tokens=instance.workload.output_tokens,
        tier=instance.tier,
        mask=instance.mask,
    )
    terms = {
        "form": instance.form,
        "fleet": instance.fleet,
        "constraints": instance.constraints,
        "objective": instance.objective,
        "tier_deadline_s": instance.tier_deadline_s,
        "masks": instance.masks,
        "min_deadline_s": instance.min_deadline_s,
    }
    (folder / TERMS).write_bytes(orjson.dumps(terms))


def restore(folder: Path) -> Instance:
    """Read an instance again."""
    terms = orjson.loads((folder / TERMS).read_bytes())
    with np.load(folder / ARRAYS) as arrays:
        workload = Workload(arrays["input_tokens"], arrays["output_tokens"])
        tier, mask = arrays["tier"], arrays["mask"]
    terms["tier_deadline_s"] = tuple(terms["tier_deadline_s"])
    terms["masks"] = tuple((field, tuple(names)) for field, names in terms["masks"])
    return Instance(workload=workload, tier=tier, mask=mask, **terms)

"""Observations to test with: made from stated cost models, so that the right answer is known."""

import io
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np

from costmodel.bases import BASES
from profiler.__main__ import main
from profiler.length_mix import MEAN_COLUMNS, MIXED_FLAG, mean_cells
from profiler.observations import COLUMNS, Observations

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"

KV_OFF_JOULES = np.array([20.0, 8.0, 0.05, 2e-6])
KV_OFF_SECONDS = np.array([0.1, 0.03, 2e-4, 1e-8])
KV_ON_JOULES = np.array([5.0, 0.02, 1e-6, 0.1, 1.5, 0.3, 1e-5])
KV_ON_SECONDS = np.array([0.05, 1e-4, 1e-9, 1e-4, 8e-3, 1e-3, 1e-8])

GRID = np.array([(tin, tout, 1.0) for tin in (8, 64, 512, 2048) for tout in (8, 64, 512, 2048)])
SERVED = np.array(
    [
        (tin, tout, batch)
        for tin in (16, 256, 2048)
        for tout in (32, 256, 1024)
        for batch in (1, 8, 64)
    ]
)


def profiler_process(*arguments):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "profiler", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def profiler(*arguments):
    """Run the command line in this process, with what it prints and returns as of another."""
    printed, said = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with chdir(ROOT), redirect_stdout(printed), redirect_stderr(said):
        try:
            status = main([*map(str, arguments)])
        except SystemExit as stopped:
            status = stopped.code
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return subprocess.CompletedProcess(arguments, status, printed.getvalue(), said.getvalue())


def trials_at(points, joules, device_seconds, **changes):
    """Return one trial a point, with the given joules per request and device-seconds."""
    count = len(points)
    fields = {
        "llm": np.full(count, "made-up"),
        "device": np.full(count, "1xh100"),
        "num_gpus": np.ones(count, dtype=np.int64),
        "concurrency": points[:, 2].astype(float),
        "kv_cache": np.full(count, "off"),
        "input_tokens": points[:, 0].astype(float),
        "output_tokens": points[:, 1].astype(float),
        "runtime_s": device_seconds * points[:, 2],
        "energy_gpu_j": joules,
        "energy_cpu_j": np.full(count, np.nan),
        "warmup": np.zeros(count, dtype=np.bool_),
        "source": np.full(count, "test"),
        "flags": np.full(count, ""),
        "extra": {},
    }
    return Observations(**{**fields, **changes})


def kv_off_trials(points=GRID, noise=0.0, seed=0, **changes):
    """Return trials whose joules and seconds follow the KV-off form, up to log-normal noise."""
    features = BASES["kv_off"].features(*points.T)
    rng = np.random.default_rng(seed)
    joules, seconds = features @ KV_OFF_JOULES, features @ KV_OFF_SECONDS
    return trials_at(
        points,
        joules * np.exp(noise * rng.standard_normal(len(points))),
        seconds * np.exp(noise * rng.standard_normal(len(points))),
        **changes,
    )


def kv_on_trials(points=SERVED, **changes):
    """Return trials that follow the KV-on form."""
    features = BASES["kv_on"].features(*points.T)
    kv_cache = np.full(len(points), "on")
    return trials_at(
        points, features @ KV_ON_JOULES, features @ KV_ON_SECONDS, kv_cache=kv_cache, **changes
    )


def row_of(**changes):
    """Return one good row of an observations file, with some cells changed."""
    cells = dict.fromkeys(COLUMNS, "")
    cells |= {"llm": "made-up", "device": "1xh100", "num_gpus": "1", "concurrency": "1"}
    cells |= {"kv_cache": "off", "input_tokens": "8", "output_tokens": "8", "runtime_s": "0.5"}
    cells |= {"energy_gpu_j": "20", "warmup": "0", "source": "test"}
    return {**cells, **changes}


def write_rows(path, rows):
    """Write rows as CSV, the first one's columns as the header."""
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def log_normal(mean_in, mean_out, count=200, seed=0, sigma=0.8):
    """Return lengths of a mix as chat traces have it: whole, log-normal, with about those means."""
    rng = np.random.default_rng(seed)
    spread = np.exp(sigma * rng.standard_normal((2, count)) - sigma * sigma / 2)
    return tuple(np.maximum(1.0, np.round([[mean_in], [mean_out]] * spread)))


def mixed_trials(windows, noise=0.0, seed=0, **changes):
    """Return one trial a window of (input lengths, output lengths, concurrency).

    Each request of a window takes what the KV-on form says of its own lengths.
    """
    rng = np.random.default_rng(seed)
    points, cells, truth = [], [], {"joules": [], "seconds": []}
    for tin, tout, batch in windows:
        features = BASES["kv_on"].features(tin, tout, batch)
        truth["joules"].append(float((features @ KV_ON_JOULES).mean()))
        truth["seconds"].append(float((features @ KV_ON_SECONDS).mean()))
        points.append((tin.mean(), tout.mean(), batch))
        cells.append(mean_cells(tin, tout))
    extra = {name: np.array([one[name] for one in cells]) for name in MEAN_COLUMNS.values()}
    measured = {
        name: np.array(values) * np.exp(noise * rng.standard_normal(len(windows)))
        for name, values in truth.items()
    }
    fields = {
        "kv_cache": np.full(len(windows), "on"),
        "flags": np.full(len(windows), MIXED_FLAG),
        "extra": extra,
    }
    return trials_at(
        np.array(points), measured["joules"], measured["seconds"], **{**fields, **changes}
    )


def drawing(watts: float, device: str = "1xl4", batch: float = 4.0, **changes) -> Observations:
    """One trial of two seconds at a power."""
    points = np.array([[100.0, 50.0, batch]])
    return trials_at(
        points,
        np.array([watts * 2.0 / batch]),
        np.array([2.0 / batch]),
        device=np.array([device]),
        **changes,
    )

"""What the columns of somebody's own table could be, and the command that imports it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z][a-z0-9]*|\d+")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "energy_cpu_j": ("cpu energy", "cpu joules"),
    "energy_gpu_j": ("gpu energy", "gpu joules", "energy", "joules"),
    "runtime_s": ("runtime", "latency", "e2e", "e2el", "duration", "elapsed", "seconds", "time"),
    "input_tokens": (
        *("input tokens", "prompt tokens", "context tokens", "prefill tokens", "tokens in"),
        *("input len", "prompt len", "input length", "prompt length", "prompt", "input", "isl"),
    ),
    "output_tokens": (
        *("output tokens", "completion tokens", "generated tokens", "decode tokens", "tokens out"),
        *("output len", "output length", "generated", "completion", "output", "osl"),
    ),
    "concurrency": ("concurrency", "in flight", "inflight", "batch size", "batch", "num seqs"),
    "num_gpus": ("num gpus", "gpu count", "gpus"),
    "kv_cache": ("kv cache",),
    "llm": ("llm", "model id", "model name", "model"),
    "device": ("device", "gpu model", "gpu name", "gpu type", "accelerator", "hardware"),
}
"""Words that the name of a column has, the plainest first; a column is proposed once."""
_NOT_A_MEAN = frozenset({"throughput", "rate", "std", "stddev", "p50", "p90", "p95", "p99"})
_EXAMPLES: Mapping[str, str] = {
    "llm": "NAME",
    "device": "1xh100",
    "num_gpus": "1",
    "kv_cache": "on",
    "concurrency": "N",
}
_NEVER_ASKED = frozenset({"energy_cpu_j", "warmup", "source", "flags"})
"""An import fills them in."""


def proposals(header: Sequence[str]) -> dict[str, str]:
    """Guess which columns of a table are those of observations.

    Parameters
    ----------
    header
        Names in the table.

    Returns
    -------
    dict
        Name in the table by column of the schema; those that are named alike are left out, and so
        are those of which nothing looks like it.

    Examples
    --------
    >>> proposals(["prompt", "generated", "energy_joules"])
    {'energy_gpu_j': 'energy_joules', 'input_tokens': 'prompt', 'output_tokens': 'generated'}
    """
    words = {name: _words(name) for name in header if name not in _NAMES}
    words = {name: said for name, said in words.items() if _of_a_request(said)}
    found: dict[str, str] = {}
    for ours, patterns in _NAMES.items():
        if ours in header:
            continue
        theirs = next(
            (
                name
                for pattern in patterns
                for name, said in words.items()
                if name not in found.values() and set(pattern.split()) <= said
            ),
            None,
        )
        if theirs is not None:
            found[ours] = theirs
    return found


def import_command(path: Path, header: Sequence[str], missing: Sequence[str]) -> str:
    """Write the command that turns a table into observations, as far as its columns show.

    Parameters
    ----------
    path
        The table.
    header
        Columns of the table.
    missing
        Columns of the schema that it lacks.
    """
    begin = f"{_started()} import csv {shlex.quote(str(path))} --out observations.csv"
    return " ".join([begin, *import_options(header, missing)])


def import_options(header: Sequence[str], missing: Sequence[str]) -> list[str]:
    """Write the options that give an import what a table lacks, as far as its columns show.

    Parameters
    ----------
    header
        Columns of the table, those that are spoken for left out.
    missing
        Columns of the schema that it lacks.

    Examples
    --------
    >>> import_options(["prompt", "joules"], ["input_tokens", "num_gpus", "runtime_s"])
    ['--column input_tokens=prompt', '--set num_gpus=1', '--column runtime_s=THEIRS']
    """
    found = {ours: theirs for ours, theirs in proposals(header).items() if ours in missing}
    renamed = [f"--column {ours}={shlex.quote(theirs)}" for ours, theirs in found.items()]
    unknown = [name for name in missing if name not in found and name not in _NEVER_ASKED]
    stated = [
        f"--set {name}={_EXAMPLES[name]}" if name in _EXAMPLES else f"--column {name}=THEIRS"
        for name in unknown
    ]
    return [*renamed, *stated]


def _started() -> str:
    """Return what started this, as one would type it here, up to the verb."""
    if Path(sys.argv[0]).name == "jouleplan":
        return _typed(Path(sys.argv[0]))
    return f"{_typed(Path(sys.executable))} -m profiler"


def _typed(program: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(program.relative_to(here) if here in program.parents else program))


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)}


def _of_a_request(words: set[str]) -> bool:
    """Say whether a column can hold a mean of requests, and not a percentile or a rate."""
    per_token = "per" in words and bool(words & {"token", "tokens", "tok"})
    return not (per_token or words & _NOT_A_MEAN)

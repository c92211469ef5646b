"""Results of load generators, damaged: joules that are right, or a sentence. Never a factor off."""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.__main__ import main
from profiler.fit.loads import LOAD_COLUMNS
from profiler.observations import COLUMNS
from tests.profiler.builders import row_of
from tests.profiler.foreign_tables import BEGIN_S, Dialect, dialects
from tests.profiler.fuzzing import CELLS, FUZZED, ends_in_a_sentence, kept

SECONDS, WATTS, REQUESTS = 30.0, 60.0, 12
"""Seconds, watts and requests of the run, all of it at one power."""
TOKENS = {"input": 100, "output": 16}
PER_TOKEN_J = WATTS * SECONDS / (REQUESTS * TOKENS["output"])
Run = dict[str, Any]

VLLM: Run = {
    "date": "20260301-120030",
    "backend": "vllm",
    "model_id": "meta-llama/Llama-3.1-8B-Instruct",
    "num_prompts": REQUESTS,
    "max_concurrency": 8,
    "request_rate": "inf",
    "duration": SECONDS,
    "completed": REQUESTS,
    "failed": 0,
    "total_input_tokens": REQUESTS * TOKENS["input"],
    "total_output_tokens": REQUESTS * TOKENS["output"],
    "mean_ttft_ms": 2500.0,
    "mean_tpot_ms": 500.0,
}
DETAILS: Run = {
    "input_lens": [TOKENS["input"]] * REQUESTS,
    "output_lens": [TOKENS["output"]] * REQUESTS,
    "ttfts": [2.5] * REQUESTS,
    "itls": [[0.5] * (TOKENS["output"] - 1)] * REQUESTS,
    "errors": [""] * REQUESTS,
}
STEADY: Run = {
    "steady_state_duration": SECONDS,
    "steady_state_energy": WATTS * SECONDS,
    "steady_state_energy_per_token": PER_TOKEN_J,
}
LISTED: Run = {
    "results": [
        {"success": True, "input_len": TOKENS["input"], "output_len": TOKENS["output"]}
        | {"ttft": 2.5, "itl": [0.5] * (TOKENS["output"] - 1), "error": ""}
        for _ in range(REQUESTS)
    ]
}
SGLANG: Run = {name: value for name, value in VLLM.items() if name not in ("date", "model_id")}
TOOLS: dict[str, tuple[str, Run, list[str]]] = {
    "vllm --save-detailed": ("vllm-bench", VLLM | DETAILS, []),
    "vllm": ("vllm-bench", VLLM, []),
    "sglang --output-details": (
        "vllm-bench",
        SGLANG | DETAILS | {"backend": "sglang-oai", "mean_e2e_latency_ms": 10000.0},
        ["--set=llm=made-up", f"--started-at={BEGIN_S}"],
    ),
    "ml.energy": ("mlenergy", VLLM | LISTED | STEADY, []),
    "ml.energy with lists": ("mlenergy", VLLM | DETAILS | STEADY, []),
}


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value


def _as_float(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


DAMAGES: dict[str, Callable[[Any], Any]] = {
    "null": lambda value: None,
    "text": _as_text,
    "word": lambda value: "many",
    "float": _as_float,
    "nan": lambda value: math.nan,
    "infinite": lambda value: math.inf,
    "negative": lambda value: -value if isinstance(value, int | float) else value,
    "zero": lambda value: 0,
    "true": lambda value: True,
    "empty": lambda value: type(value)() if isinstance(value, list | dict | str) else value,
    "shorter": lambda value: value[:-1] if isinstance(value, list) else value,
    "listed": lambda value: [value],
}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, Run, list[str], list[str]]:
    """Draw a tool's result, and break up to three of its values, in the lists too."""
    importer, base, options = TOOLS[draw(st.sampled_from(sorted(TOOLS)))]
    run, done = copy.deepcopy(base), []
    for _ in range(draw(st.integers(0, 3))):
        holder: Any = run
        path: list[Any] = []
        while isinstance(holder, list | dict) and holder:
            places = sorted(holder) if isinstance(holder, dict) else range(len(holder))
            place = draw(st.sampled_from(places))
            path.append(place)
            deeper = (
                isinstance(holder[place], list | dict) and holder[place] and draw(st.booleans())
            )
            if not deeper:
                break
            holder = holder[place]
        how = draw(st.sampled_from([*sorted(DAMAGES), "deleted"]))
        done.append(f"{path} {how}")
        if how != "deleted":
            holder[path[-1]] = DAMAGES[how](holder[path[-1]])
        else:
            del holder[path[-1]]
    return importer, run, options, done


def imported(importer: str, run: Run, options: list[str]) -> tuple[dict[str, str] | None, str]:
    """Import a result with the real command: its row, and what was said."""
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        result, log, out = (Path(folder) / name for name in ("run.json", "power.csv", "obs.csv"))
        result.write_text(json.dumps(run))
        rows = [f"{BEGIN_S + tenth / 10},{WATTS}" for tenth in range(-100, 500)]
        log.write_text("\n".join(["time,power_w", *rows]))
        arguments = ["import", importer, str(result), "--set=device=1xl4", "--zone=UTC"]
        metered = [f"--power-log={log}"] if importer == "vllm-bench" else []
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            status = main([*arguments, *metered, *options, f"--out={out}"])
        assert "Traceback" not in said.getvalue()
        if status:
            assert status == 2
            assert said.getvalue().splitlines()[-1].startswith("error: ")
            return None, said.getvalue()
        with out.open(newline="") as file:
            (row,) = csv.DictReader(file)
        return row, said.getvalue()


@pytest.mark.parametrize("tool", sorted(TOOLS))
def test_each_result_is_read_as_it_stands(tool: str) -> None:
    row, said = imported(*TOOLS[tool])
    assert row is not None, said
    assert float(row["energy_gpu_j"]) == pytest.approx(WATTS * SECONDS / REQUESTS)
    assert float(row["output_tokens"]) == pytest.approx(TOKENS["output"])
    assert float(row["runtime_s"]) == pytest.approx(10.0, rel=0.3)


UNRELATED_NOTES = (
    "without a zone are taken",
    "names no unit, taken as W",
    "taken as those of all",
    "no li",
)
"""What is said of results that are whole."""


@FUZZED
@given(damaged())
def test_a_damaged_result_gives_the_joules_of_its_requests_or_says_why_not(
    drawn: tuple[str, Run, list[str], list[str]],
) -> None:
    importer, run, options, done = drawn
    row, said = imported(importer, run, options)
    if row is None:
        return
    warned = [line for line in said.splitlines() if not any(one in line for one in UNRELATED_NOTES)]
    right = (WATTS * SECONDS / REQUESTS, float(TOKENS["output"]))
    found = (float(row["energy_gpu_j"]), float(row["output_tokens"]))
    assert found == pytest.approx(right, rel=0.02) or warned, done
    assert float(row["runtime_s"]) == pytest.approx(10.0, rel=0.3) or warned, done


LOADS = [(40.0, 1680.0, 18.0), (30.0, 1260.0, 18.0), (20.0, 840.0, 18.0)]
"""Seconds, joules and idle watts of an L4 that draws 42 W while it loads."""


@st.composite
def loads_tables(draw: st.DrawFn) -> tuple[bytes, float]:
    """Draw a table of loads in any dialect and order, joules and idle watts by a factor off."""
    dialect: Dialect = draw(dialects)
    factor = draw(st.sampled_from([1.0, 1.0, 1e3, 1e-3, 1e6, 3600.0, 1 / 3600]))
    header = [*LOAD_COLUMNS, "note"]
    rows = [
        ["My-Org/Made-Up", "1xL4", "1", f"{s!r}", f"{j * factor!r}", f"{w * factor!r}", "°"]
        for s, j, w in LOADS
    ]
    order = draw(st.permutations(range(len(header))))
    shuffled = draw(st.permutations(rows))
    cells = [[row[place] for place in order] for row in shuffled]
    return dialect.write([header[place] for place in order], cells), factor


@FUZZED
@given(loads_tables())
def test_loads_give_their_figures_or_say_why_not(drawn: tuple[bytes, float]) -> None:
    from profiler.errors import ProfilerError
    from profiler.fit.loads import load_figures, read_loads

    content, factor = drawn
    with kept(content, "loads.csv") as path:
        try:
            (found,) = load_figures(read_loads([path])).values()
        except ProfilerError:
            assert factor != 1.0
            return
    assert factor == 1.0
    figures = (found.load_s, found.load_energy_j, found.idle_watts)
    assert figures == pytest.approx((30.0, 1260.0, 18.0))


LOADS_TABLES = st.builds(
    lambda header, rows, end: end.join([",".join(header), *rows]).encode("utf-8", "surrogatepass"),
    st.lists(st.sampled_from([*LOAD_COLUMNS, "note"]), max_size=7) | st.just([*LOAD_COLUMNS]),
    st.lists(st.lists(CELLS, max_size=7).map(",".join), max_size=4)
    | st.just(["made-up,1xh100,1,10,1000,70"]),
    st.sampled_from(["\n", "\r\n"]),
)


@FUZZED
@given(LOADS_TABLES | st.binary(max_size=64))
def test_any_table_of_loads_ends_in_a_sentence(content: bytes) -> None:
    with kept(content, "loads.csv") as path:
        trials = path.with_name("obs.csv")
        trials.write_text("\n".join(",".join(row) for row in (COLUMNS, row_of().values())))
        models = path.with_name("models")
        ends_in_a_sentence(["fit", str(trials), f"--loads={path}", f"--models-dir={models}"])

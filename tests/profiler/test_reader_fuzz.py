"""Whatever is read: joules that are right, or a sentence. Never a traceback, never a factor off."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from costmodel.zones import read_zone
from profiler.errors import ProfilerError
from profiler.importers.column_map import import_csv
from profiler.importers.power_log import read_power_log
from tests.profiler.foreign_tables import (
    BEGIN_S,
    CONSTANTS,
    DECOYS,
    JOULE_SCALES,
    RUN,
    Dialect,
    PowerTable,
    dialects,
    power_tables,
)
from tests.profiler.fuzzing import CELLS, FUZZED, ends_in_a_sentence, kept

WARNED = ("no unit, taken as W", "without a zone are taken")


@FUZZED
@given(power_tables())
def test_a_log_gives_the_joules_of_its_signal_or_says_why_not(table: PowerTable) -> None:
    with kept(table.content) as path:
        try:
            log = read_power_log(path, read_zone(table.zone))
            joules = log.joules(BEGIN_S + RUN[0], RUN[1] - RUN[0])
        except ProfilerError:
            assert not table.honest, table.header
            return
    if table.honest:
        assert joules == pytest.approx(table.joules, rel=1e-6)
    elif joules != pytest.approx(table.joules, rel=0.02):
        assert any(warning in note for note in log.notes for warning in WARNED)


RUNTIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0}


@st.composite
def maps(draw: st.DrawFn) -> tuple[bytes, dict[str, str], dict[str, str]]:
    """Draw a table of trials of 60 W on an L4, and how its columns are named."""
    dialect: Dialect = draw(dialects)
    unit, clock = draw(st.sampled_from(sorted(JOULE_SCALES))), draw(st.sampled_from(list(RUNTIMES)))
    said = draw(st.sampled_from(["[]", "()", "_", "cell", "option", "nowhere"]))
    timed = draw(st.sampled_from(["[]", "()", "_", "cell", "option", "nowhere"]))

    def named(base: str, how: str, symbol: str) -> str:
        spelled = {"[]": f" [{symbol}]", "()": f" ({symbol})", "_": f"_{symbol.lower()}"}
        return base + spelled.get(how, "")

    energy, runtime = named("energy", said, unit), named("latency", timed, clock)
    rows = [
        [
            f"{30.0 * seconds / JOULE_SCALES[unit]!r}" + (f" {unit}" if said == "cell" else ""),
            f"{seconds / RUNTIMES[clock]!r}" + (f" {clock}" if timed == "cell" else ""),
            str(tokens),
            "°",
        ]
        for tokens, seconds in ((16, 2.0), (32, 4.0), (64, 8.0))
    ]
    units = {"energy_gpu_j": unit} if said == "option" else {}
    units |= {"runtime_s": clock} if timed == "option" else {}
    header = [energy, runtime, "generated", draw(st.sampled_from(["note", ""]))]
    renamed = {"energy_gpu_j": energy, "runtime_s": runtime, "output_tokens": "generated"}
    return dialect.write(header, rows), renamed, units


GIVEN = {name: text for name, text in CONSTANTS.items() if name != "output_tokens"}


@FUZZED
@given(maps())
def test_a_map_gives_joules_and_seconds_of_its_trials_or_says_why_not(
    drawn: tuple[bytes, dict[str, str], dict[str, str]],
) -> None:
    content, renamed, units = drawn
    with kept(content) as path:
        try:
            trials, notes = import_csv(path, renamed, GIVEN, units)
        except ProfilerError:
            assert "energy" in renamed.values() or "latency" in renamed.values()
            return
    unknown_means = {note.split(" ")[1] for note in notes if "names no unit, taken as" in note}
    if "energy" not in unknown_means:
        assert trials.energy_gpu_j.tolist() == pytest.approx([60.0, 120.0, 240.0])
    if "latency" not in unknown_means:
        assert trials.runtime_s.tolist() == pytest.approx([2.0, 4.0, 8.0])


NAMES = st.one_of(
    st.sampled_from(
        [
            *(
                "timestamp",
                "time",
                "date",
                "power",
                "power_w",
                "power [mW]",
                "energy_j",
                "energy [Wh]",
            ),
            *("gpu", "index", "uuid", "gpu0_power_w", "gpu1_power_w", "total_power_w", ""),
            *(name for name, _ in DECOYS),
            *("llm", "device", "num_gpus", "concurrency", "kv_cache", "input_tokens", "runtime_s"),
            *("output_tokens", "energy_gpu_j", "energy_cpu_j", "warmup", "source", "flags"),
        ]
    ),
    st.text(max_size=8),
)
TABLES = st.builds(
    lambda header, rows, end: end.join([header, *rows]).encode("utf-8", "surrogatepass"),
    st.lists(NAMES, max_size=6).map(",".join),
    st.lists(st.lists(CELLS, max_size=6).map(",".join), max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
RESULTS = st.fixed_dictionaries(
    {},
    optional={
        name: SCALARS | st.lists(SCALARS | st.lists(SCALARS, max_size=3), max_size=4)
        for name in (
            *("date", "model_id", "duration", "completed", "failed", "num_prompts", "errors"),
            *("total_input_tokens", "total_output_tokens", "input_lens", "output_lens", "ttfts"),
            *("itls", "mean_e2el_ms", "mean_ttft_ms", "mean_tpot_ms", "steady_state_duration"),
            *("steady_state_energy", "steady_state_energy_per_token"),
        )
    },
)


@FUZZED
@given(TABLES | st.binary(max_size=64))
@example(b"timestamp,power_w\n1772366400,1\n1772366401,1\n")
def test_any_table_ends_in_a_sentence(content: bytes) -> None:
    with kept(content) as path:
        out = str(path.with_name("out.csv"))
        options = ["--column", "energy_gpu_j=power", "--column", "runtime_s=time", "--out", out]
        result = path.with_name("run.json")
        result.write_text('{"date": "20260301-120010", "duration": 1, "model_id": "a"}')
        log = ["--power-log", str(path), "--set", "device=1xl4", "--out", out]
        ends_in_a_sentence(["import", "csv", str(path), *options])
        ends_in_a_sentence(["import", "vllm-bench", str(result), *log])
        ends_in_a_sentence(["import", "mlenergy_v3", str(path), "--out", out])
        ends_in_a_sentence(["import", "wilkins2024", str(path), "--out", out])


@FUZZED
@given(RESULTS)
@example({"duration": 9e14})
@example({"duration": 3e7, "date": "19700101-000010"})
def test_any_result_ends_in_a_sentence(run: dict[str, object]) -> None:
    good = {"model_id": "a/b", "date": "20260301-120010", "duration": 5.0, "completed": 2}
    for result in (run, good | run):
        with kept(json.dumps(result).encode(), "run.json") as path:
            out = str(path.with_name("out.csv"))
            log = path.with_name("power.csv")
            rows = [f"{BEGIN_S + second},60" for second in range(60)]
            log.write_text("\n".join(["time,watts", *rows]))
            given_device = ["--set", "device=1xl4", "--zone", "UTC", "--out", out]
            bench = ["import", "vllm-bench", str(path), "--power-log", str(log)]
            ends_in_a_sentence([*bench, *given_device])
            ends_in_a_sentence(["import", "mlenergy", str(path), *given_device])

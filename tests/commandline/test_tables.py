"""Tables show every number whole, whatever is to be shown and however narrow the terminal is."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from commandline.tables import print_table

STYLE = re.compile(r"\x1b\[[0-9;]*m")
NUMBERS = st.one_of(
    st.integers(-10, 10**12).map(lambda value: f"{value:,}"),
    st.floats(-1e12, 1e12, allow_nan=False).map(lambda value: f"{value:,.3f}"),
    st.floats(1e-9, 1e9, allow_nan=False).map(lambda value: f"{value:.3e}"),
    st.floats(0.0, 2.0).map(lambda value: f"{value:.1%}"),
    st.just("infeasible"),
)
NAMES = st.one_of(
    st.from_regex(r"\A[a-z0-9]([a-z0-9._-]{0,30}[a-z0-9])?\Z"),
    st.text("通义千问模型あア한글ab-", min_size=1, max_size=30).map(lambda text: f"名{text}"),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@st.composite
def tables(draw):
    names, figures = draw(st.integers(1, 3)), draw(st.integers(1, 10))
    count = draw(st.integers(1, 4))
    rows = [
        [*draw(st.tuples(*[NAMES] * names)), *draw(st.tuples(*[NUMBERS] * figures))]
        for _ in range(count)
    ]
    header = [f"name {i}" for i in range(names)] + [f"energy MAPE {i} %" for i in range(figures)]
    return names, header, rows


def printed(stream: io.StringIO, table, columns: int) -> list[str]:
    names, header, rows = table
    environment = {"TERM": "xterm", "COLUMNS": str(columns)}
    with patch.dict("os.environ", environment), redirect_stdout(stream):
        print_table("title", header, rows, names)
    return STYLE.sub("", stream.getvalue()).splitlines()


@given(tables(), st.integers(20, 200))
@settings(deadline=None)
def test_a_terminal_of_any_width_shows_every_number_whole(table, columns) -> None:
    names, _, rows = table
    lines = printed(Terminal(), table, columns)
    shown = " ".join(lines).split()
    for cell in (cell for row in rows for cell in row[names:]):
        for word in cell.split():
            assert word in shown
    assert not any("…" in line for line in lines)


@given(tables(), st.integers(80, 200))
@settings(deadline=None)
def test_no_line_is_longer_than_a_usual_terminal(table, columns) -> None:
    assert max(map(cell_len, printed(Terminal(), table, columns))) <= columns


@given(tables(), st.integers(20, 200))
@settings(deadline=None)
def test_a_file_has_one_line_for_each_row_with_every_cell_whole(table, columns) -> None:
    _, header, rows = table
    lines = printed(io.StringIO(), table, columns)
    body = [line.strip() for line in lines[4:] if line]
    assert lines[2].split("  ")[0].strip() == header[0]
    assert [re.split(r" {2,}", line) for line in body] == rows


def test_names_are_repeated_where_columns_go_on_below() -> None:
    rows = [["a-name", *(f"{i}{i}{i}.000" for i in range(1, 9))]]
    lines = printed(Terminal(), (1, ["LLM", *(f"figure{i}" for i in range(8))], rows), 40)
    assert sum("a-name" in line for line in lines) == 3


@given(st.text("通义千问模型 ab-", min_size=1, max_size=60), st.integers(14, 60))
@settings(deadline=None)
def test_a_name_of_wide_characters_is_wrapped_and_none_of_them_is_cut(name, columns) -> None:
    lines = printed(Terminal(), (1, ["LLM", "kJ"], [[f"名{name}", "1.5"]]), columns)
    body = "".join(line for line in lines[4:]).replace("1.5", "")
    assert "".join(body.split()) == "".join(f"名{name}".split())

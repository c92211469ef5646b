"""Files as people have them: other columns, separators, encodings; one batch, or a sentence."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.decoding import in_utf8, inflated
from service.calls.batch_files.reading import read_batch, read_bytes
from service.calls.reading import read_json
from service.calls.schemas.batch_query import TokenRule
from service.calls.schemas.calls import PlanRequest
from tests.service.plan_files import batch_line

CASES = Path(__file__).parents[3] / "shared" / "cases"
PLAIN = {"input_tokens": [472, 1087], "output_tokens": [18, 230]}
CSV = "input_tokens,output_tokens\n472,18\n1087,230\n"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., BatchFile]:
    def of(name: str, content: bytes | str, **renamed: str) -> BatchFile:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_batch(str(path), None, TokenRule(output_tokens=100), renamed)

    return of


def tokens(batch: BatchFile) -> dict[str, Any]:
    return {name: batch.members["columns"][name] for name in PLAIN}


def codes(batch: BatchFile) -> list[str]:
    return [warning.code for warning in batch.warnings]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.csv", CSV.replace("472", "472.0").replace("230", "230.0")),
        ("a.csv", CSV.replace(",", ";")),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.csv", CSV.replace(",", "|")),
        ("a.csv", "sep=;\n" + CSV.replace(",", ";")),
        ("a.csv", "\n" + CSV.replace("472", " 472").replace("230", "230,, ")),
        ("a.csv", CSV.replace("\n1087", "\n,\n\n  ,\t\n,,,\n1087") + ",\n,,,\n"),
        ("a.csv", CSV.replace(",", ";").replace("472", "472,0").replace("1087", "1.087,00")),
        ("a.csv", CSV.replace("\n", "\r\n")),
        ("a.csv", "\ufeff" + CSV),
        ("a.csv", CSV.encode("utf-16")),
        ("a.csv", CSV.encode("utf-16-le")),
        ("a.csv", CSV.encode("utf-32")),
        ("a.csv", CSV.replace("input_tokens", "Input Tokens").replace("output_t", " OUTPUT-T")),
        ("a.csv", ",input_tokens,output_tokens\n0,472,18\n1,1087,230\n"),
        ("a.csv", "Unnamed: 0,input_tokens,output_tokens\n0,472,18\n1,1087,230\n"),
        ("a.csv", "output_tokens,input_tokens,\n18,472,\n230,1087,\n"),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        (
            "a.CSV.GZ",
            gzip.compress(CSV[:40].encode(), mtime=0) + gzip.compress(CSV[40:].encode(), mtime=0),
        ),
        ("a.csv", gzip.compress(CSV.encode("utf-16"), mtime=0)),
        (
            "a.jsonl",
            '{"input_tokens": 472, "output_tokens": 18}\n\n{"output_tokens": 230, '
            '"input_tokens": 1087.0}',
        ),
        (
            "a.jsonl.gz",
            gzip.compress(
                b'{"input_tokens": 472, "output_tokens": 18}\r\n'
                b'{"input_tokens": 1087, "output_tokens": 230}',
                mtime=0,
            ),
        ),
        (
            "a.json",
            '[{"input_tokens": 472, "output_tokens": 18}, {"input_tokens": 1087, '
            '"output_tokens": 230}]',
        ),
    ],
)
def test_it_is_the_same_batch_however_it_is_written(
    read: Callable[..., BatchFile], name: str, content: bytes | str
) -> None:
    batch = read(name, content)
    assert tokens(batch) == PLAIN
    assert codes(batch) == []


TRACES = [
    (
        "a trace of Azure's LLM inference",
        "a.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2024-05-10 00:00:00.009930+00:00,472,18\n2024-05-10 00:00:00.017335+00:00,1087,230\n",
    ),
    (
        "a trace of BurstGPT",
        "a.csv",
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,230,1317,API log\n",
    ),
    (
        "a trace of BurstGPT",
        "a.csv",
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,"
        "Log Type\n5,a,1.0,ChatGPT,472,18,490,x\n45,b,2.0,GPT-4,1087,230,1317,x\n",
    ),
    (
        "a trace of Mooncake",
        "a.jsonl",
        '{"timestamp": 0, "input_length": 472, "output_length": 18, "hash_ids": [0, 1]}\n'
        '{"timestamp": 3, "input_length": 1087, "output_length": 230, "hash_ids": [0]}\n',
    ),
    (
        "usage as OpenAI's API tells it",
        "a.jsonl",
        '{"prompt_tokens": 472, "completion_tokens": 18, "total_tokens": 490}\n'
        '{"prompt_tokens": 1087, "completion_tokens": 230, "total_tokens": 1317}\n',
    ),
]


@pytest.mark.parametrize(("title", "name", "content"), TRACES)
def test_a_known_trace_is_read_by_its_columns_and_reported(
    read: Callable[..., BatchFile], title: str, name: str, content: str
) -> None:
    batch = read(name, content)
    assert tokens(batch) == PLAIN
    assert set(batch.members["columns"]) == set(PLAIN)
    assert codes(batch) == ["columns_recognised"] or codes(batch) == [
        "columns_recognised",
        "columns_not_used",
    ]
    assert title in batch.warnings[0].message


def test_failed_requests_of_a_trace_are_left_out_and_counted(
    read: Callable[..., BatchFile],
) -> None:
    content = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n" + "".join(
        f"{i},GPT-4,{472 + i},{tokens},0,API log\n" for i, tokens in enumerate([18, 0, 0, -1])
    )
    batch = read("a.csv", content)
    assert tokens(batch) == {"input_tokens": [472, 475], "output_tokens": [18, -1]}
    assert batch.place("/columns/output_tokens/1") == "row 5, column Response tokens"
    told = {warning.code: warning.message for warning in batch.warnings}
    assert told["rows_left_out"].startswith("Without an output token, failed and left out: 2 req")
    assert told["rows_left_out"].endswith("the first is row 3.")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "who;prompt;gen;note\nx;472;18;a\ny;1087;230;b\n"),
        ("a.jsonl", '{"prompt": 472, "gen": 18, "note": 1}\n{"prompt": 1087, "gen": 230}\n'),
        ("a.json", '[{"prompt": 472, "gen": 18, "note": 1}, {"prompt": 1087, "gen": 230}]'),
    ],
)
def test_columns_that_are_named_are_taken_and_the_others_reported(
    read: Callable[..., BatchFile], name: str, content: str
) -> None:
    batch = read(name, content, input_tokens="prompt", output_tokens="GEN")
    assert tokens(batch) == PLAIN
    assert codes(batch) == ["columns_not_used"]
    assert "note" in batch.warnings[0].message


def test_parquet_of_floats_and_other_names_is_read(
    read: Callable[..., BatchFile], tmp_path: Path
) -> None:
    table = pa.table(
        {
            "": pa.array([0, 1]),
            "Output_Tokens": pa.array([18.0, 230.0]),
            "input_tokens": pa.array([472, 1087]),
            "deadline_seconds": pa.array([float("nan"), 5.0]),
            "id": pa.array([7, 8]),
        }
    )
    pq.write_table(table, tmp_path / "table")
    batch = read("a.parquet", (tmp_path / "table").read_bytes())
    assert tokens(batch) == PLAIN
    assert batch.members["columns"]["deadline_seconds"] == [None, 5.0]
    assert batch.members["columns"]["id"] == ["7", "8"]


def test_parquet_of_decimals_and_names_as_text_is_read(
    read: Callable[..., BatchFile], tmp_path: Path
) -> None:
    sums = pa.array([Decimal(472), Decimal(1087)], pa.decimal128(38, 0))
    table = pa.table(
        {
            "input_tokens": sums,
            "output_tokens": pa.array([Decimal("18.00"), Decimal("230.00")]),
            "llms": pa.array(["a;b", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "table")
    batch = read("a.parquet", (tmp_path / "table").read_bytes())
    assert tokens(batch) == PLAIN
    assert batch.members["columns"]["llms"] == [["a", "b"], None]


def test_choices_are_a_column_and_empty_cells_want_one(read: Callable[..., BatchFile]) -> None:
    batch = read("a.csv", "input_tokens,output_tokens,choices\n472,18,3.0\n1087,230,\n")
    call = read_json(orjson.dumps(batch.members), PlanRequest)
    assert call.batch.choices is not None
    assert call.batch.choices.tolist() == [3, 1]


def test_marks_between_thousands_are_never_taken_for_a_decimal_point(
    read: Callable[..., BatchFile],
) -> None:
    batch = read("a.csv", "input_tokens;output_tokens;deadline_seconds\n1.000;18;2.500\n")
    assert batch.members["columns"] == {
        "input_tokens": ["1.000"],
        "output_tokens": [18],
        "deadline_seconds": [2.5],
    }


def test_decimal_commas_and_per_cent_are_read_where_the_table_leaves_no_doubt(
    read: Callable[..., BatchFile],
) -> None:
    header = "id;input_tokens;output_tokens;min_quality;deadline_seconds\n"
    batch = read("a.csv", header + "1,5;1.200;18,0;0,7;2.500\n2.500;812;1e1;70,5%;90\n")
    assert batch.members["columns"] == {
        "id": ["1,5", "2.500"],
        "input_tokens": [1200, 812],
        "output_tokens": [18.0, 10.0],
        "min_quality": [0.7, 0.705],
        "deadline_seconds": [2500, 90],
    }


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("1,200;5;0.7", "row 2, column input_tokens: Expected a whole number, got '1,200'. Its co"),
        ("1.000;5;0.7", "got '1.000'. Its point may part thousands: write 1000, or else 1."),
        ("1.200;5;0.7", "got '1.200': write 1200 for thousands."),
        ('12\t5\t"much"', "row 2, column min_quality: Expected a number, got 'much'."),
        ('12,5,"0,7"', "row 2, column min_quality: Expected a number, got '0,7': write 0.7."),
    ],
)
def test_numbers_that_leave_a_doubt_are_refused_with_what_to_write(
    planned_here: Callable[..., Any], tmp_path: Path, row: str, told: str
) -> None:
    sign = next(sign for sign in ";\t," if sign in row)
    header = sign.join(["input_tokens", "output_tokens", "min_quality"])
    (tmp_path / "a.csv").write_text(f"{header}\n{row}\n")
    status, printed = planned_here("a.csv")
    assert (status, printed.out) == (2, "")
    assert told in printed.err


@pytest.mark.parametrize("sign", ["€", "é", "\x81"])
def test_a_table_in_windows_1252_is_read_and_reported(
    read: Callable[..., BatchFile], sign: str
) -> None:
    text = f"id,input_tokens,output_tokens\n{sign},472,18\nb,1087,230\n"
    content = text.encode("latin-1" if sign == "\x81" else "cp1252")
    batch = read("a.csv", content)
    assert tokens(batch) == PLAIN
    assert batch.members["columns"]["id"] == [sign, "b"]
    assert codes(batch) == ["encoding_supposed"]


@pytest.mark.parametrize("cell", ["a;b", '"a; b"', "\"['a', 'b']\"", '"[""a"", ""b""]"'])
def test_names_are_joined_in_a_cell_in_several_ways(
    read: Callable[..., BatchFile], cell: str
) -> None:
    batch = read("a.csv", f"input_tokens,output_tokens,llms\n1,2,{cell}\n1,2,nan\n")
    assert batch.members["columns"]["llms"] == [["a", "b"], None]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "prompt,gen\n1,2\n", "Say which it is with --column input_tokens=THEIRS."),
        ("a.csv", "input_tokens,output_tokens,deadline\n1,2,3\n", "got deadline. With --column"),
        ("a.csv", "input_tokens,Input Tokens,output_tokens\n1,1,2\n", "Expected each column once"),
        ("a.csv", CSV.encode() + b"\x00\x01,1\n", "Expected text, got bytes of zero"),
        ("a.csv", CSV.encode("utf-16")[:-1], "Expected text, got 'utf-16-le' codec can't decode"),
        (
            "a.jsonl",
            b'{"id": "caf\xe9", "input_tokens": 1, "output_tokens": 2}',
            "byte 0xe9 at byte 11, which is 'é' in Windows-1252. Convert it: iconv -f WINDOWS-1252",
        ),
        ("a.csv", CSV + "1,2,3\n", "row 4: Expected 2 cells, got 3."),
        ("a.csv", 'input_tokens,output_tokens,id\n1,2,"a\n\nb"\n\n3\n', "row 4 (line 6): Expe"),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-4], "cut off"),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0) + b"x", "nothing after the end"),
        ("a.csv.gz", b"\x1f\x8b" + b"x" * 40, "a damaged one"),
        ("a.csv", '"a\n', "Expected CSV, got"),
        ("a.jsonl", '{"input_tokens": 1, "output_tokens": 2}\n{', "line 2: Expected JSON"),
        ("a.jsonl", '{"input_tokens": 1, "output_tokens": 2}\n[]', "line 2: Expected a JSON obj"),
        (
            "a.jsonl",
            '{"input_tokens": 1, "output_tokens": 2}\n' + batch_line(1),
            "line 2: Expected a row as on the lines before",
        ),
        ("a.jsonl", '{"input_tokens": 1, "output_tokens": 2, "x": 1}', "got x."),
        ("a.jsonl", '{"prompt": "x"}', "line 1: Expected an object with custom_id"),
        ("a.csv", CSV.splitlines()[0], "at least one row"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(
    read: Callable[..., BatchFile], name: str, content: bytes | str, told: str
) -> None:
    with pytest.raises(BatchFileError) as refused:
        read(name, content)
    assert told in str(refused.value)


def test_a_bomb_is_stopped_while_it_inflates() -> None:
    bomb = gzip.compress(b"\0" * 2**24, mtime=0)
    with pytest.raises(BatchFileError, match="Expected at most 1000000 bytes"):
        inflated(bomb, 1_000_000)


def test_a_column_that_is_not_there_gets_the_nearest(read: Callable[..., BatchFile]) -> None:
    with pytest.raises(BatchFileError, match=r"Nearest: prompt_len\."):
        read("a.csv", "prompt_len,gen_len\n1,2\n", input_tokens="prompt_length")


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared inputs are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("06-rows.jsonl", {"input_tokens": [4016, 28], "output_tokens": [6, 45]}),
        ("06-mooncake.jsonl", {"input_tokens": [4016, 28], "output_tokens": [6, 45]}),
        ("15-float-cells.csv", PLAIN),
        ("15-index.csv", {"input_tokens": [472, 10], "output_tokens": [18, 20]}),
        ("15-hfname.csv", {"input_tokens": [100], "output_tokens": [50]}),
    ],
)
def test_the_shared_inputs_are_read_and_planned(
    planned_here: Callable[..., Any], name: str, right: dict[str, list[int]]
) -> None:
    batch = read_batch(str(CASES / name), None, TokenRule())
    assert tokens(batch) == right
    status, printed = planned_here(str(CASES / name), "--json")
    assert status == 0, printed.err
    assert len(json.loads(printed.out)["columns"]["id"]) == len(right["input_tokens"])


SPELLINGS = st.sampled_from([str.lower, str.upper, str.title, lambda s: s.replace("_", " ")])
counts = st.integers(1, 9_999_999)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_table_is_the_same_however_it_was_written(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    column = st.lists(counts, min_size=n, max_size=n)
    given_columns = {"input_tokens": data.draw(column), "output_tokens": data.draw(column)}
    if data.draw(st.booleans()):
        given_columns["deadline_seconds"] = data.draw(column)
    header = data.draw(st.permutations(list(given_columns)))
    end = data.draw(st.sampled_from(["", ".0"]))
    cells = [[f"{given_columns[name][i]}{end}" for name in header] for i in range(n)]
    names = [data.draw(SPELLINGS)(name) for name in header]
    if data.draw(st.booleans()):
        names, cells = ["", *names], [[str(i), *row] for i, row in enumerate(cells)]
    text = io.StringIO()
    separator, ending = (
        data.draw(st.sampled_from(",;\t|")),
        data.draw(st.sampled_from(["\n", "\r\n"])),
    )
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    csv.writer(text, delimiter=separator, lineterminator=ending, quoting=quoting).writerows(
        [names, *cells]
    )
    encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
    content = text.getvalue().encode(data.draw(st.sampled_from(encodings)))
    if data.draw(st.booleans()):
        content = gzip.compress(content, mtime=0)
    batch = _read(content, "csv")
    assert dict(batch.members["columns"]) == given_columns
    assert batch.warnings == ()


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(str.encode),
        st.lists(
            st.sampled_from(
                [
                    "input_tokens",
                    "output_tokens",
                    ",",
                    ";",
                    "\n",
                    "1",
                    "2.5",
                    "-3",
                    '"',
                    "{",
                    "}",
                    "[",
                    "]",
                    '{"input_tokens": 1, "output_tokens": 2}',
                    "\r",
                    "\0",
                    "nan",
                    "é",
                    "id",
                ]
            ),
            max_size=14,
        ).map(lambda parts: "".join(parts).encode()),
    ),
    st.sampled_from(["csv", "json", "jsonl", "parquet", "openai-batch"]),
    st.booleans(),
)
def test_anything_is_a_batch_or_is_refused_with_a_sentence(
    content: bytes, kind: Any, packed: bool
) -> None:
    told = _refusal(gzip.compress(content, mtime=0) if packed else content, kind)
    assert told is None or "Expected" in told


def _refusal(content: bytes, kind: Any) -> str | None:
    try:
        _read(content, kind)
    except BatchFileError as refused:
        return str(refused)
    return None


def _read(content: bytes, kind: Any) -> BatchFile:
    return read_bytes(content, kind, TokenRule(output_tokens=10), {})


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_text_is_the_same_in_every_encoding_that_has_a_mark(text: str) -> None:
    for encoding in ("utf-16", "utf-32"):
        assert in_utf8(text.encode(encoding)) == text.encode()

"""Tables as others write them: their columns, their traces, their types."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.calls.batch_files.batch_file import BatchFile
from service.calls.reading import read_json
from service.calls.schemas.calls import PlanRequest
from tests.service.calls.batch_files.readings import CSV, PLAIN, tokens


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
    messages = {warning.code: warning.message for warning in batch.warnings}
    assert messages["rows_left_out"].startswith(
        "Without an output token, failed and left out: 2 req"
    )
    assert messages["rows_left_out"].endswith("the first is row 3.")


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

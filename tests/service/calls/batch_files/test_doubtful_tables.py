"""What of a table leaves a doubt, or cannot be read, is refused in a sentence."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.decoding import inflated
from tests.service.calls.batch_files.readings import CSV
from tests.service.plan_files import batch_line


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
    ("row", "message"),
    [
        ("1,200;5;0.7", "row 2, column input_tokens: Expected a whole number, got '1,200'. Its co"),
        ("1.000;5;0.7", "got '1.000'. Its point may part thousands: write 1000, or else 1."),
        ("1.200;5;0.7", "got '1.200': write 1200 for thousands."),
        ('12\t5\t"much"', "row 2, column min_quality: Expected a number, got 'much'."),
        ('12,5,"0,7"', "row 2, column min_quality: Expected a number, got '0,7': write 0.7."),
    ],
)
def test_numbers_that_leave_a_doubt_are_refused_with_what_to_write(
    planned_here: Callable[..., Any], tmp_path: Path, row: str, message: str
) -> None:
    sign = next(sign for sign in ";\t," if sign in row)
    header = sign.join(["input_tokens", "output_tokens", "min_quality"])
    (tmp_path / "a.csv").write_text(f"{header}\n{row}\n")
    status, printed = planned_here("a.csv")
    assert (status, printed.out) == (2, "")
    assert message in printed.err


@pytest.mark.parametrize(
    ("name", "content", "message"),
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
    read: Callable[..., BatchFile], name: str, content: bytes | str, message: str
) -> None:
    with pytest.raises(BatchFileError) as refused:
        read(name, content)
    assert message in str(refused.value)


def test_a_bomb_is_stopped_while_it_inflates() -> None:
    bomb = gzip.compress(b"\0" * 2**24, mtime=0)
    with pytest.raises(BatchFileError, match="Expected at most 1000000 bytes"):
        inflated(bomb, 1_000_000)


def test_a_column_that_is_not_there_gets_the_nearest(read: Callable[..., BatchFile]) -> None:
    with pytest.raises(BatchFileError, match=r"Nearest: prompt_len\."):
        read("a.csv", "prompt_len,gen_len\n1,2\n", input_tokens="prompt_length")

"""Amounts in CSV of a batch: read as they were meant, or left for the schema to refuse."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls.batch_files.csv_file import csv_table
from service.calls.batch_files.table import batch_of
from service.number_texts import NumberKind, number_meant
from tests.written_numbers import AMOUNTS, LOOK_ALIKES, with_comma


def columns_of(text: str) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = batch_of(csv_table(text, {}), {}).members["columns"]
    return columns


def test_points_that_part_no_thousands_stay_points_beside_decimal_commas() -> None:
    header = "input_tokens;output_tokens;min_quality;deadline_seconds\n"
    assert columns_of(header + "100;20;0,7;0.500\n")["deadline_seconds"] == [0.5]


@pytest.mark.parametrize("text", ["0.250,5", "00.250,5", "1,234.5"])
def test_no_number_is_advised_where_none_can_be_meant(text: str) -> None:
    assert number_meant(text, NumberKind.OTHER) is None


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), AMOUNTS, LOOK_ALIKES),
        min_size=1,
        max_size=5,
        unique_by=lambda row: row[2],
    ),
    st.booleans(),
    st.booleans(),
)
def test_amounts_in_tables_are_read_as_meant_or_left_to_be_refused(
    meant: list[tuple[int, Decimal, str]], commas: bool, parts_thousands: bool
) -> None:
    def written(amount: Decimal) -> str:
        return with_comma(amount, parts_thousands=parts_thousands) if commas else str(amount)

    rows = [f"{written(Decimal(count))};9;{written(limit)};{name}" for count, limit, name in meant]
    header = "input_tokens;output_tokens;deadline_seconds;id"
    columns = columns_of("\n".join([header, *rows]))
    assert columns["id"] == [name for *_, name in meant]
    commas_show = not commas or any("," in row.rpartition(";")[0] for row in rows)
    read = [*columns["input_tokens"], *columns["deadline_seconds"]]
    if commas_show and not any(isinstance(one, str) for one in read):
        assert read == [count for count, *_ in meant] + [float(limit) for _, limit, _ in meant]

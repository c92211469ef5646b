"""Tables of decimal commas: what is read is what was meant, or it is left to be refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.decimal_commas import with_points
from tests.written_numbers import AMOUNTS, grouped, with_comma

PLAIN = AMOUNTS.filter(
    lambda one: len(str(one).partition(".")[2]) in ({1, 2, 4} if one >= 1 else {1, 2, 3, 4})
)
"""Written with a point, these show that it parts no thousands."""


def read(cells: list[str]) -> list[float] | None:
    try:
        return list(map(float, cells))
    except ValueError:
        return None


@settings(deadline=None)
@given(st.lists(st.lists(AMOUNTS, min_size=1, max_size=4), min_size=1, max_size=3), st.booleans())
def test_a_table_of_decimal_commas_is_read_as_it_was_meant_or_left_to_be_refused(
    meant: list[list[Decimal]], parts_thousands: bool
) -> None:
    columns = {
        place: [with_comma(one, parts_thousands=parts_thousands) for one in amounts]
        for place, amounts in enumerate(meant)
    }
    found = {place: read(with_points(columns).get(place, columns[place])) for place in columns}
    commas = any("," in cell for cells in columns.values() for cell in cells)
    if commas and None not in found.values():
        assert found == {place: list(map(float, amounts)) for place, amounts in enumerate(meant)}


@settings(deadline=None)
@given(
    st.lists(AMOUNTS.map(str), min_size=1),
    PLAIN.map(str),
    st.lists(AMOUNTS.map(grouped), min_size=1),
)
def test_a_column_of_decimal_points_stays_as_it_is_beside_commas(
    points: list[str], plain: str, commas: list[str]
) -> None:
    assert "points" not in with_points({"points": [*points, plain], "commas": [*commas, "0,5"]})


@pytest.mark.parametrize(
    ("cell", "pointed"),
    [
        ("1.512", "1512"),
        ("-1.234.567", "-1234567"),
        ("0.512", None),
        ("00.512", None),
        ("0.250,5", None),
        ("012.345", None),
        ("1.234e5", None),
        ("1.234E-05", None),
        ("1,5e3", "1.5e3"),
        ("12.345 ms", "12345 ms"),
    ],
)
def test_points_part_thousands_only_where_a_writer_would_part_them(
    cell: str, pointed: str | None
) -> None:
    found = with_points({"energy": ["57,31"], "asked": [cell]})
    assert found.get("asked") == (None if pointed is None else [pointed])

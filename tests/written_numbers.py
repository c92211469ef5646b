"""Amounts as people and spreadsheets write them."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

AMOUNTS = st.integers(0, 4).flatmap(
    lambda places: st.decimals(0, 10**7, places=places, allow_nan=False)
)
"""Numbers of up to eight digits before and four after the sign, each as it is to be written."""
LOOK_ALIKES = st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{3}){1,3}\Z|\A[0-9]{1,3},[0-9]{1,3}\Z")
"""Addresses, versions and the like, which could be taken for numbers."""


def with_comma(amount: Decimal, *, parts_thousands: bool) -> str:
    """Write an amount with a decimal comma, and perhaps points between its thousands.

    Examples
    --------
    >>> with_comma(Decimal("1234.50"), parts_thousands=True)
    '1.234,50'
    """
    mark = "," if parts_thousands else ""
    return f"{amount:{mark}f}".translate(str.maketrans(",.", ".,"))


def grouped(amount: Decimal) -> str:
    """Write an amount with a decimal comma and points between its thousands."""
    return with_comma(amount, parts_thousands=True)

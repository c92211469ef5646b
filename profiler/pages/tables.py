"""Tables in Markdown, and figures as tables have them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown.

    Parameters
    ----------
    header
        Names of the columns.
    rows
        Cells as text.

    Returns
    -------
    str
        Text with a newline at its end.

    Examples
    --------
    >>> print(markdown_table(["LLM", "MAPE"], [["falcon-7b", "3.9"]]), end="")
    | LLM | MAPE |
    |---|---|
    | falcon-7b | 3.9 |
    """
    lines = [header, ["---"] * len(header), *rows]
    text = ["| " + " | ".join(cells) + " |" for cells in lines]
    text[1] = "|" + "---|" * len(header)
    return "\n".join(text) + "\n"


def percent(ratio: float | None, digits: int = 1) -> str:
    """Write a ratio as per cent, a dash for none.

    Examples
    --------
    >>> percent(0.0579), percent(None)
    ('5.8', '-')
    """
    return "-" if ratio is None else f"{100 * ratio:.{digits}f}"


def statistic(value: float | None, digits: int = 5) -> str:
    """Write a number with its significant digits, a dash for none.

    Examples
    --------
    >>> statistic(0.00123456), statistic(12.3456, 4), statistic(None), statistic(math.nan)
    ('0.0012346', '12.35', '-', '-')
    """
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}g}"

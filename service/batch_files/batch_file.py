"""What any file of a batch comes to: members of a body of `POST /plan`, and where they stood.

::

    BatchFileError    the file cannot be read; the message says where and what was expected
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.batch_files.lines import BatchLines
from service.planning.result import PlanWarning
from service.problems import FieldError
from service.schemas.requests import RequestColumns

COLUMNS = tuple(RequestColumns.model_fields)


class BatchFileError(ValueError):
    """Raised where a file is no batch."""


@dataclass(frozen=True)
class BatchFile:
    """A batch as it was read.

    Attributes
    ----------
    members
        Of a body of `POST /plan`.
    place
        Returns where in the file a JSON pointer leads, in words; the pointer itself where nowhere.
    warnings
        What the reader of the plan should know about the reading.
    lines
        Of an OpenAI batch, as they lie in the file; None of another.
    """

    members: Mapping[str, Any]
    place: Callable[[str], str] = str
    warnings: tuple[PlanWarning, ...] = ()
    lines: BatchLines | None = None

    def tell(self, error: FieldError) -> str:
        """Return what is to be mended, and where."""
        place = self.place(error.pointer)
        return f"{place}: {error.detail}" if place else error.detail


def check_columns(names: list[str]) -> None:
    """Refuse columns that no request has.

    Raises
    ------
    BatchFileError
        Where a name is unknown or stands twice, or tokens are missing.
    """
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        expected = ", ".join(COLUMNS)
        raise BatchFileError(f"Expected columns out of {expected}, got {', '.join(unknown)}.")
    if len(set(names)) < len(names):
        raise BatchFileError(f"Expected each column once, got {', '.join(names)}.")
    for needed in ("input_tokens", "output_tokens"):
        if needed not in names:
            raise BatchFileError(f"Expected a column {needed}, got {', '.join(names) or 'none'}.")


def row_and_column(pointer: str) -> str:
    """Return the words for a pointer into `columns`.

    Examples
    --------
    >>> row_and_column("/columns/output_tokens/3")
    'row 4, column output_tokens'
    >>> row_and_column("/columns/llms/0/1")
    'row 1, column llms'
    >>> row_and_column("/constraints/deadline_seconds")
    '/constraints/deadline_seconds'
    """
    parts = pointer.split("/")
    if parts[1:2] != ["columns"] or len(parts) < 3:
        return pointer
    if len(parts) > 3 and parts[3].isdecimal():
        return f"row {int(parts[3]) + 1}, column {parts[2]}"
    return f"column {parts[2]}"

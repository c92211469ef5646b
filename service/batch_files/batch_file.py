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

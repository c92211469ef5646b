"""What any file of a batch comes to: members of a body of `POST /plan`, and where they stood.

::

    BatchFileError    the file cannot be read; the message says where and what was expected
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from planner.result import PlanWarning
from service.calls.batch_files.lines import BatchLines
from service.calls.schemas.requests import RequestColumns

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
    place, request, pointer
        Return where in the file a JSON pointer leads, in words, where the request is that it leads
        into, and the first as a pointer into its lines; the pointer itself where nowhere.
    warnings
        What the reader of the plan should know about the reading.
    lines
        Of an OpenAI batch, as they lie in the file; None of another.
    set_aside
        Why requests are not to be planned, by index, although the rest is.
    """

    members: Mapping[str, Any]
    place: Callable[[str], str] = str
    request: Callable[[str], str] = str
    warnings: tuple[PlanWarning, ...] = ()
    lines: BatchLines | None = None
    set_aside: Mapping[int, str] = field(default_factory=dict)
    pointer: Callable[[str], str] = str

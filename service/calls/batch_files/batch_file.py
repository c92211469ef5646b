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
    """A batch as it was read: the members of a body of `POST /plan`, and what is known of its file.

    A JSON pointer leads by `place` to words for the place in the file, by `request` to words
    for the request there, and by `pointer` to a pointer into the lines; all return it unchanged
    where it leads nowhere. `lines` are those of an OpenAI batch. `set_aside` says why requests
    are not to be planned, by index, although the rest is.
    """

    members: Mapping[str, Any]
    place: Callable[[str], str] = str
    request: Callable[[str], str] = str
    warnings: tuple[PlanWarning, ...] = ()
    lines: BatchLines | None = None
    set_aside: Mapping[int, str] = field(default_factory=dict)
    pointer: Callable[[str], str] = str

"""Two ways to write a stream of JSON lines: newline-delimited, and as server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from service.calls.messages import EVENT_STREAM, NDJSON, Update


@dataclass(frozen=True)
class LineFormat:
    """How updates are written."""

    media_type: str
    write: Callable[[Update], bytes]


def line_format(accept: str) -> LineFormat:
    r"""Return the format that an `Accept` header asks for: events only where it names them.

    Examples
    --------
    >>> line_format("*/*").write(Update("point", b'{"index":0}'))
    b'{"index":0}\n'
    >>> line_format("text/event-stream").write(Update("point", b'{"index":0}'))
    b'event: point\ndata: {"index":0}\n\n'
    """
    named = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if EVENT_STREAM in named:
        return LineFormat(EVENT_STREAM, _event)
    return LineFormat(NDJSON, _line)


def _line(update: Update) -> bytes:
    return update.body + b"\n"


def _event(update: Update) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (update.kind.encode(), update.body)

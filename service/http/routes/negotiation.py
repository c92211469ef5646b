"""Types of bodies: what comes is read or refused, what is accepted is given (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request

from service.calls.messages import ARROW, JSON
from service.problems import Problem, ProblemError

TYPES = (JSON, ARROW)
"""What is read and written, the one that is given unasked first."""


def body_type(request: Request, further: Sequence[str] = ()) -> str:
    """Return the media type of a body, of `TYPES` or `further` ones; refuse others with 415."""
    given = request.headers.get("content-type", "")
    media_type = given.partition(";")[0].strip().lower()
    known = (*TYPES, *further)
    if media_type not in known:
        message = f"Expected Content-Type {' or '.join(known)}, got {given or 'none'!r:.100}."
        raise ProblemError(Problem("unsupported-media-type", message))
    return media_type


def accepted_type(request: Request) -> str:
    """Return the media type that an answer shall have; refuse with 406 where none is accepted."""
    given = ",".join(request.headers.getlist("accept"))
    found = preferred(given, TYPES)
    if found is None:
        message = f"Expected Accept to admit {' or '.join(TYPES)}, got {given!r:.100}."
        raise ProblemError(Problem("not-acceptable", message))
    return found


def preferred(accept: str, offered: Sequence[str]) -> str | None:
    """Return the offered media type that an `Accept` header likes best; None where it accepts none.

    It has the largest quality; among equals the header names it more exactly, or then first.
    Without a header anything is accepted, and the type that is offered first is given.

    Examples
    --------
    >>> offered = ("application/json", "application/vnd.apache.arrow.stream")
    >>> preferred("", offered), preferred("*/*", offered)
    ('application/json', 'application/json')
    >>> preferred("application/json;q=0.5, application/vnd.apache.arrow.stream", offered)
    'application/vnd.apache.arrow.stream'
    >>> preferred("text/html, */*;q=0.1, application/json;q=0", offered)
    'application/vnd.apache.arrow.stream'
    >>> preferred("text/html", offered) is None
    True
    """
    ranges = [_parsed(part) for part in accept.split(",") if part.strip()]
    if not ranges:
        return offered[0]
    best: tuple[float, int, int] = (0.0, 0, 0)
    found = None
    for media_type in offered:
        quality, exactness, place = _quality(media_type, ranges)
        # Of ranges that are equally exact, the one that stands first.
        rank = (quality, exactness, -place)
        if quality > 0.0 and (found is None or rank > best):
            found, best = media_type, rank
    return found


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int, int]:
    """Return the quality of a type by the most exact range that names it, and which that is."""
    kind = media_type.partition("/")[0]
    for exactness, name in ((3, media_type), (2, f"{kind}/*"), (1, "*/*")):
        for place, (given, quality) in enumerate(ranges):
            if given == name:
                return quality, exactness, place
    return 0.0, 0, 0


def _parsed(part: str) -> tuple[str, float]:
    """Return a media range and its quality; one that cannot be read counts as 1."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            quality = _number(value.strip())
    return name, quality


def _number(text: str) -> float:
    digits = text.replace(".", "", 1)
    return min(1.0, float(text)) if digits.isascii() and digits.isdecimal() else 1.0

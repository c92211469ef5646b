"""What goes wrong between the profiler and a server, in words."""

from __future__ import annotations

import re

import httpx

_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (httpx.TimeoutException, "no answer in time"),
    (httpx.ConnectError, "no connection"),
    (httpx.UnsupportedProtocol, "an address without http:// or https://"),
    (httpx.TransportError, "a connection that broke off"),
    (httpx.HTTPError, "no whole answer"),
    (ValueError, "an answer that is no JSON"),
)
_NUMBER = re.compile(r"\[Errno -?[0-9]+\] ")


def why(error: Exception) -> str:
    """Return what came instead of an answer.

    Parameters
    ----------
    error
        Error of httpx, or a ValueError of what reads its answer.

    Examples
    --------
    >>> why(httpx.ConnectError("[Errno 111] Connection refused"))
    'no connection: Connection refused'
    >>> why(httpx.ReadTimeout(""))
    'no answer in time'
    """
    kind = next((words for one, words in _KINDS if isinstance(error, one)), "no answer")
    reason = "" if isinstance(error, ValueError) else _NUMBER.sub("", str(error)).rstrip(".")
    return f"{kind}: {reason}" if reason else kind

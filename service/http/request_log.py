"""Middleware that names each request, logs it in one line and never lets a traceback out."""

from __future__ import annotations

import asyncio
import logging
import re
from secrets import token_hex
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.refusals import REFUSED, refuse
from service.problems import Problem
from service.stopping import Stopping, cut_off_problem

HEADER = "X-Request-ID"
OK, CLIENT_GONE = 200, 499
OFTEN = re.compile(r"(/v1)?/(decision|actuals|prices|destination(/.*)?)", re.DOTALL)
"""Paths that gateways call for each request of theirs, or nearly."""

_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

logger = logging.getLogger("service.requests")


class RequestLog:
    """Gives every request an id, echoes it, and logs method, path, status and seconds.

    An `X-Request-ID` of at most 64 letters, digits, dots, dashes and underscores is taken over;
    any other is replaced. What gateways ask `OFTEN` is logged at DEBUG where it went well. What is
    cut off when the service ends, and has no answer yet, gets 503.
    """

    def __init__(self, app: ASGIApp, stopping: Stopping) -> None:
        self._app, self._stopping = app, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _SAFE_ID.fullmatch(given) else token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        started = perf_counter()
        status, refused = CLIENT_GONE, False

        async def send_named(message: Message) -> None:
            nonlocal status, refused
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                refused = REFUSED in headers
                headers[HEADER] = request_id
                if self._stopping.begun:
                    # Its caller's next call is for whoever comes after.
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except asyncio.CancelledError:
            if not self._stopping.cutting:
                raise
            if status == CLIENT_GONE:
                await refuse(cut_off_problem(), Request(scope))(scope, receive, send_named)
        except ClientDisconnect:
            # Whoever asked is gone, in the middle of a body: nobody is to be answered.
            logger.debug("A caller left.", extra={"request_id": request_id})
        except Exception:
            logger.exception("A request failed.", extra={"request_id": request_id})
            if status == CLIENT_GONE:
                problem = Problem("internal", "The service made a mistake.")
                await refuse(problem, Request(scope))(scope, receive, send_named)
        finally:
            # A gateway's hundreds of decisions a second are counted, and not logged.
            went_well = status == OK and not refused and OFTEN.fullmatch(scope["path"])
            _log(
                scope,
                status,
                perf_counter() - started,
                logging.DEBUG if went_well else logging.INFO,
            )


def _log(scope: Scope, status: int, seconds: float, level: int) -> None:
    if logger.isEnabledFor(level):
        fields = {
            "request_id": scope["state"]["request_id"],
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "seconds": round(seconds, 6),
        }
        key_name = scope["state"].get("key_name")
        if key_name is not None:
            fields["key_name"] = key_name
        logger.log(level, "request", extra=fields)

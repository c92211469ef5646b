"""What operators read, on a port of its own: metrics, health, readiness; no keys."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator, Sequence

import uvicorn
from fastapi import FastAPI

from service.http.access.connections import TimedProtocol
from service.http.access.guard import install_host_guard
from service.http.refusals import add_refusals
from service.http.request_log import RequestLog
from service.http.routes import information
from service.settings.access import AccessError, AccessSettings
from service.settings.connections import ConnectionSettings
from service.stopping import Stopping
from service.telemetry.metrics import Metrics
from service.workers.pool import WorkerPool

logger = logging.getLogger("service.operations")

BACKLOG = 128
MAX_CONNECTIONS = 100
GRACE_S = 1


def operations_app(
    access: AccessSettings,
    pool: WorkerPool,
    metrics: Metrics,
    stopping: Stopping,
    prefixes: Sequence[str],
) -> FastAPI:
    """Return the application of the operations port."""
    app = FastAPI(
        title="jouleplan operations",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    for prefix in prefixes:
        in_schema = not prefix
        for router in (
            information.health_router(pool, metrics, stopping),
            information.metrics_router(metrics),
        ):
            app.include_router(router, prefix=prefix, include_in_schema=in_schema)
    add_refusals(app, prefixes)
    install_host_guard(app, access, metrics.count_unadmitted)
    app.add_middleware(RequestLog, stopping=stopping)
    return app


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; raise `AccessError` if that address cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except UnicodeError:
        raise AccessError(f"JOULEPLAN_OPERATIONS_HOST: {host} is no name of a host.") from None
    except OSError as error:
        number = error.errno or 0
        words = os.strerror(number) if number > 0 else error.strerror
        msg = f"The operations port {port} of {host} cannot be had: {words}."
        raise AccessError(msg) from None


class OperationsServer:
    """A second server in the event loop of the first, which it follows.

    Raises
    ------
    AccessError
        If its address, a host and a port, cannot be had.
    """

    def __init__(
        self, app: FastAPI, address: tuple[str, int], settings: ConnectionSettings
    ) -> None:
        self._socket = listening_socket(*address)
        self._server = _Unsignalled(
            uvicorn.Config(
                app,
                http=TimedProtocol.limited(settings.header_timeout_seconds, MAX_CONNECTIONS),
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_keep_alive=settings.keep_alive_seconds,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve."""
        host, port, *_ = self._socket.getsockname()
        written = f"[{host}]" if ":" in host else host
        logger.info("Operations are served on http://%s:%d.", written, port)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Stop, and wait until it has."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving


class _Unsignalled(uvicorn.Server):
    """Leaves signals to the first server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

"""Reading the settings and running the server."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from types import FrameType

from pydantic import ValidationError

from service.settings import Settings, unknown_variables
from service.workers.entry import enter
from service.workers.link import start_worker

logger = logging.getLogger("service")


def read_settings(host: str | None = None) -> Settings | None:
    """Return the settings of the environment; say what is wrong on stderr and return None.

    Parameters
    ----------
    host
        In the place of what the environment says.
    """
    try:
        return Settings() if host is None else Settings(host=host)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in found["loc"]).upper()
            place = f"JOULEPLAN_{name}: " if name else ""
            sys.stderr.write(f"{place}{found['msg'].removeprefix('Value error, ')}\n")
        return None


def print_settings(settings: Settings) -> int:
    """Print the settings as JSON."""
    sys.stdout.write(settings.model_dump_json(indent=2) + "\n")
    return 0


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then end calls in flight and workers; return 0."""
    # It loads while this process imports what it needs to speak HTTP.
    first_worker = start_worker(enter, settings)
    import uvicorn  # noqa: PLC0415

    from service.app import create_app  # noqa: PLC0415
    from service.telemetry.logs import logging_config  # noqa: PLC0415

    # The server raises the signal that stopped it once more when it is done: that is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)
    app = create_app(settings, first_worker=first_worker)

    class Server(uvicorn.Server):
        """Ends asynchronous plans, and with them the streams about them, before it waits."""

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await app.state.before_shutdown()
            await super().shutdown(sockets)

    server = Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=logging_config(settings.log_level),
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=round(settings.shutdown_seconds),
        )
    )
    # What is imported stays: walking over all of it again would keep callers waiting for 40 ms.
    gc.collect()
    gc.freeze()
    for name in unknown_variables(os.environ):
        logger.warning("The variable %s is no setting: it has no effect.", name)
    server.run()
    return 0 if server.started else 1


def _ignore(number: int, _: FrameType | None) -> None:
    logger.info("Stopped by signal %s.", signal.Signals(number).name)

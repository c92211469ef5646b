"""Reading the settings and running the server."""

from __future__ import annotations

import gc
import json
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING

from pydantic import ValidationError

from commandline.ending import refuse
from costmodel.files import refusal_of
from service.calls.heap import map_large_blocks, share_one_heap
from service.database.database_file import IN_MEMORY
from service.decisions.tokenizers import TokenizerError, Tokenizers
from service.settings.access import AccessError, is_loopback
from service.settings.settings import VARIABLE_PREFIX, Settings, unknown_variables
from service.wording import words_of_error
from service.workers.link import enter, start_worker

if TYPE_CHECKING:
    from service.http.access.tls import RenewableContext

logger = logging.getLogger("service")


def read_settings(host: str | None = None) -> Settings | None:
    """Return the settings of the environment, or of another host; where wrong, say so on stderr."""
    try:
        return Settings() if host is None else Settings(host=host)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            name = "_".join(str(part) for part in found["loc"])
            place = f"{VARIABLE_PREFIX}{name.upper()}: " if name else ""
            refuse(f"{place}{words_of_error(found)}")
        return None


def print_settings(settings: Settings) -> int:
    """Print the settings as JSON."""
    # Paths are bytes: pydantic's own JSON refuses those that are no text.
    sys.stdout.write(json.dumps(settings.model_dump(), indent=2, default=str) + "\n")
    return 0


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then end as `service.http.server` says.

    Returns
    -------
    int
        0 after serving, 2 where keys, TLS, host, operations port, open files or tokenizers cannot
        be used, or cost models and fleet must not be read.
    """
    from service.telemetry.logs import configure_logging  # noqa: PLC0415

    share_one_heap()
    map_large_blocks()
    configure_logging(settings.log_level)
    try:
        context = _tls_context(settings)
        _check_keys(settings)
        _check_permissions(settings)
        _check_host(settings.host)
        settings = _within_open_files(settings)
        return _serve(settings, context, Tokenizers(settings.tokenizers_dir))
    except (AccessError, TokenizerError) as error:
        return refuse(str(error))


def _serve(settings: Settings, context: RenewableContext | None, tokenizers: Tokenizers) -> int:
    # It loads while this process imports what it needs to speak HTTP.
    first_worker = start_worker(enter, settings)
    import uvicorn  # noqa: PLC0415

    from service.app import compose  # noqa: PLC0415
    from service.http.access.connections import TimedProtocol  # noqa: PLC0415
    from service.http.operations import OperationsServer  # noqa: PLC0415
    from service.http.server import Server  # noqa: PLC0415
    from service.telemetry.logs import logging_config  # noqa: PLC0415

    service = compose(
        settings, first_worker=first_worker, tokenizers=tokenizers, certificate=context
    )
    operations = None
    if settings.operations_port is not None:
        address = (settings.operations_host, settings.operations_port)
        operations = OperationsServer(service.operations, address, settings)
    server = Server(
        uvicorn.Config(
            service.app,
            host=settings.host,
            port=settings.port,
            http=TimedProtocol.limited(
                settings.header_timeout_seconds,
                settings.max_connections,
                settings.max_connections_per_peer,
            ),
            ws="none",
            ssl_context_factory=None if context is None else lambda *_: context,
            log_config=logging_config(settings.log_level),
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_keep_alive=settings.keep_alive_seconds,
        ),
        service.stopping,
        service.plans.interrupt,
        settings,
        settings.max_time_limit_seconds,
        operations,
    )
    # What is imported stays: walking over all of it again would keep callers waiting for 40 ms.
    gc.collect()
    gc.freeze()
    _warn(settings)
    server.run()
    return 0 if server.started else 1


def _tls_context(settings: Settings) -> RenewableContext | None:
    if settings.tls_certfile is None:
        return None
    from service.http.access.tls import TlsFiles, renewable_context  # noqa: PLC0415

    secret = settings.tls_keyfile_password
    password = None if secret is None else secret.get_secret_value()
    return renewable_context(
        TlsFiles(settings.tls_certfile, settings.tls_keyfile, password, settings.tls_ca_certs)
    )


def _within_open_files(settings: Settings) -> Settings:
    """Return the settings with as many connections as there may be open files for."""
    from service.http.access.open_files import connections_within  # noqa: PLC0415
    from service.http.operations import MAX_CONNECTIONS  # noqa: PLC0415

    operations = 0 if settings.operations_port is None else MAX_CONNECTIONS
    maximum = connections_within(
        settings.max_connections, settings.workers, settings.max_queue, operations
    )
    return settings.model_copy(update={"max_connections": maximum})


def _check_keys(settings: Settings) -> None:
    """Read the key file before a worker is started for nothing."""
    if settings.api_keys_file is not None:
        from service.http.access.key_file import read_keys  # noqa: PLC0415

        read_keys(settings.api_keys_file)


def _check_host(host: str) -> None:
    """Refuse to begin where no address of this machine is meant; a taken port may get free yet."""
    try:
        family, *_, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "no name of a host"
        msg = f"JOULEPLAN_HOST: Expected an address of this machine, got {host}: {why}."
        raise AccessError(msg) from None


def _check_permissions(settings: Settings) -> None:
    """Refuse to begin where nobody lets it read; what is not there, or is wrong, may yet come."""
    for path in (settings.models_dir, settings.fleet_path):
        refused = refusal_of(path)
        if refused is not None:
            raise AccessError(f"{path}: cannot be read: {refused}.")


def _warn(settings: Settings) -> None:
    for name in unknown_variables(os.environ):
        logger.warning("The variable %s is no setting: it has no effect.", name)
    if settings.actuals_path == IN_MEMORY and "actuals_path" not in settings.model_fields_set:
        logger.warning("Actuals are kept in memory only. The user has no home folder.")
    if settings.api_keys_file and not settings.tls_certfile and not is_loopback(settings.host):
        logger.warning(
            "API keys travel in the clear: set JOULEPLAN_TLS_CERTFILE, or let only a proxy that "
            "speaks TLS reach %s.",
            settings.host,
        )

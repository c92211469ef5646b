"""Where a worker process starts: imports the planner only there, never in the parent."""

from __future__ import annotations

import logging
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from service.workers.link import FAILED_STATUS

if TYPE_CHECKING:
    from service.settings.settings import Settings

logger = logging.getLogger("service.worker")


def enter(connection: Connection, settings: Settings) -> None:
    """Run a worker over a pipe; see `service.workers.process.run_worker`."""
    try:
        from service.workers.process import run_worker  # noqa: PLC0415  heavy, and only needed here

        run_worker(connection, settings)
    except Exception:
        logger.exception("A worker failed.")
        sys.exit(FAILED_STATUS)

"""Whether the limit on open files leaves room for the connections that are allowed."""

from __future__ import annotations

import logging
import resource

from service.settings.access import AccessError

logger = logging.getLogger("service.connections")

FILES_PER_WORKER = 16
"""Pipes of a worker, and files in which bodies and answers pass."""
OTHER_FILES = 128
"""Libraries, stores, logs, listening sockets, and files that are looked at for a moment."""


def connections_within(max_connections: int, workers: int, queue: int, operations: int) -> int:
    """Return how many connections there may be; raise the soft limit on open files as needed.

    Files are needed by workers, by the bodies of a queue of calls, and by operations' connections.

    Raises
    ------
    AccessError
        If the hard limit leaves room for none.
    """
    others = FILES_PER_WORKER * workers + queue + operations + OTHER_FILES
    soft, hard = (_count(limit) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    needed = max_connections + others
    if needed <= soft:
        return max_connections
    allowed = min(needed, hard)
    if allowed > soft:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (allowed, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
    if allowed == needed:
        return max_connections
    left = max(soft, allowed) - others
    if left < 1:
        msg = (
            f"Expected a limit on open files (ulimit -Hn) of at least {needed} for "
            f"{max_connections} connections, got {hard}, which leaves room for none."
        )
        raise AccessError(msg)
    logger.warning(
        "At most %d connections instead of %d: the limit on open files is %d, and %d are needed. "
        "Raise it (ulimit -Hn), or lower JOULEPLAN_MAX_CONNECTIONS.",
        left,
        max_connections,
        hard,
        needed,
    )
    return left


def _count(limit: int) -> int:
    return 2**31 if limit == resource.RLIM_INFINITY else limit

"""Who hears what happens in a pool of workers."""

from __future__ import annotations

from collections.abc import Mapping

from service.calls.messages import Description, PlanTally


class PoolListener:
    """Hears nothing; what follows a pool overrides what it wants to know."""

    def described(self, description: Description) -> None:
        """Hear what a worker has loaded, when it is ready and when it has loaded again."""

    def files_read(self, failures: Mapping[str, str]) -> None:
        """Hear that files were read, and which of them cannot be used, by `RELOADED`, and why."""

    def planned(self, tally: PlanTally) -> None:
        """Hear of a plan that was made."""

    def workers_changed(self, ready: int) -> None:
        """Hear how many workers are ready."""

    def worker_lost(self, *, hung: bool) -> None:
        """Hear that one is gone that was ready, and another is started; whether it had hung."""

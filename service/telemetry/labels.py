"""Names that labels of metrics may carry: those of the service's own fleet, and `other`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.calls.messages import Description

METRIC_PREFIX = "jouleplan"
OTHER = "other"


@dataclass
class Labels:
    """The names that labels may carry: those of the fleet's LLMs, pools and devices."""

    llms: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()

    def take_over(self, description: Description) -> None:
        """Take over the names of what is loaded now."""
        self.llms, self.pools = description.llms, description.pools
        self.devices = description.devices

    def llm(self, name: str) -> str:
        """Return the label of an LLM."""
        return name if name in self.llms else OTHER

    def pool(self, name: str) -> str:
        """Return the label of a pool."""
        return name if name in self.pools else OTHER

    def device(self, name: str) -> str:
        """Return the label of a device."""
        return name if name in self.devices else OTHER

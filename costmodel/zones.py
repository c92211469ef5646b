"""Zones as people write them: an offset from UTC, or a name of the zone database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from costmodel.errors import MomentRefusedError

_OFFSET = re.compile(
    r"(?:UTC|GMT)?\s*(?P<sign>[-+\u2212])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?",
    re.ASCII | re.IGNORECASE,
)
_GREENWICH = ("z", "utc", "gmt")


@dataclass(frozen=True)
class Zone:
    """Where a moment without a zone is taken to be.

    Attributes
    ----------
    rule
        Rule of the zone; None for that of the machine.
    name
        Name as stated; None for that of the machine.
    """

    rule: tzinfo | None = None
    name: str | None = None

    def shown(self, at_s: float) -> str:
        """Write the zone with its offset at a moment, as ``Asia/Karachi (UTC+05:00)``."""
        offset = datetime.fromtimestamp(at_s, UTC).astimezone(self.rule).isoformat()[-6:]
        if isinstance(self.rule, timezone):
            return f"UTC{offset}"
        return f"{self.name or 'the zone of this machine'} (UTC{offset})"


MACHINE_ZONE = Zone()
UNIVERSAL = Zone(UTC, "UTC")


def read_zone(stated: str | None) -> Zone:
    """Return the zone that somebody states.

    Parameters
    ----------
    stated
        ``UTC``, an offset as ``+05:00``, or a name of the zone database as ``Asia/Karachi``; None
        for the machine's.

    Raises
    ------
    MomentRefusedError
        If it names no zone. Abbreviations as ``IST`` are none: they have several meanings.

    Examples
    --------
    >>> read_zone("+0530").shown(0.0), read_zone("Asia/Karachi").shown(1.7e9)
    ('UTC+05:30', 'Asia/Karachi (UTC+05:00)')
    """
    if stated is None:
        return MACHINE_ZONE
    text = stated.strip()
    rule: tzinfo | None = fixed_offset(text)
    if rule is None and "/" in text:
        try:
            rule = ZoneInfo(text)
        except (ValueError, OSError, LookupError):
            rule = None
    if rule is None:
        msg = (
            f"Expected a zone as +05:00, UTC or Asia/Karachi, got {stated!r:.60}. Abbreviations "
            "have several meanings, and a name needs the machine's zone database: an offset always "
            "does."
        )
        raise MomentRefusedError(msg)
    return Zone(rule, text)


def fixed_offset(text: str) -> timezone | None:
    """Return the zone of an offset from UTC as ``+0500`` or ``Z``; None where it is none."""
    if text.strip().lower() in _GREENWICH:
        return UTC
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes = int(found["hours"]), int(found["minutes"] or 0)
    if hours > 14 or minutes > 59:
        return None
    sign = 1 if found["sign"] == "+" else -1
    return timezone(sign * timedelta(hours=hours, minutes=minutes))

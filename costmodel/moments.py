"""Moments as people and loggers write them, to seconds since 1970-01-01 UTC.

=====================  ==========================================================================
ISO 8601               ``2026-03-01T12:00:10Z``, ``2026-03-01 12:00:10,5 +0500``,
                       ``20260301T120010``
nvidia-smi             ``2026/03/01 12:00:10.123``
benchmarks             ``20260301-120010``
day first, by points   ``01.03.2026 12:00:10``
RFC 2822               ``Sun, 01 Mar 2026 12:00:10 +0500``
Unix epoch             a number: seconds from 1e9 up to 4.1e9 (the years 2001 to 2099), milliseconds
                       from 1e12, microseconds from 1e15, nanoseconds from 1e18; other numbers
                       are no moments
=====================  ==========================================================================

A moment without a zone is in the zone that its reader states, or in the machine's, and the reader
gets a note of it. Of an hour that a clock shows twice the first is taken, the second where time
would otherwise run back. A moment that a clock never showed is refused: it is of another zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime

from costmodel.errors import MomentRefusedError
from costmodel.zones import MACHINE_ZONE, Zone, fixed_offset

MIN_EPOCH_S, MAX_EPOCH_S = 1e9, 4.1e9
"""Range of an epoch in seconds: September 2001 to December 2099. Those of other units are a
thousand times more each, so that no number has two meanings."""
EPOCH_SCALES = (1, 1_000, 1_000_000, 1_000_000_000)
MAX_S = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
"""The calendar ends there."""
EXAMPLES = "2026-03-01T12:00:10+05:00, 2026/03/01 12:00:10.123 or 1772366410 (Unix time)"

_EPOCH = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE]\+?[0-9]+)?", re.ASCII)
_WRITTEN = re.compile(
    r"(?P<date>\d{4}(?P<mark>[-/.])\d{1,2}(?P=mark)\d{1,2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{8})(?:\s+|[Tt_]|(?<=\d{8})-)"
    r"(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?|\d{6}(?:[.,]\d+)?|\d{4})"
    r"\s*(?P<zone>\S.*)?",
    re.ASCII,
)
_COMPACT = re.compile(r"(?P<date>(?:19|20)\d{6})(?P<clock>\d{6}|\d{4})", re.ASCII)
_UNZONED = re.compile(r":\d{2}(?:\s+-0000)?$", re.ASCII)
_MAIL = re.compile(
    r"(?:[A-Za-z]{3},\s*)?\d{1,2} [A-Za-z]{3} \d{4} (?P<clock>\d{2}:\d{2}(?::\d{2})?).*", re.ASCII
)


@dataclass(frozen=True)
class Moment:
    """One moment.

    Attributes
    ----------
    at_s
        Seconds since 1970-01-01 UTC.
    zoned
        Whether it was written with its zone; an epoch is.
    later_s
        The other meaning, where the clock of its zone showed it twice; else `at_s`.
    resolution_s
        Value of the last digit that it was written with: a second, where no fraction was.
    """

    at_s: float
    zoned: bool
    later_s: float
    resolution_s: float


def read_moment(value: str | float, zone: Zone = MACHINE_ZONE) -> Moment:
    """Read one moment.

    Parameters
    ----------
    value
        Moment in one of the forms that the module lists.
    zone
        Zone of a moment that is written without one.

    Raises
    ------
    MomentRefusedError
        If it is no moment, or one that the clock of its zone never showed.

    Examples
    --------
    >>> read_moment("2026-03-01 17:00:10 +0500").at_s, read_moment(1772366410123).at_s
    (1772366410.0, 1772366410.123)
    """
    if isinstance(value, str):
        text = value.strip()
        if _EPOCH.fullmatch(text) and not _COMPACT.fullmatch(text):
            return _epoch(float(text), value, _last_digit(text))
        return _placed(value, *_calendar(text), _shown_to_s(text), zone)
    return _epoch(value, value, _last_digit(repr(value)))


def read_zoned_moment(value: object) -> float:
    """Return the seconds since 1970-01-01 UTC of a moment from another machine.

    Raises
    ------
    MomentRefusedError
        If `read_moment` refuses it, or it is written without its zone.

    Examples
    --------
    >>> read_zoned_moment("2026-03-01T12:00:10Z")
    1772366410.0
    """
    if not isinstance(value, str | int | float):
        raise MomentRefusedError(f"Expected a moment as {EXAMPLES}, got {_shown(value)}.")
    moment = read_moment(value)
    if not moment.zoned:
        msg = f"Expected a moment with its zone as 2027-01-01T00:00:00Z, got {_shown(value)}."
        raise MomentRefusedError(msg)
    return moment.at_s


def written(at_s: float) -> str:
    """Write a moment in ISO 8601, in UTC, to the millisecond; outside the calendar as a number.

    Examples
    --------
    >>> written(1772366410.5)
    '2026-03-01T12:00:10.500+00:00'
    """
    if not 0 <= at_s <= MAX_S:
        return f"{at_s:g} s after 1970"
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")


def _epoch(number: float, shown: object, last_digit: float) -> Moment:
    """Take a number as seconds, milliseconds, microseconds or nanoseconds by its size."""
    if not isinstance(number, bool) and isinstance(number, int | float):
        for scale in EPOCH_SCALES:
            if MIN_EPOCH_S * scale <= number < MAX_EPOCH_S * scale:
                return Moment(number / scale, True, number / scale, last_digit / scale)
    msg = (
        f"Expected a moment as {EXAMPLES}, got {_shown(shown)}: no Unix time in s, ms, us or ns "
        "between 2001 and 2099. Seconds since the start of a run are no moments."
    )
    raise MomentRefusedError(msg)


def _last_digit(number: str) -> float:
    """Return what the last digit of a number is worth; of ``10.0``, as programs write 10, one."""
    fraction = re.search(r"\.([0-9]+)", number)
    return 1.0 if fraction is None or fraction[1] == "0" else float(10.0 ** -len(fraction[1]))


def _calendar(text: str) -> tuple[datetime | None, tzinfo | None]:
    """Read date and clock, and the zone where one is written."""
    found = _WRITTEN.fullmatch(text) or _COMPACT.fullmatch(text)
    try:
        if found is None:
            return _mailed(text)
        zone = found.groupdict().get("zone")
        rule = None if zone is None else fixed_offset(zone)
        if zone is not None and rule is None:
            return None, None
        return _clock(found["date"], found["clock"]), rule
    except ValueError:
        return None, None


def _shown_to_s(text: str) -> float:
    """Return what the last digit of a clock is worth: a minute where it shows no seconds."""
    clock = _WRITTEN.fullmatch(text) or _COMPACT.fullmatch(text) or _MAIL.fullmatch(text)
    whole, _, part = (clock["clock"] if clock else "").replace(",", ".").partition(".")
    if part:
        return float(10.0 ** -len(part))
    return 60.0 if len(whole.replace(":", "")) < 5 else 1.0


def _mailed(text: str) -> tuple[datetime | None, tzinfo | None]:
    """Read a date of RFC 2822; one whose zone that standard does not define is none."""
    if not _MAIL.fullmatch(text):
        return None, None
    parsed = parsedate_to_datetime(text)
    if parsed.tzinfo is None and not _UNZONED.search(text):
        return None, None
    return parsed.replace(tzinfo=None), parsed.tzinfo


def _clock(date: str, clock: str) -> datetime:
    """Put date and clock together; parts of a microsecond are dropped."""
    whole, _, part = clock.replace(",", ".").partition(".")
    year, month, day = (
        (date[:4], date[4:6], date[6:]) if date.isdigit() else re.split(r"[-/.]", date)
    )
    if len(day) == 4:
        year, day = day, year
    if ":" in whole:
        hour, minute, *rest = whole.split(":")
    else:
        hour, minute, *rest = (whole[place : place + 2] for place in range(0, len(whole), 2))
    day_start = datetime(int(year), int(month), int(day), int(hour), int(minute))
    seconds = int(rest[0]) if rest else 0
    if seconds > 59:
        raise ValueError(clock)
    return day_start + timedelta(seconds=seconds, microseconds=int(f"{part:0<6}"[:6]))


def _placed(
    value: object, clock: datetime | None, rule: tzinfo | None, resolution_s: float, zone: Zone
) -> Moment:
    """Place what a clock showed in time."""
    if clock is None:
        msg = f"Expected a moment as {EXAMPLES}, got {_shown(value)}."
        raise MomentRefusedError(msg)
    here = rule or zone.rule
    try:
        first, second = (clock.replace(tzinfo=here, fold=fold).timestamp() for fold in (0, 1))
    except (OverflowError, ValueError, OSError):
        first = second = -1.0
    if not 0 <= first <= MAX_S:
        msg = f"Expected a moment after 1970 and before the year 10000, got {_shown(value)}."
        raise MomentRefusedError(msg)
    if second < first:
        msg = (
            f"Expected a moment that the clock of {zone.shown(first)} showed, got {_shown(value)}, "
            "which its change to summer time left out: it is of another zone."
        )
        raise MomentRefusedError(msg)
    return Moment(first, rule is not None, second, resolution_s)


def _shown(value: object) -> str:
    return repr(value)[:60] if isinstance(value, str | float) else f"{value!s:.60}"

"""Moments as people and loggers write them."""

import contextlib
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.errors import MomentRefusedError
from costmodel.moment_reader import MomentReader
from costmodel.moments import read_moment, read_zoned_moment, written
from costmodel.zones import read_zone

AT = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC).timestamp()
"""Noon and ten seconds in Greenwich: 17:00:10 in Karachi."""
KARACHI = read_zone("Asia/Karachi")
NEW_YORK = read_zone("America/New_York")
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.fixture
def machine_zone(monkeypatch):
    def be(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield be
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "written_as",
    [
        "2026-03-01T12:00:10Z",
        "2026-03-01t12:00:10z",
        "2026-03-01 17:00:10+05:00",
        "2026-03-01 17:00:10 +0500",
        "2026-03-01 17:00:10 UTC+05:00",
        "2026-03-01 17:00:10 GMT+5",
        "2026-03-01T07:00:10-05",
        "2026-03-01 07:00:10 \u221205:00",
        "2026-03-01 12:00:10 UTC",
        "2026/03/01 12:00:10.000 GMT",
        "2026/3/1 17:00:10+05:00",
        "2026.03.01 12:00:10Z",
        "01.03.2026 17:00:10+05:00",
        "1.3.2026 12:00:10Z",
        "2026-03-01T12:00:10,000000000Z",
        "20260301T120010Z",
        "20260301-120010Z",
        "  2026-03-01T12:00:10Z ",
        "Sun, 01 Mar 2026 17:00:10 +0500",
        "1 Mar 2026 12:00:10 GMT",
        "1772366410",
        "1772366410.0",
        "1.77236641e9",
        "1772366410000",
        "1772366410000000",
        "1772366410000000000",
        1772366410,
        1772366410.0,
        1772366410000,
        1772366410000000,
        1772366410000000000,
    ],
)
def test_a_moment_with_its_zone_is_the_same_on_every_machine(written_as, machine_zone):
    for name in ("America/New_York", "Asia/Karachi"):
        machine_zone(name)
        moment = read_moment(written_as)
        assert moment.zoned
        assert moment.at_s == AT


@pytest.mark.parametrize(
    "written_as",
    [
        "2026-03-01T17:00:10",
        "2026-03-01 17:00:10.000",
        "2026/03/01 17:00:10.000",
        "2026/03/01 17:00:10",
        "20260301-170010",
        "20260301170010",
        "20260301T170010",
        "Sun, 01 Mar 2026 17:00:10",
        "Sun, 01 Mar 2026 17:00:10 -0000",
    ],
)
def test_a_moment_without_a_zone_is_in_that_which_is_stated_or_the_machines(
    written_as, machine_zone
):
    machine_zone("America/New_York")
    stated = read_moment(written_as, KARACHI)
    assert (stated.at_s, stated.zoned) == (AT, False)
    assert read_moment(written_as).at_s == AT + 10 * 3600
    machine_zone("Asia/Karachi")
    assert read_moment(written_as).at_s == AT


@pytest.mark.parametrize(
    ("written_as", "fraction"),
    [
        ("2026-03-01 12:00:10.123Z", 0.123),
        ("2026-03-01 12:00:10,5Z", 0.5),
        ("2026-03-01 12:00:10.1234567891Z", 0.123456),
        ("1772366410123", 0.123),
        (1772366410123456, 0.123456),
    ],
)
def test_parts_of_a_second_are_kept(written_as, fraction):
    assert read_moment(written_as).at_s == pytest.approx(AT + fraction, abs=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        *("", "never", "12:00:10", "2026-03-01", "20260301", "03/01/2026 12:00:10", "2026-13-01"),
        *("2026-02-30 12:00:00", "2026-03-01 24:00:00", "2026-03-01 12:00:60", "2026-03-01 12"),
        *("2026/03/01 12:00:10 PM", "2026-03-01 12:00:10 PKT", "2026-03-01 12:00:10 +25:00"),
        *("Sun, 01 Mar 2026 12:00:10 IST", "2026-03-01T12:00:10[Asia/Karachi]", "2026-03/01 12:00"),
        *(
            "45000.5",
            "12.5",
            "0",
            "-1772366410",
            "5e9",
            "5e12",
            "1e30",
            "nan",
            "inf",
            "1_772_366_410",
        ),
        *(0, 12.5, -1772366410, 5e9, 10**400, float("nan"), float("inf"), True, None, "١٧٧٢٣٦٦٤١٠"),
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_is_no_moment_is_refused(value):
    with pytest.raises(MomentRefusedError, match=r"^Expected a moment .*got "):
        read_moment(value)


@pytest.mark.parametrize(
    "stated", ["", "IST", "Karachi", "Asia/Atlantis", "../etc/passwd", "Asia/", "+15:00", "5", "/"]
)
def test_what_is_no_zone_is_refused(stated):
    with pytest.raises(MomentRefusedError, match=r"Expected a zone as \+05:00"):
        read_zone(stated)


@settings(deadline=None)
@given(
    st.datetimes(datetime(2001, 9, 10), datetime(2099, 11, 30), timezones=OFFSETS),
    st.sampled_from(["T", " "]),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_any_moment_comes_back_from_all_its_forms(at, mark, precision):
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    if precision == "seconds":
        at = at.replace(microsecond=0)
    texts = [at.isoformat(mark, precision), str(round(at.timestamp() * 1e3))]
    naive = at.replace(tzinfo=None).strftime("%Y/%m/%d %H:%M:%S.%f")
    zone = read_zone(at.strftime("%z"))
    found = [read_moment(text).at_s for text in texts] + [read_moment(naive, zone).at_s]
    assert found == pytest.approx([at.timestamp()] * 3, abs=1e-5)
    assert read_moment(written(at.timestamp())).at_s == pytest.approx(at.timestamp(), abs=1e-3)


@settings(deadline=None)
@given(st.text() | st.floats() | st.integers())
def test_nothing_ends_otherwise_than_in_a_moment_or_a_refusal(value):
    with contextlib.suppress(MomentRefusedError):
        assert written(read_moment(value).at_s)


@pytest.mark.parametrize("value", ["2026-03-01 12:00:10", "20260301-120010", None, {}, [1]])
def test_a_moment_of_another_machine_needs_its_zone(value):
    with pytest.raises(MomentRefusedError, match="Expected a moment"):
        read_zoned_moment(value)
    assert read_zoned_moment("2026-03-01T12:00:10Z") == read_zoned_moment(1772366410) == AT


@pytest.mark.parametrize("at_s", [-1.0, 1e18, float("inf")])
def test_what_lies_outside_the_calendar_is_written_as_a_number(at_s):
    assert written(at_s) == f"{at_s:g} s after 1970"


def test_of_an_hour_that_the_clock_showed_twice_the_first_is_taken_and_said():
    reader = MomentReader(NEW_YORK)
    first = reader.read("2026-11-01 01:30:00")
    assert first == datetime(2026, 11, 1, 5, 30, tzinfo=UTC).timestamp()
    assert any("alike" in sentence for sentence in reader.assumed("log"))


def test_where_time_would_run_back_it_is_the_second_of_the_two_hours():
    reader = MomentReader(NEW_YORK)
    clocks = ("00:59:00", "01:00:00", "01:30:00", "01:59:00", "01:00:00", "01:30:00", "02:00:00")
    found = [reader.read(f"2026-11-01 {clock}") for clock in clocks]
    assert [(at - found[0]) / 60 for at in found] == [0, 1, 31, 60, 61, 91, 121]


@pytest.mark.parametrize("stated", ["America/New_York", None])
def test_a_moment_that_the_clock_never_showed_is_refused(stated, machine_zone):
    machine_zone("America/New_York")
    with pytest.raises(MomentRefusedError, match="left out: it is of another zone"):
        read_moment("2026-03-08 02:30:00", read_zone(stated))


def test_what_was_assumed_is_said_once_with_its_zone(machine_zone):
    machine_zone("Asia/Karachi")
    reader = MomentReader()
    assert reader.assumed("power.csv") == []
    for _ in range(3):
        reader.read("2026-03-01 17:00:10")
    assert reader.assumed("power.csv") == [
        "power.csv: moments without a zone are taken in the zone of this machine (UTC+05:00); if "
        "that is wrong, state it with --zone"
    ]
    zoned = MomentReader(KARACHI)
    zoned.read("2026-03-01 17:00:10+05:00")
    assert zoned.assumed("power.csv") == []
    zoned.read("2026-03-01 17:00:10")
    assert zoned.assumed("power.csv") == [
        "power.csv: moments without a zone are taken in Asia/Karachi (UTC+05:00)"
    ]


@pytest.mark.parametrize(
    ("written_as", "last_digit_s"),
    [
        *(("2026-03-01T12:00:10Z", 1.0), ("2026/03/01 12:00:10.123", 1e-3)),
        *(("20260301-120010", 1.0), ("2026-03-01 17:00:10,5 +0500", 0.1)),
        *(("2026-03-01 12:00 +05:00", 60.0), ("01.03.2026 9:05", 60.0), ("202603011200", 60.0)),
        *(("Sun, 01 Mar 2026 12:00:10 GMT", 1.0), ("Sun, 01 Mar 2026 12:00 GMT", 60.0)),
        *(("1772366410", 1.0), ("1772366410.25", 0.01), (1772366410.0, 1.0)),
        *(("1772366410123", 1e-3), (1772366410123, 1e-3), (1772366410123456, 1e-6)),
    ],
)
def test_a_moment_is_known_to_its_last_digit(written_as, last_digit_s):
    assert read_moment(written_as, KARACHI).resolution_s == pytest.approx(last_digit_s)


def test_the_finest_moment_says_the_resolution_of_a_source():
    reader = MomentReader(KARACHI)
    assert reader.resolution_s == float("inf")
    for text in ("2026/03/01 12:00:10", "2026/03/01 12:00:11.204", "2026/03/01 12:00:12"):
        reader.read(text)
    assert reader.resolution_s == pytest.approx(1e-3)

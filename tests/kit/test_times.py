"""Times as servers write them: every form has a reading, and no form raises or holds a run for longer than an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deskhand.kit.times import LONGEST_WAIT, bounded_number, read_epoch, read_instant, retry_after_seconds

NOW = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1", 1.0),
        (" 007 ", 7.0),
        ("0.5", 0.5),
        ("+3", 3.0),
        ("-5", 0.0),
        ("5, 7", 7.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wednesday, 21-Oct-26 07:28:30 GMT", 30.0),
        ("Wed Oct 21 07:28:30 2026", 30.0),
        ("Wed, 21 Oct 2026 07:28:30 -0000", 30.0),
        ("Wed, 21 Oct 2026 09:28:30 +0200", 30.0),
        ("2026-10-21T07:28:30", 30.0),
        ("2026-10-21T07:28:30Z", 30.0),
        ("2026-10-21 09:28:30+02:00", 30.0),
        (str(int(NOW.timestamp()) + 30), 30.0),
        (str((int(NOW.timestamp()) + 30) * 1000), 30.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        ("31536000", LONGEST_WAIT),
        ("99999999999999", LONGEST_WAIT),
        ("9" * 300, LONGEST_WAIT),
        ("Thu, 31 Dec 2099 23:59:59 GMT", LONGEST_WAIT),
    ],
)
def test_retry_after_is_read(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, now=NOW) == seconds


@pytest.mark.parametrize(
    "header",
    [None, "", "soon", "²", "٣", "inf", "nan", "1e9", "1,x", "0x10", ",", "Wed, 99 Foo 2026", "9" * 5000, "-", "\x00"],
)
def test_what_says_nothing_is_none(header: str | None) -> None:
    assert retry_after_seconds(header, now=NOW) is None


@pytest.mark.parametrize("header", ["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 +1400", "0001-01-01"])
def test_the_ends_of_the_calendar_are_bounded(header: str) -> None:
    assert retry_after_seconds(header, now=NOW) in {None, 0.0, LONGEST_WAIT}


def test_instants_are_utc_or_nothing() -> None:
    assert read_instant("2026-10-21T09:28:00+02:00") == NOW
    assert read_instant("2026-10-21T07:28:00") == NOW
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "9999-12-31", "soon", "", "2026-99-01"):
        assert read_instant(text) is None


def test_epochs_are_utc_or_nothing() -> None:
    assert read_epoch(NOW.timestamp()) == NOW
    assert read_epoch(str(int(NOW.timestamp() * 1000)), per_second=1000) == NOW
    assert read_epoch(-1, per_second=1000) == datetime.fromtimestamp(0, UTC) - timedelta(milliseconds=1)
    for value in (float("inf"), float("nan"), 10**400, 10**18, -(10**18), "²", "x", True, None, [], "9" * 5000):
        assert read_epoch(value, per_second=1000) is None


def test_numbers_from_outside_stay_in_their_bounds() -> None:
    sent = (None, "7", -3, 10**400, float("nan"), [], 3)
    assert [bounded_number(value, default=5, low=1, high=10) for value in sent] == [5, 7, 1, 5, 5, 5, 3]

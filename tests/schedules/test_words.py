"""The words of a schedule fit its times, and zones are IANA's wherever this runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from deskhand.kit.cron import check_timezone, describe, occurrences, zone_names

NOW = datetime(2026, 5, 4, tzinfo=UTC)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@pytest.mark.parametrize("days", ["*", "1-31", "*/1", "1-15,16-31", "1/1", "15", "*,5", "1-31,31"])
@pytest.mark.parametrize("weekdays", ["*", "1", "0-6", "1-7", "*/1", "5", "1-3,4-7", "SUN-SAT"])
def test_words_never_contradict_times(days: str, weekdays: str) -> None:
    expression = f"0 9 {days} * {weekdays}"
    words = describe(expression)
    times = list(islice(occurrences(expression, "UTC", after=NOW), 40))
    seen = {DAYS[time.weekday()] for time in times}
    if times[-1] - times[0] == timedelta(days=39):
        assert not any(day in words for day in DAYS), words
    if len(seen) == 1:
        assert seen.pop() in words


@pytest.mark.parametrize(
    "name",
    [
        *("localtime", "posixrules", "posix/Europe/Berlin", "right/Europe/Berlin"),
        *("../UTC", "", "/etc/localtime", "europe/berlin", "GMT+25"),
    ],
)
def test_a_name_that_is_not_of_iana_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an IANA time zone"):
        check_timezone(name)


def test_every_zone_of_iana_can_be_read() -> None:
    assert all(check_timezone(name) for name in zone_names())

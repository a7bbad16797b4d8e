"""Working time: what a line of hours means, and when a wait is over that counts nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kit.cron import zone
from deskhand.kit.working_time import (
    DAYS,
    LONGEST,
    MONDAY_TO_FRIDAY,
    Holidays,
    WorkingTime,
    read_holidays,
    read_hours,
)

BERLIN = zone("Europe/Berlin")
OFFICE = read_hours(["mon-fri 09:00-17:00"])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(("line", "hours"), [
    ("mon 08:00-12:00 13:00-17:00", {"mon": [(480, 720), (780, 1020)]}),
    ("Mon,WED 08:00-09:00", {"mon": [(480, 540)], "wed": [(480, 540)]}),
    ("sat-mon 10:00-11:00", {"sat": [(600, 660)], "sun": [(600, 660)], "mon": [(600, 660)]}),
    ("fri 22:00-06:00", {"fri": [(1320, 1800)]}),
    ("sun 00:00-24:00", {"sun": [(0, 1440)]}),
    ("sun 00:00-00:00", {"sun": [(0, 1440)]}),
    ("mon,mon-tue 08:00-09:00", {"mon": [(480, 540)], "tue": [(480, 540)]}),
])  # fmt: skip
def test_a_line_says_days_and_times(line: str, hours: dict[str, list[tuple[int, int]]]) -> None:
    week = read_hours([line])
    assert {day: list(spans) for day, spans in zip(DAYS, week, strict=True) if spans} == hours


@pytest.mark.parametrize("line", [
    "", "mon", "mo-fr 08:00-17:00", "mon-fri 8:00-17:00", "mon-fri 08:00-25:00", "mon-fri 24:00-08:00",
    "mon-fri 08:00 - 17:00", "08:00-17:00", "mon-fri08:00-17:00", "mon-fri 08:00-17:00\n", "mon- 08:00-17:00",
])  # fmt: skip
def test_another_line_is_refused_with_one_that_is_right(line: str) -> None:
    with pytest.raises(ValueError, match="mon-fri 08:00-12:00 13:00-17:00"):
        read_hours([line])


def test_holidays_are_of_one_year_or_of_every_year() -> None:
    holidays = read_holidays(["2026-04-03 Good Friday", "12-25", "02-29"])
    assert holidays == Holidays(frozenset({date(2026, 4, 3)}), frozenset({(12, 25), (2, 29)}))
    assert date(2031, 12, 25) in holidays
    assert date(2027, 4, 3) not in holidays


@pytest.mark.parametrize("line", ["", "2026-02-30", "13-01", "25.12.", "2026-4-3", "02-30", "0000-01-01", "12-25\n"])
def test_a_day_that_no_year_has_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="2026-04-03 Good Friday"):
        read_holidays([line])


@pytest.mark.parametrize(("asked", "hours", "until"), [
    ("2026-05-04T09:00", 4, "2026-05-04T13:00"),
    ("2026-05-04T15:00", 4, "2026-05-05T11:00"),  # over the night
    ("2026-05-04T07:00", 8, "2026-05-04T17:00"),  # a day to its last minute
    ("2026-05-08T16:59", 1, "2026-05-11T09:59"),  # over the weekend
    ("2026-05-09T12:00", 80, "2026-05-22T17:00"),  # two weeks from a Saturday
])  # fmt: skip
def test_a_wait_counts_working_time_alone(asked: str, hours: int, until: str) -> None:
    office = WorkingTime(BERLIN, OFFICE)
    assert office.after(moment(asked), timedelta(hours=hours)) == moment(until)


def test_asked_on_friday_evening_it_is_over_on_tuesday_after_a_holiday_across_a_clock_change() -> None:
    # The clocks of Berlin go forward in the night to Sunday, 29 March 2026; the Monday is a holiday here.
    office = WorkingTime(BERLIN, OFFICE, read_holidays(["2026-03-30 Founders' day"]))
    friday = datetime(2026, 3, 27, 17, 30, tzinfo=UTC)  # 18:30 in Berlin, an hour and a half after the office closed
    assert office.after(friday, timedelta(hours=8)) == datetime(2026, 3, 31, 15, tzinfo=UTC)  # 17:00 in Berlin
    # And back again: an hour that comes twice is two hours of elapsed time, and no office is open in it.
    autumn = datetime(2026, 10, 23, 16, tzinfo=UTC)
    assert office.after(autumn, timedelta(hours=8)) == datetime(2026, 10, 26, 16, tzinfo=UTC)


@pytest.mark.parametrize(("night", "counted"), [("2026-03-28", 7), ("2026-10-24", 9), ("2026-05-09", 8)])
def test_a_night_shift_is_as_long_as_it_really_was(night: str, counted: int) -> None:
    shift = WorkingTime(BERLIN, read_hours(["sat 22:00-06:00"]))
    begins = moment(f"{night}T22:00")
    ends = shift.after(begins, timedelta(hours=counted))
    assert ends.astimezone(BERLIN).hour == 6
    assert ends - begins == timedelta(hours=counted)
    assert shift.is_open(ends - timedelta(seconds=1))
    assert not shift.is_open(ends)


def test_what_overlaps_counts_once() -> None:
    both = WorkingTime(UTC, read_hours(["mon 08:00-12:00", "mon 10:00-11:00", "mon 11:30-13:00", "sun 23:00-09:00"]))
    monday = datetime(2026, 5, 4, 8, tzinfo=UTC)
    assert both.after(monday, timedelta(hours=5)) == monday + timedelta(hours=5)


def test_no_wait_is_longer_than_a_year() -> None:
    hardly = WorkingTime(UTC, read_hours(["mon 08:00-08:01"]))
    start = datetime(2026, 5, 4, 9, tzinfo=UTC)
    assert hardly.after(start, timedelta(hours=720)) == start + LONGEST
    never = WorkingTime(UTC, read_hours([]))
    assert never.days_after(start, 2) == start + LONGEST
    assert never.after(start, timedelta(minutes=1)) == start + LONGEST


@pytest.mark.parametrize(("asked", "until"), [
    ("2026-05-04T09:00", "2026-05-06T09:00"),  # Monday to Wednesday
    ("2026-05-08T18:30", "2026-05-12T18:30"),  # Friday to Tuesday
    ("2026-03-27T18:30", "2026-04-01T18:30"),  # with the holiday and the clock change between: Wednesday
    ("2026-05-10T23:59", "2026-05-12T23:59"),  # Sunday to Tuesday
])  # fmt: skip
def test_working_days_end_at_the_same_time_by_the_wall(asked: str, until: str) -> None:
    office = WorkingTime(BERLIN, OFFICE, read_holidays(["2026-03-30"]))
    assert office.days_after(moment(asked), 2) == moment(until)


@pytest.mark.parametrize(("asked", "until"), [
    ("2026-05-07T15:00:00+00:00", "2026-05-11T15:00:00+00:00"),  # Thursday, over the weekend, to Monday
    ("2026-05-08T15:00:00+00:00", "2026-05-12T15:00:00+00:00"),  # Friday to Tuesday
    ("2026-05-09T15:00:00+00:00", "2026-05-12T15:00:00+00:00"),  # Saturday to Tuesday
    ("2026-05-11T08:59:00+09:00", "2026-05-12T23:59:00+00:00"),  # Sunday in UTC, though Monday elsewhere
])  # fmt: skip
def test_two_days_of_them_do_not_count_the_weekend(asked: str, until: str) -> None:
    assert MONDAY_TO_FRIDAY.days_after(datetime.fromisoformat(asked), 2) == datetime.fromisoformat(until)


def test_unless_somebody_says_more_it_is_monday_to_friday() -> None:
    assert MONDAY_TO_FRIDAY.is_open(datetime(2026, 5, 8, 23, 59, 59, tzinfo=UTC))
    assert not MONDAY_TO_FRIDAY.is_open(datetime(2026, 5, 9, tzinfo=UTC))
    assert not MONDAY_TO_FRIDAY.is_open(datetime(2026, 5, 10, 23, 59, tzinfo=UTC))
    assert MONDAY_TO_FRIDAY.is_open(datetime(2026, 5, 11, tzinfo=UTC))


SPANS = st.sampled_from(["04:00-09:30", "08:00-12:00", "13:00-17:00", "09:00-09:45", "16:00-24:00", "20:00-05:00"])
LINES = st.builds(
    lambda days, spans: f"{','.join(days)} {' '.join(spans)}",
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=4, unique=True),
    st.lists(SPANS, min_size=1, max_size=3),
)
BEFORE_THE_CLOCKS_CHANGE = datetime(2026, 3, 20, tzinfo=UTC)
STARTS = st.integers(0, 15 * 24 * 60).map(lambda minutes: BEFORE_THE_CLOCKS_CHANGE + timedelta(minutes=minutes))


@given(
    lines=st.lists(LINES, min_size=1, max_size=3),
    holidays=st.frozensets(st.dates(date(2026, 3, 20), date(2026, 4, 10)), max_size=5),
    start=STARTS,
    minutes=st.integers(1, 600),
)
def test_a_wait_is_over_when_so_many_open_minutes_have_gone_by(
    lines: list[str], holidays: frozenset[date], start: datetime, minutes: int
) -> None:
    """Held against a clock that is looked at every minute."""
    work = WorkingTime(BERLIN, read_hours(lines), Holidays(holidays))

    def open_by_the_wall(at: datetime) -> bool:
        here = at.astimezone(BERLIN)
        clock = here.hour * 60 + here.minute
        yesterday = here.date() - timedelta(days=1)
        today_open = here.date() not in holidays and any(a <= clock < b for a, b in work.week[here.weekday()])
        late = any(a <= clock + 1440 < b for a, b in work.week[yesterday.weekday()])
        return today_open or (late and yesterday not in holidays)

    at, left = start, minutes
    while left:
        is_open = open_by_the_wall(at)
        assert work.is_open(at) is is_open
        left -= is_open
        at += timedelta(minutes=1)
    assert work.after(start, timedelta(minutes=minutes)) == at

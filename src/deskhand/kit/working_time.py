"""Working time: hours of a week in a zone, less the holidays, and waits that count nothing else. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_A_DAY = 24 * 60
LONGEST = timedelta(days=366)
"""No wait ends later, however few hours a week has."""

_DAY = "[Mm][Oo][Nn]|[Tt][Uu][Ee]|[Ww][Ee][Dd]|[Tt][Hh][Uu]|[Ff][Rr][Ii]|[Ss][Aa][Tt]|[Ss][Uu][Nn]"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_SPAN = f"{_CLOCK}-(?:{_CLOCK}|24:00)"
_SOME = f"(?:{_DAY})(?:-(?:{_DAY}))?"
HOURS_PATTERN = f"^{_SOME}(?:,{_SOME}){{0,6}}(?: {_SPAN}){{1,6}}$"
"""Days and times, such as ``mon-fri 08:00-12:00 13:00-17:00``; an end before its beginning is on the next day."""
HOLIDAY_PATTERN = r"^(?:[0-9]{4}-)?(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?: [^\x00-\x1f]{1,80})?$"
"""A date, of one year or of every year, and what it is called: ``2026-04-03 Good Friday``, ``12-25``."""


@dataclass(frozen=True, slots=True)
class Holidays:
    """Days without working time.

    Attributes:
        dates: Of one year.
        yearly: Month and day, of every year.
    """

    dates: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()

    def __contains__(self, day: date) -> bool:
        return day in self.dates or (day.month, day.day) in self.yearly


@dataclass(frozen=True, slots=True)
class WorkingTime:
    """When somebody works.

    Attributes:
        zone: Whose clock the hours are read by.
        week: From Monday, each day's spans in minutes from its midnight; one into the next day ends after 1,440.
    """

    zone: tzinfo
    week: tuple[tuple[tuple[int, int], ...], ...]
    holidays: Holidays = Holidays()

    def is_open(self, at: datetime) -> bool:
        """Whether anybody works at a time (an aware one)."""
        today = at.astimezone(self.zone).date()
        # A shift of the evening before may last until the morning.
        return any(begins <= at < ends for begins, ends in self._spans(today - timedelta(days=1), today))

    def after(self, start: datetime, amount: timedelta) -> datetime:
        """When so much working time has gone by, in UTC.

        Args:
            start: An aware time, in working time or not.
            amount: Elapsed time, by no wall's clock: an hour that the clocks skip is none.
        """
        start = start.astimezone(UTC)
        first, latest = start.astimezone(self.zone).date() - timedelta(days=1), start + LONGEST
        last = first + LONGEST
        for begins, ends in self._spans(first, last):
            # What overlaps a span that was counted already counts once.
            over = max(begins, start) + amount
            if over <= ends:
                return min(over, latest)
            if ends > start:
                amount = over - ends
                start = ends
        return latest

    def days_after(self, start: datetime, days: int) -> datetime:
        """The same time of day so many working days later, in UTC.

        Args:
            start: An aware time.
            days: At least 1.
        """
        here = start.astimezone(self.zone)
        day = here.date()
        for _ in range(LONGEST.days):
            day += timedelta(days=1)
            days -= self._works_on(day)
            if days == 0:
                break
        return self._at(day, here.hour * 60 + here.minute) + timedelta(
            seconds=here.second, microseconds=here.microsecond
        )

    def _works_on(self, day: date) -> bool:
        return bool(self.week[day.weekday()]) and day not in self.holidays

    def _spans(self, first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
        """The spans of these days, in the order in which they begin; two of them may overlap."""
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            for begins, ends in self.week[day.weekday()] if self._works_on(day) else ():
                yield self._at(day, begins), self._at(day, ends)

    def _at(self, day: date, minutes: int) -> datetime:
        """A wall's clock in UTC; of a time that comes twice the first, of one that is skipped the time it would be."""
        later, minutes = divmod(minutes, _A_DAY)
        wall = time(minutes // 60, minutes % 60)
        return datetime.combine(day + timedelta(days=later), wall, self.zone).astimezone(UTC)


def read_hours(lines: list[str]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """A week's hours from lines that fit ``HOURS_PATTERN``.

    Raises:
        ValueError: A line does not.
    """
    week: list[list[tuple[int, int]]] = [[] for _ in DAYS]
    for line in lines:
        if not re.fullmatch(HOURS_PATTERN, line):
            raise ValueError(f"'{line}' is no line of days and times such as 'mon-fri 08:00-12:00 13:00-17:00'")
        days, *spans = line.lower().split(" ")
        for day in {day for part in days.split(",") for day in _days(part)}:
            week[day] += [_span(span) for span in spans]
    return tuple(tuple(sorted(day)) for day in week)


def read_holidays(lines: list[str]) -> Holidays:
    """Holidays from lines that fit ``HOLIDAY_PATTERN``.

    Raises:
        ValueError: A line does not, or names a day that no year has.
    """
    dates, yearly = set(), set()
    for line in lines:
        text, is_yearly = line.partition(" ")[0], line[4:5] != "-"
        try:
            if not re.fullmatch(HOLIDAY_PATTERN, line):
                raise ValueError(line)
            # A leap year's, so that the 29th of February is a day of every year that has it.
            day = date.fromisoformat(f"2000-{text}" if is_yearly else text)
        except ValueError as error:
            raise ValueError(
                f"'{line}' is no day such as '2026-04-03 Good Friday', or '12-25' of every year"
            ) from error
        if is_yearly:
            yearly.add((day.month, day.day))
        else:
            dates.add(day)
    return Holidays(frozenset(dates), frozenset(yearly))


def _days(part: str) -> Iterator[int]:
    first, _, last = part.partition("-")
    begins = DAYS.index(first)
    for step in range((DAYS.index(last or first) - begins) % 7 + 1):
        yield (begins + step) % 7


def _span(span: str) -> tuple[int, int]:
    begins, ends = (int(clock[:2]) * 60 + int(clock[3:]) for clock in span.split("-"))
    return begins, ends if ends > begins else ends + _A_DAY


MONDAY_TO_FRIDAY = WorkingTime(UTC, read_hours(["mon-fri 00:00-24:00"]))
"""What counts where nobody has said when anybody works."""

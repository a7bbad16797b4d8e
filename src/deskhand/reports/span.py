"""Which days a question is about, and the instants at which they begin. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from deskhand.kit.cron import zone
from deskhand.reports.schemas import DEFAULT_DAYS, MAX_DAYS, SpanQuery, SpanView


@dataclass(frozen=True, slots=True)
class Span:
    """A range of days by the clock of a zone; both ends are in it."""

    since: date
    until: date
    zone: str

    @property
    def days(self) -> list[date]:
        """Each day, in order."""
        return [self.since + timedelta(days=number) for number in range((self.until - self.since).days + 1)]

    @property
    def bounds(self) -> list[datetime]:
        """When each day begins, and when the last one ends. A day that a zone left out begins where it ends."""
        clock = zone(self.zone)
        days = [*self.days, self.until + timedelta(days=1)]
        return [datetime.combine(day, time(), clock).astimezone(UTC) for day in days]

    @property
    def view(self) -> SpanView:
        """The range as an answer says it."""
        return SpanView(since=self.since, until=self.until, zone=self.zone)


def span_of(query: SpanQuery, now: datetime) -> Span:
    """The days that a question means, where it left some of them out.

    Args:
        query: The question.
        now: For today, by the clock of the question's zone.
    """
    today = now.astimezone(zone(query.zone)).date()
    if query.since is None:
        until = query.until or today
        return Span(until - timedelta(days=DEFAULT_DAYS - 1), until, query.zone)
    longest = query.since + timedelta(days=MAX_DAYS - 1)
    return Span(query.since, query.until or max(query.since, min(today, longest)), query.zone)


def month_of(month: str | None, zone_name: str, now: datetime) -> Span:
    """The days of a month.

    Args:
        month: Such as 2026-05; None: the last whole one.
        zone_name: By whose clock days begin.
        now: For today.
    """
    if month is None:
        first = now.astimezone(zone(zone_name)).date().replace(day=1)
        first = (first - timedelta(days=1)).replace(day=1)
    else:
        year, _, number = month.partition("-")
        first = date(int(year), int(number), 1)
    return Span(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1), zone_name)

"""Cron expressions: five fields, read in an IANA time zone. Pure; the caller brings the time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

FIELDS = ("minute", "hour", "day of month", "month", "day of week")


def check_timezone(name: str) -> str:
    """Return the name if it is an IANA time zone.

    Raises:
        ValueError: It is not.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"'{name}' is not an IANA time zone such as 'Europe/Berlin' or 'UTC'") from error
    return name


def check_cron(expression: str, timezone: str = "UTC") -> str:
    """Return the expression if it is valid and will ever fire.

    Args:
        expression: Five fields: minute, hour, day of month, month, day of week.
        timezone: IANA name of the zone it is read in.

    Raises:
        ValueError: It cannot be read, or names an instant that never comes.
    """
    if len(expression.split()) != len(FIELDS):
        raise ValueError(f"'{expression}' is not a cron expression: it needs five fields ({', '.join(FIELDS)})")
    next_fire(expression, timezone, after=datetime.now(UTC))
    return expression


def next_fire(expression: str, timezone: str, *, after: datetime) -> datetime:
    """The first instant after a given one, in UTC.

    Args:
        expression: A cron expression.
        timezone: IANA name of the zone it is read in.
        after: An aware time.

    Raises:
        ValueError: The expression or the zone cannot be read, or it never fires.
    """
    instant = next(occurrences(expression, timezone, after=after), None)
    if instant is None:
        raise ValueError(f"'{expression}' never comes")
    return instant


def occurrences(expression: str, timezone: str, *, after: datetime) -> Iterator[datetime]:
    """All instants after a given one, in UTC, each later than the one before.

    Local times that a change of the clock skips or repeats are treated as by Debian's cron (``cronsim``): a fixed
    time that is skipped comes at the end of the gap, a repeated one comes once; an expression whose minute or hour
    starts with ``*`` follows real time.

    Args:
        expression: A cron expression.
        timezone: IANA name of the zone it is read in.
        after: An aware time.

    Raises:
        ValueError: The expression or the zone cannot be read.
    """
    try:
        found = CronSim(expression, after.astimezone(ZoneInfo(check_timezone(timezone))))
    except CronSimError as error:
        raise ValueError(f"'{expression}' is not a valid cron expression: {str(error).lower()}") from error
    last = after
    for instant in found:
        # Asked from within a repeated hour, cronsim answers a time of its first pass, which is over.
        if instant.astimezone(UTC) > last:
            last = instant.astimezone(UTC)
            yield last


def describe(expression: str) -> str:
    """The expression in words, such as "At 09:00 on Monday through Friday"."""
    return CronSim(expression, datetime.now(UTC)).explain()

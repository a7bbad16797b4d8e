"""Cron expressions: five fields, read in an IANA time zone. Pure; the caller brings the time."""

from __future__ import annotations

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

    Local times that a change of the clock skips or repeats are treated as by Debian's cron (``cronsim``).

    Args:
        expression: A five-field cron expression.
        timezone: IANA name of the zone it is read in.
        after: An aware time.

    Raises:
        ValueError: The expression cannot be read, or never fires.
    """
    try:
        instant = next(CronSim(expression, after.astimezone(ZoneInfo(timezone))))
    except CronSimError as error:
        raise ValueError(f"'{expression}' is not a valid cron expression: {str(error).lower()}") from error
    except StopIteration as error:
        raise ValueError(f"'{expression}' never comes") from error
    return instant.astimezone(UTC)

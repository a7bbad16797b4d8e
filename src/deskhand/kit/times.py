"""Times and numbers as outsiders write them, read without ever raising: a value nobody can mean is None or a bound."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import isfinite

LONGEST_WAIT = 3600.0
"""Seconds that a server can make us wait at most: vendors' windows end within an hour, and asking again is cheap."""

_NUMBER = re.compile(r"([+-]?)0*([0-9]{1,400})(?:\.[0-9]{0,100})?", re.ASCII)
_EPOCH_SECONDS = 1_000_000_000  # 2001: a wait of thirty years is an instant, written as seconds since 1970
_EPOCH_MILLISECONDS = 100_000_000_000
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""What lies outside is a placeholder ("0001-01-01", "9999-12-31"); arithmetic with it leaves the type's range."""


def retry_after_seconds(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read a ``Retry-After`` header (RFC 9110, section 10.2.3) in each form of the standard and the odd ones in use.

    Args:
        value: The header: seconds, one of the three HTTP dates, an ISO date, or an instant in seconds since 1970.
        now: Current time for the dates.

    Returns:
        Seconds to wait, from 0 to ``LONGEST_WAIT``, or None if there is no readable value.
    """
    text = (value or "").strip()
    numbers = [_seconds(part.strip(), now) for part in text.split(",")]
    readable = [number for number in numbers if number is not None]
    if readable and len(readable) == len(numbers):  # a header sent twice arrives as a list
        return max(readable)
    instant = read_http_date(text) or read_instant(text)
    return None if instant is None else _bounded((instant - (now or datetime.now(UTC))).total_seconds())


def _seconds(text: str, now: datetime | None) -> float | None:
    number = _NUMBER.fullmatch(text)
    if number is None:
        return None
    if number.group(1) == "-":
        return 0.0
    # More digits than a float tells apart; whatever is meant, it is beyond the longest wait.
    if len(number.group(2)) > 15:
        return LONGEST_WAIT
    seconds = float(text)
    if seconds < _EPOCH_SECONDS:
        return _bounded(seconds)
    # Some gateways send milliseconds; as seconds they would lie thousands of years ahead.
    instant = seconds / 1000 if seconds >= _EPOCH_MILLISECONDS else seconds
    return _bounded(instant - (now or datetime.now(UTC)).timestamp())


def _bounded(seconds: float) -> float:
    return min(LONGEST_WAIT, max(0.0, seconds))


def read_http_date(text: str) -> datetime | None:
    """One of the three dates of RFC 9110, section 5.6.7; without a zone it is UTC, as the standard has it."""
    try:
        return in_utc(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def read_instant(text: str) -> datetime | None:
    """An ISO 8601 time; without a zone it is UTC. None for what is no time that a ticket can have."""
    try:
        return in_utc(datetime.fromisoformat(text.strip()))
    except ValueError:
        return None


def read_epoch(value: object, *, per_second: int = 1) -> datetime | None:
    """A number of seconds since 1970, or of parts of a second; as a number or as its digits.

    Args:
        value: What was sent.
        per_second: 1000 for milliseconds.
    """
    number = read_number(value)
    if number is None:
        return None
    try:
        return in_utc(datetime.fromtimestamp(0, UTC) + timedelta(seconds=number / per_second))
    except (OverflowError, ValueError):
        return None


def in_utc(moment: datetime) -> datetime | None:
    """The instant in UTC, or None where it is a placeholder at an end of the calendar."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        there = aware.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return there if _EARLIEST <= there < _LATEST else None


def read_number(value: object) -> float | None:
    """A finite number, given as one or in plain digits."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) is None:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def bounded_number(value: object, *, default: float, low: float, high: float) -> float:
    """A number within bounds; ``default`` where there is none."""
    number = read_number(value)
    return default if number is None else min(high, max(low, number))

"""Cron expressions: five fields, read in an IANA time zone. Pure; the caller brings the time."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_TZDATA = resources.files("tzdata")


def _any_case(names: str) -> str:
    return "|".join("".join(f"[{letter}{letter.lower()}]" for letter in name) for name in names.split())


def _field(name: str) -> str:
    number = _NUMBERS[name]
    term = f"(?:\\*|(?:{number})(?:-(?:{number}))?)(?:/0?[1-9][0-9]{{0,2}})?{_BESIDES.get(name, '').format(n=number)}"
    return f"(?:{term})(?:,(?:{term}))*"


_NUMBERS = {
    "minute": "[0-5]?[0-9]",
    "hour": "[01]?[0-9]|2[0-3]",
    "day of month": "0?[1-9]|[12][0-9]|3[01]",
    "month": "0?[1-9]|1[0-2]|" + _any_case("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
    "day of week": "0?[0-7]|" + _any_case("SUN MON TUE WED THU FRI SAT"),
}
# What cronsim reads besides numbers: `L` the last day, `LW` the last weekday of a month, `5#2` its second Friday, `5L`
# its last Friday.
_BESIDES = {"day of month": "|[Ll][Ww]?", "day of week": "|(?:{n})(?:#[1-5])|0?[0-7][Ll]"}
CRON_PATTERN = "^[ \\t]*" + "[ \\t]+".join(map(_field, _NUMBERS)) + "[ \\t\\r\\n]*$"
"""What a cron expression looks like, for the document and for who reads it; ``check_cron`` knows the rest."""
FIELDS = ("minute", "hour", "day of month", "month", "day of week")


def check_timezone(name: str) -> str:
    """Return the name if it is an IANA time zone.

    Raises:
        ValueError: It is not.
    """
    zone(name)
    return name


def zone(name: str) -> ZoneInfo:
    """The IANA time zone of a name, by the data this product brings.

    The machine's own files are not asked: they differ between machines, and name things (``localtime``,
    ``posix/Europe/Berlin``) that are no zones of IANA's.

    Raises:
        ValueError: There is no such zone.
    """
    if name not in zone_names():
        near = difflib.get_close_matches(name, zone_names(), n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else " such as 'Europe/Berlin' or 'UTC'"
        raise ValueError(f"'{name}' is not an IANA time zone{hint}")
    return _load(name)


@cache
def zone_names() -> frozenset[str]:
    """Every zone of the ``tzdata`` package, links of IANA's included."""
    return frozenset((_TZDATA / "zones").read_text(encoding="utf-8").split())


ZONE_PATTERN = f"^(?:{'|'.join(map(re.escape, sorted(zone_names())))})$"
"""For the document: a pattern, because a list of values has every one of 600 zones tried by tools that read it."""


@lru_cache(maxsize=700)
def _load(name: str) -> ZoneInfo:
    with _TZDATA.joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


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
    for name, part in zip(FIELDS, expression.split(), strict=True):
        if not re.fullmatch(_field(name), part):
            raise ValueError(f"'{expression}' is not a valid cron expression: '{part}' is no {name}")
    # cronsim knows what the patterns cannot say: `0 0 30 2 *` has the right form, and never comes.
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
        times = CronSim(expression, after.astimezone(zone(timezone)))
    except CronSimError as error:
        raise ValueError(f"'{expression}' is not a valid cron expression: {str(error).lower()}") from error
    last = after
    for instant in times:
        # Asked from within a repeated hour, cronsim answers a time of its first pass, which is over.
        if instant.astimezone(UTC) > last:
            last = instant.astimezone(UTC)
            yield last


def describe(expression: str) -> str:
    """The expression in words, such as "At 09:00 on Monday through Friday".

    ``cronsim`` words a full range (``1-31``, ``0-6``) as if it were ``*``, but fires by the rule that either of two
    restricted day fields is enough; the words are made from what the fields mean together.
    """
    minute, hour, day, month, weekday = expression.split()
    parsed = CronSim(expression, datetime.now(UTC))
    every_day = set(range(1, 32)) <= set(parsed.days)
    every_weekday = set(range(7)) <= {part % 7 for part in parsed.weekdays if isinstance(part, int)}
    if not parsed.day_and and (every_day or every_weekday):
        day = weekday = "*"
    day = "*" if every_day else day
    weekday = "*" if every_weekday else weekday
    return CronSim(" ".join((minute, hour, day, month, weekday)), datetime.now(UTC)).explain()

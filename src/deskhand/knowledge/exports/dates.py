"""Dates as spreadsheets and desks write them; without a zone they are UTC (pure).

``03/04/2026`` is two dates. Which one it is, the other dates of the same file tell; where none does, it is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from deskhand.kit.times import in_utc, read_epoch, read_instant

DateOrder = Literal["day-first", "month-first"]

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan ene gen janv janvier januar january januari enero gennaio janeiro",
            "feb fev febr fevr fevrier februar february februari febrero febbraio fevereiro",
            "mar mrz mars marz march maerz maart marzo marco mrt",
            "apr abr avr avril april abril aprile",
            "may mai mag maj mei mayo maggio maio",
            "jun jui juin juni june junio giugno giu junho",
            "jul juil juillet juli july julio luglio lug julho",
            "aug ago aou aout august augustus agosto",
            "sep sept set septembre september septiembre settembre setembro",
            "oct okt ott out octobre oktober october octubre ottobre outubro",
            "nov novembre november noviembre novembro",
            "dec dez dic decembre dezember december diciembre dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
_TIME = re.compile(
    r"(?:^|[ ,T])(\d{1,2})[:h](\d{2})(?:[:.](\d{2})(?:[.,]\d{1,9})?)?\s*([ap]\.?m\.?)?(?=$|[ ,+-]|z|utc)"
)
_ZONE = re.compile(r"(?<!\s)\s*+(?:(?:utc|gmt|z)?\s*([+-])(\d{2}):?(\d{2})|utc|gmt|z)$")
_NUMBERS = re.compile(r"(\d{1,4})\s*([./-])\s*(\d{1,2})\s*\2\s*(\d{1,4})\.?")
_DAY_NAME_YEAR = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[ ./-]*(?:de )?([a-z]{3,10})[ ./,-]*(?:de )?(\d{4}|\d{2})")
_NAME_DAY_YEAR = re.compile(r"([a-z]{3,10})[ ./-]*(\d{1,2})(?:st|nd|rd|th)?[ ./,-]+(\d{4}|\d{2})")
_WEEKDAY = re.compile(r"^[a-z]{2,10}\.?,\s*")
_SERIAL = re.compile(r"[2-7]\d{4}(?:[.,]\d+)?")
# Two days before 1900: spreadsheets count from 1, and count a 29th of February 1900 that never was.
_SERIAL_START = datetime(1899, 12, 30, tzinfo=UTC)
_LONGEST = 60
# Databases without null dates store one of these for "not yet".
_PLACEHOLDER_YEARS = ("0000-", "0001-", "9999-")
_NO_DATE = {"-", "--", "–", "—", "n/a", "na", "n.a.", "nil", "none", "null", "nan", "unknown", "not available", "0"}


def read_date(value: object, order: DateOrder | None = None) -> datetime | None:
    """A date of an export.

    Args:
        value: A text, a number of seconds or milliseconds since 1970, or ``{"value": …, "display_value": …}``.
        order: What ``03/04/2026`` means in this file.

    Returns:
        The instant in UTC; None for nothing, and for the words and years (0, 1, 9999) that stand for "no date".

    Raises:
        ValueError: It is no date that is understood; says why.
    """
    if isinstance(value, dict):
        inner = value.get("value")
        value = inner if inner not in (None, "") else value.get("display_value")
    if isinstance(value, datetime):
        return in_utc(value)
    text = "" if value is None else str(value).strip()
    if not text or text.startswith(_PLACEHOLDER_YEARS) or text.casefold() in _NO_DATE:
        return None
    # A whole description in the wrong column: refused at once, and never given to the patterns.
    if len(text) > _LONGEST:
        raise ValueError(f"{text[:_LONGEST]!r}… is not a date")
    moment = _digits(text) or read_instant(text) or _local(text, order)
    if moment is None:
        raise ValueError(f"{text!r} is not a date that is understood; write it as 2026-11-20 10:00")
    return moment


def date_order(texts: Iterable[str]) -> DateOrder | None:
    """What the dates of one file say about their order; None where each could be read both ways.

    Raises:
        ValueError: Some say one, some the other.
    """
    orders: dict[DateOrder, str] = {}
    for text in texts:
        numbers = _NUMBERS.search(text[:_LONGEST])
        # With dots the day stands first wherever dates are written so; it tells nothing about the file's slashes.
        if numbers is None or len(numbers.group(1)) > 2 or numbers.group(2) == ".":
            continue
        if int(numbers.group(1)) > 12:
            orders.setdefault("day-first", text)
        # "AM" and "PM" are written where the month stands first.
        elif int(numbers.group(3)) > 12 or _afternoon(text):
            orders.setdefault("month-first", text)
    if len(orders) > 1:
        raise ValueError(
            "its dates disagree about their order: " + " and ".join(repr(text) for text in orders.values())
        )
    return next(iter(orders), None)


def _afternoon(text: str) -> bool:
    return re.search(r"\d\s*[ap]\.?m\b", text.casefold()) is not None


def _digits(text: str) -> datetime | None:
    if text.lstrip("-").isdecimal() and len(text) in (10, 13):
        return read_epoch(text, per_second=1 if len(text) == 10 else 1000)
    if _SERIAL.fullmatch(text):  # a spreadsheet's own number of days
        return _SERIAL_START + timedelta(seconds=round(float(text.replace(",", ".")) * 86_400))
    return None


def _local(text: str, order: DateOrder | None) -> datetime | None:
    # Without accents, as exports lose them ("fevr."), and with the narrow blank that newer systems put before AM.
    plain = unicodedata.normalize("NFKD", text.casefold().replace("\u202f", " "))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    zone, plain = _taken_zone(plain)
    time = _TIME.search(plain)
    day_text = (plain[: time.start()] + " " + plain[time.end() :] if time else plain).strip(" ,t")
    day = _day(_WEEKDAY.sub("", day_text), order, month_first=bool(time and time.group(4)))
    if day is None:
        return None
    hour, minute, second = (int(part or 0) for part in (time.groups()[:3] if time else (0, 0, 0)))
    if time and time.group(4):
        hour = hour % 12 + (12 if time.group(4).startswith("p") else 0)
    try:
        return in_utc(datetime(*day, hour, minute, second, tzinfo=UTC) - zone)
    except (ValueError, OverflowError):
        return None


def _taken_zone(text: str) -> tuple[timedelta, str]:
    zone = _ZONE.search(text)
    # "20-11-2026" ends like a zone; a zone comes after a time.
    if zone is None or _TIME.search(text[: zone.start()]) is None:
        return timedelta(), text
    sign = -1 if zone.group(1) == "-" else 1
    shift = sign * timedelta(hours=int(zone.group(2) or 0), minutes=int(zone.group(3) or 0))
    return shift, text[: zone.start()]


def _day(text: str, order: DateOrder | None, *, month_first: bool) -> tuple[int, int, int] | None:
    numbers = _NUMBERS.fullmatch(text)
    if numbers is not None:
        return _numeric_day(numbers, order, month_first=month_first)
    named = _DAY_NAME_YEAR.fullmatch(text)
    day, name, year = named.groups() if named else ("", "", "")
    if named is None and (named := _NAME_DAY_YEAR.fullmatch(text)):
        name, day, year = named.groups()
    month = _MONTHS.get(name)
    return None if month is None else (_year(year), month, int(day))


def _numeric_day(numbers: re.Match[str], order: DateOrder | None, *, month_first: bool) -> tuple[int, int, int] | None:
    first, sign, second, third = numbers.groups()
    if len(first) == 4:
        return int(first), int(second), int(third)
    if len(first) > 2 or len(third) == 3:
        return None
    one, two = int(first), int(second)
    if sign == "." or one > 12:
        return _year(third), two, one
    if two > 12 or month_first or one == two:
        return _year(third), one, two
    if order is None:
        raise ValueError(
            f"{numbers.group()!r} may be day and month or month and day; say which: --dates day-first or month-first"
        )
    return (_year(third), two, one) if order == "day-first" else (_year(third), one, two)


def _year(text: str) -> int:
    # No desk has tickets of the last century.
    return int(text) + 2000 if len(text) == 2 else int(text)


__all__ = ["DateOrder", "date_order", "read_date"]

"""How values look on a page. Pure: a value in, a text or safe HTML out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from markupsafe import Markup

from deskhand.kit.cron import zone, zone_names

NOTHING = "\N{EN DASH}"
UNKNOWN = "unknown"


def count(value: int | None) -> str:
    """A whole number with thousands separated, or a dash."""
    return NOTHING if value is None else f"{value:,}"


def duration(milliseconds: int | None) -> str:
    """A length of time as short as it stays exact enough to compare: ``840 ms``, ``6.4 s``, ``2 min 05 s``."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < 1000:
        return f"{max(0, milliseconds)} ms"
    # Where one digit would round to "60.0 s", minutes begin.
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f} s"
    seconds = round(milliseconds / 1000)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    minutes = seconds // 60
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // (24 * 60)} d {minutes // 60 % 24} h"


def money(amount: Decimal | None) -> str:
    """Dollars. A price nobody knows is said to be unknown; it is never shown as nothing.

    Amounts under a cent keep two significant digits, because a model call often costs less than one.
    """
    if amount is None:
        return UNKNOWN
    if amount == 0 or amount >= Decimal("0.01"):
        return f"${amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
    digits = 1 - amount.adjusted()
    return f"${amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):f}"


def exact_money(amount: Decimal) -> str:
    """Dollars to the last digit, for figures that somebody adds up: ``$0.00042``, ``$1,204.50``."""
    whole, _, cents = f"{amount:,f}".partition(".")
    return f"${whole}.{cents.rstrip('0'):0<2}"


def instant(value: datetime | None) -> str | Markup:
    """A point in time, to the second, in UTC."""
    if value is None:
        return NOTHING
    moment = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        moment.isoformat(timespec="milliseconds"), moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def zoned(value: datetime) -> Markup:
    """A point in time by the clock of its own zone, with the offset that makes a change of that clock visible."""
    offset = value.strftime("%z")
    return Markup('<time datetime="{}">{} <span class="offset">{}</span></time>').format(
        value.astimezone(UTC).isoformat(timespec="seconds"),
        value.strftime("%a %Y-%m-%d %H:%M"),
        f"{offset[:3]}:{offset[3:5]}",
    )


def in_zone(value: datetime, name: str) -> datetime:
    """The same instant by the clock of a zone (IANA name); by UTC where the zone is gone."""
    # tzdata drops zones, and a page of old runs must still be shown.
    return value.astimezone(zone(name) if name in zone_names() else UTC)


def age(value: datetime | None, now: datetime) -> str | Markup:
    """How long ago, with the exact time on hover; a script keeps it current between two answers."""
    if value is None:
        return NOTHING
    moment = value.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}" data-age>{}</time>').format(
        moment.isoformat(timespec="milliseconds"),
        moment.strftime("%Y-%m-%d %H:%M:%S UTC"),
        ago((now - moment).total_seconds()),
    )


def ago(seconds: float) -> str:
    """``just now``, ``12 s ago``, ``5 min ago``, ``3 h ago``, ``2 d ago``; the same words as in console.js."""
    whole = int(seconds)
    if whole < 5:
        return "just now"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= size:
            return f"{whole // size} {unit} ago"
    return f"{whole} s ago"


def pretty_json(value: Any) -> str:
    """A JSON value over several lines; a plain text stays the text it is."""
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def label(name: str) -> str:
    """A technical name as words: ``search_tickets`` becomes ``Search tickets``."""
    words = name.replace("_", " ").replace(".", " \N{MIDDLE DOT} ").strip()
    return words[:1].upper() + words[1:]

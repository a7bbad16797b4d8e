"""Words and limits of the simulated account, written from the vendor's documents and not taken from our own plugin.

A mistake in the plugin's table would otherwise stand on both sides of the wire, and no test could see it.
"""

from __future__ import annotations

from datetime import UTC, datetime

STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
CLOSED = ("solved", "closed")
COMMENT_LIMIT = 65_535
MARK_KEY = "itsm_run"
"""Name under which callers of this simulator keep a mark in ``metadata.custom``; any name would do."""


def read_time(value: object) -> datetime | None:
    """A time in a query or a body, ISO 8601 with an offset."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def write_time(moment: datetime) -> str:
    """A time as the API writes it: whole seconds, UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

"""Resolved requests, page by page, from the last one's time on.

The desk pages by offset only. A request that is opened again meanwhile leaves the list, everything behind it moves up,
and the one at the border of two pages would be missed; so each page begins at the time the one before ended with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.plugins.errors import DeskValidationError
from deskhand.plugins.servicedesk_plus import mapping
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig


@dataclass(frozen=True, slots=True)
class Position:
    """Where to read on.

    Attributes:
        at: Time of the history field, epoch milliseconds.
        read: How many requests of exactly that time were read already.
    """

    at: int
    read: int = 0

    @classmethod
    def of(cls, since: datetime, cursor: str | None) -> Position:
        """The position of a cursor, or the beginning.

        Raises:
            DeskValidationError: The cursor is not one of ours.
        """
        if cursor is None:
            return cls(int(mapping.epoch_ms(since)))
        at, _, read = cursor.partition("+")
        if not (at.lstrip("-").isdecimal() and read.isdecimal()) or len(cursor) > 40:
            raise DeskValidationError("The cursor is not one that a page before gave.", fields=("cursor",))
        return cls(int(at), int(read))

    def after(self, times: Sequence[object]) -> Position:
        """The position behind a page, whose rows have these times in the history field."""
        stamps = [int(mapping.epoch_ms(time)) for value in times if (time := mapping.read_time(value)) is not None]
        last = max(stamps, default=self.at)
        if last <= self.at:  # the whole page is of one time (or has none): count on
            return Position(self.at, self.read + len(times))
        # So many rows of that very time are read: the next page begins with it again, and passes over them.
        return Position(last, stamps.count(last))

    def cursor(self) -> str:
        """As text."""
        return f"{self.at}+{self.read}"


def list_info(position: Position, config: ServiceDeskPlusConfig, size: int) -> dict[str, Any]:
    """``list_info`` of the page behind a position."""
    field = config.servicedesk_history_field
    criteria: list[dict[str, Any]] = [
        {"field": "status.name", "condition": "is", "values": list(config.servicedesk_closed_statuses)},
        {"field": field, "condition": "gte", "value": str(position.at)},
    ]
    return mapping.list_info(criteria, config, sort=field, order="asc", cursor=str(position.read + 1), size=size)


__all__ = ["Position", "list_info"]

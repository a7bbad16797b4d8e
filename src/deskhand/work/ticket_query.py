"""Arguments of a search on a desk, as what the desk is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from deskhand.kit.schema import instant_within_reach
from deskhand.llm.loop import ToolInputError
from deskhand.plugins.contract import Ticket, TicketQuery

Args = Mapping[str, Any]
_INSTANTS = ("created_since", "created_until", "updated_since", "updated_until")


def query_of(args: Args, filters: frozenset[str]) -> tuple[TicketQuery, datetime | None]:
    """The query of a search, and the time since when tickets must be filed where the desk cannot search by it."""
    instants = {name: _instant(args, name) for name in _INSTANTS}
    query = TicketQuery(
        text=args.get("text", ""),
        status=tuple(args.get("status", ())),
        priority=tuple(args.get("priority", ())),
        group=args.get("group"),
        requester=args.get("requester"),
        created_since=instants["created_since"],
        created_until=instants["created_until"],
        updated_since=instants["updated_since"],
        updated_until=instants["updated_until"],
    )
    created = instants["created_since"]
    if created is None or "created_since" in filters:
        return query, None
    # A ticket that was filed since was changed since: the desk narrows by that, and the rest is narrowed here.
    since = max(one for one in (created, instants["updated_since"]) if one is not None)
    return replace(query, created_since=None, updated_since=since), created


def _instant(args: Args, name: str) -> datetime | None:
    written = args.get(name)
    if written is None:
        return None
    try:
        instant = datetime.fromisoformat(written)
    except ValueError as error:
        raise ToolInputError(f"{name} must be a time such as 2026-05-04T09:00:00Z") from error
    # A model's "09:00" is nobody's nine o'clock: guessed, a search would silently miss hours.
    try:
        return instant_within_reach(instant)
    except ValueError as error:
        raise ToolInputError(f"{name} {error}, such as 2026-05-04T09:00:00Z") from error


def filed_since(ticket: Ticket, created: datetime) -> bool:
    """Whether a ticket was filed at that time or later."""
    return ticket.created_at is not None and ticket.created_at >= created

"""Where a ticket of the simulated account comes from: its problem, the one it follows, the one it is a child of."""

from __future__ import annotations

from typing import Any

from deskhand.simulators.base.state import SimTicket


def number_of(ticket_id: str) -> int | None:
    """A ticket's id as the account sends it."""
    return int(ticket_id) if ticket_id else None


def via_of(ticket: SimTicket) -> dict[str, Any] | None:
    """How a follow-up or the child of a side conversation came in; None for a ticket that came in by itself."""
    is_side = ticket.custom.get("channel") == "side_conversation"
    origin = str(ticket.custom["side_conversation_of"]) if is_side else ticket.split_from
    if not origin:
        return None
    rel = None if is_side else "follow_up"
    source = {"from": {"ticket_id": int(origin), "subject": "", "channel": "web"}, "to": {}, "rel": rel}
    return {"channel": "side_conversation" if is_side else "web", "source": source}

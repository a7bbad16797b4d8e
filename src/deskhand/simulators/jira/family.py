"""What an issue of the simulated site is a part of, and which one it was cloned from."""

from __future__ import annotations

from typing import Any

from deskhand.simulators.base.state import SimLink, SimTicket, TicketStore
from deskhand.simulators.jira import world

CLONES = "10005"


def fields(store: TicketStore, ticket: SimTicket, base: str) -> dict[str, Any]:
    """The type of an issue, and its parent where it has one: a sub-task's, or the epic of any other."""
    kind = world.SUBTASK_TYPE if ticket.parent and not ticket.custom.get("epic") else world.ISSUE_TYPE
    shown = {"issuetype": {"self": f"{base}/rest/api/3/issuetype/{kind['id']}", **kind}}
    parent = store.get(ticket.parent) if ticket.parent else None
    return shown if parent is None else {**shown, "parent": short(parent, base)}


def clone_link(store: TicketStore, ticket: SimTicket) -> list[SimLink]:
    """The link by which a clone is known; it goes with the issue that it was made from."""
    if store.get(ticket.split_from) is None:
        return []
    return [SimLink(f"13{ticket.id}", CLONES, ticket_id=ticket.split_from)]


def short(ticket: SimTicket, base: str) -> dict[str, Any]:
    """An issue as another one shows it."""
    return {
        "id": ticket.id,
        "key": ticket.display_id,
        "self": f"{base}/rest/api/3/issue/{ticket.id}",
        "fields": {"summary": ticket.subject, "status": world.status_json(base, ticket.status)},
    }

"""A technician merges two tickets at a simulated desk, as each vendor leaves them afterwards."""

from __future__ import annotations

from collections.abc import Callable

from deskhand.simulators.base import DeskSimulator, SimPerson, SimTicket
from deskhand.simulators.base.state import SimLink
from deskhand.simulators.servicenow.wire import Cell


def merge(desk: DeskSimulator, source_id: str, into_id: str) -> None:
    """Merge one ticket into another."""
    by = desk.store.person("ines@desk.test", name="Ines", is_agent=True)
    _WAYS[desk.tool_type](desk, desk.store.tickets[source_id], desk.store.tickets[into_id], by)


def _zendesk(desk: DeskSimulator, source: SimTicket, into: SimTicket, by: SimPerson) -> None:
    told = desk.from_markdown(f"Request #{source.id} was closed and merged into this request.")
    desk.write_note(into, told, public=False, author=by)
    said = desk.from_markdown(f"This request was closed and merged into request #{into.id} “{into.subject}”.")
    desk.write_note(source, said, public=False, author=by)
    desk.change(source, {**desk.closing_fields("closed"), "tags": [*source.tags, "closed_by_merge"]}, by=by)


def _jira(desk: DeskSimulator, source: SimTicket, into: SimTicket, by: SimPerson) -> None:
    desk.store.link(source, SimLink("11999", "10002", ticket_id=into.id), by=by)
    desk.change(source, desk.closing_fields("Closed"), by=by)


def _servicenow(desk: DeskSimulator, source: SimTicket, into: SimTicket, by: SimPerson) -> None:
    closed = {
        "close_code": Cell("Duplicate", "Duplicate"),
        "parent_incident": Cell(into.id, into.display_id, "incident"),
    }
    desk.change(source, {**desk.closing_fields("Closed"), "custom": {**source.custom, **closed}}, by=by)


def _servicedesk_plus(desk: DeskSimulator, source: SimTicket, into: SimTicket, by: SimPerson) -> None:
    # The one becomes part of the other's conversation, and is a request no more.
    desk.write_note(into, source.description, public=True, author=by)
    del desk.store.tickets[source.id]


_WAYS: dict[str, Callable[[DeskSimulator, SimTicket, SimTicket, SimPerson], None]] = {
    "zendesk": _zendesk,
    "jira": _jira,
    "servicenow": _servicenow,
    "servicedesk_plus": _servicedesk_plus,
}

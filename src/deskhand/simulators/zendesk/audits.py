"""Audits of the simulated account: each save is one, with everything it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deskhand.simulators.base import SimNote, SimPerson, SimTicket
from deskhand.simulators.base.rules import SimMail
from deskhand.simulators.zendesk import wire
from deskhand.simulators.zendesk.measures import notification


class AuditBook:
    """Audits by ticket.

    Args:
        serial: Gives a number nobody has.
    """

    def __init__(self, serial: Callable[[], int]) -> None:
        self._serial = serial
        self._audits: dict[str, list[dict[str, Any]]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._audits.clear()

    def of(self, ticket: SimTicket) -> list[dict[str, Any]]:
        """A ticket's audits, oldest first."""
        return self._audits.get(ticket.id, [])

    def comments(self, ticket: SimTicket) -> list[dict[str, Any]]:
        """A ticket's comments with the audit each belongs to."""
        audit_of = {event["id"]: audit["id"] for audit in self.of(ticket) for event in audit["events"]}
        return wire.comments_json(ticket, audit_of)

    def opened(self, ticket: SimTicket, by: SimPerson) -> dict[str, Any]:
        """Record the creation of a ticket."""
        ident = self._new_id()
        first = wire.comments_json(ticket, {ticket.custom["first_comment"]: ident})[0]
        created = {"id": self._new_id(), "type": "Create", "field_name": "status", "value": ticket.status}
        return self._keep(wire.audit_json(ident, ticket, by, [first, created], {}), ticket)

    def saved(
        self,
        ticket: SimTicket,
        by: SimPerson,
        changed: Sequence[str],
        *,
        note: SimNote | None,
        before: Mapping[str, Any],
        custom: Mapping[str, Any],
        mails: Sequence[SimMail] = (),
    ) -> dict[str, Any]:
        """Record a save: the comment it wrote, the fields that are different now, and its custom metadata."""
        ident = self._new_id()
        events: list[dict[str, Any]] = []
        if note is not None:
            events.append({**wire.note_json(note), "audit_id": ident})
        for name in changed:
            # One save is one audit with an event per field: the mark in its metadata stands for all of them.
            for field, value, previous in wire.audited(name, getattr(ticket, name), before[name]):
                row = {"id": self._new_id(), "type": "Change", "field_name": field}
                events.append({**row, "value": value, "previous_value": previous})
        events += [notification(self._new_id(), mail, ticket) for mail in mails]
        return self._keep(wire.audit_json(ident, ticket, by, events, custom), ticket)

    def _new_id(self) -> int:
        return 700_000 + self._serial()

    def _keep(self, audit: dict[str, Any], ticket: SimTicket) -> dict[str, Any]:
        self._audits.setdefault(ticket.id, []).append(audit)
        return audit

"""Tables of the simulated instance, as rows of cells, out of the state that the kit keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from typing import Any

from deskhand.simulators.base import SimNote, SimPerson, SimTicket, TicketStore
from deskhand.simulators.servicenow import schema, worklogs
from deskhand.simulators.servicenow.measures import definition_rows, mail_rows, target_rows
from deskhand.simulators.servicenow.wire import Cell, Row, moment, plain, sys_id_of

MATRIX = {(impact, urgency): str(impact + urgency - 1) for impact in (1, 2, 3) for urgency in (1, 2, 3)}
_CLOSED = ("Closed", "Canceled")
AUDITED = {
    **{"subject": "short_description", "description": "description", "status": "state", "priority": "priority"},
    **{"category": "category", "group": "assignment_group", "assignee": "assigned_to", "requester": "caller_id"},
    **{"resolution": "close_notes", "company": "company"},
}
"""Attributes of a ticket and the columns they are."""


def company_id(name: str) -> str:
    """``sys_id`` of a company."""
    return sys_id_of("core_company", name)


def company(name: str) -> Cell:
    """A reference to a company."""
    return Cell(company_id(name), name, "core_company")


def choice(element: str, word: str) -> Cell:
    """A choice by stored value or by label; what nobody knows is stored as it came, like the real one does."""
    for value, label in schema.choices_of(element):
        if word in (value, label):
            return Cell(value, label)
    return plain(word)


class Tables:
    """Reads rows; see the module.

    Args:
        store: State of the simulator.
        username: ``user_name`` of our account.
        zone: Time zone of our account.
        extra_columns: Columns that an administrator has added.
    """

    def __init__(
        self, store: TicketStore, *, username: str, zone: tzinfo = UTC, time_zone: str, extra_columns: tuple[str, ...]
    ) -> None:
        self._store = store
        self._username = username
        self._zone = zone
        self._time_zone = time_zone
        self.columns = (*schema.COLUMNS, *extra_columns)
        self.clear()

    def clear(self) -> None:
        """Forget what seeding added."""
        self.groups = list(schema.GROUPS)
        self.person_ids: dict[str, str] = {}
        self.hide_journal = False

    # -- names and ids ---------------------------------------------------------------------------

    def user_name(self, person: SimPerson) -> str:
        """Sign-in name of a person."""
        return self._username if person is self._store.bot else person.email.partition("@")[0]

    def person_id(self, person: SimPerson) -> str:
        """``sys_id`` of a person."""
        return self.person_ids.get(person.id) or sys_id_of("sys_user", person.id)

    def find_person(self, text: str, *, by_name: bool) -> SimPerson | None:
        """Somebody by ``sys_id``, or by name where names are let in."""
        for person in self._store.people.values():
            if text == self.person_id(person) or (by_name and text in (person.name, person.email)):
                return person
        return None

    def find_group(self, text: str, *, by_name: bool) -> str | None:
        """A group's name by ``sys_id``, or by name where names are let in."""
        known = (name for name in self.groups if text == self.group_id(name) or (by_name and text == name))
        return next(known, None)

    @staticmethod
    def group_id(name: str) -> str:
        """``sys_id`` of a group."""
        return sys_id_of("sys_user_group", name)

    # -- rows ------------------------------------------------------------------------------------

    def rows(self, table: str) -> list[Row] | None:
        """All rows of a table; None if there is no such table."""
        readers: dict[str, Callable[[], list[Row]]] = {
            "incident": lambda: [self.incident(ticket) for ticket in self._store.searchable()],
            "sys_user": lambda: [self.user(person) for person in self._store.people.values()],
            "sys_user_group": lambda: [self.group(name) for name in self.groups],
            "sys_journal_field": self._journals,
            "sys_audit": self._audits,
            "task_sla": lambda: [row for ticket in self._store.tickets.values() for row in target_rows(ticket)],
            "contract_sla": definition_rows,
            "sys_email": lambda: [row for ticket in self._store.tickets.values() for row in mail_rows(ticket)],
            worklogs.TABLE: self._logs,
            "core_company": lambda: [_company_row(name) for name in schema.COMPANIES],
            "sys_choice": _choice_rows,
            "sys_dictionary": lambda: [_dictionary_row(name) for name in self.columns],
        }
        return readers[table]() if table in readers else None

    def walk(self, row: Row, path: str) -> Cell | None:
        """A field, through references where the name has dots; None if there is no such field."""
        name, _, rest = path.partition(".")
        cell = row.get(name)
        if cell is None or not rest:
            return cell
        rows = (self.rows(cell.table) or []) if cell.table else []
        target = next((other for other in rows if other["sys_id"].value == cell.value), None)
        # A reference whose record is gone shows empty fields and no error, which a reader has to bear.
        if target is None:
            return Cell() if cell.table in {"sys_user", "sys_user_group"} else None
        return self.walk(target, rest)

    def incident(self, ticket: SimTicket) -> Row:
        """An incident with every column."""
        group = ticket.group
        # Under two names: the old one, `incident_state`, is still read by scripts of long-lived instances.
        state = choice("state", ticket.status)
        journals = {
            "comments": self._rendered(ticket, public=True),
            "work_notes": self._rendered(ticket, public=False),
        }
        stored: Mapping[str, Cell] = ticket.custom
        return {
            **dict.fromkeys(self.columns, Cell()),
            **stored,
            **journals,
            "sys_id": plain(ticket.id),
            "number": plain(ticket.display_id),
            "task_effective_number": plain(ticket.display_id),
            "sys_class_name": Cell("incident", "Incident"),
            "short_description": plain(ticket.subject),
            "description": plain(ticket.description),
            "state": state,
            "incident_state": state,
            "active": plain(ticket.status not in _CLOSED),
            "priority": choice("priority", ticket.priority or ""),
            "category": choice("category", ticket.category or ""),
            "caller_id": self.reference(ticket.requester),
            "opened_by": stored.get("opened_by") or self.reference(ticket.requester),
            "assigned_to": self.reference(ticket.assignee),
            "assignment_group": Cell(self.group_id(group), group, "sys_user_group") if group else Cell(),
            "close_notes": plain(ticket.resolution),
            **({"company": company(ticket.company)} if ticket.company else {}),
            **({"parent_incident": self._number_of(ticket.parent)} if ticket.parent else {}),
            "opened_at": stored.get("opened_at") or moment(ticket.created_at, self._zone),
            "resolved_at": moment(ticket.resolved_at, self._zone),
            "sys_created_on": moment(ticket.created_at, self._zone),
            "sys_updated_on": moment(ticket.updated_at, self._zone),
            "sys_created_by": stored.get("sys_created_by") or plain(self.user_name(ticket.requester)),
            "sys_updated_by": self._last_editor(ticket),
            "sys_mod_count": plain(ticket.revision),
        }

    def _number_of(self, ticket_id: str) -> Cell:
        parent = self._store.get(ticket_id)
        # A reference whose record is gone has its id and no label.
        return Cell(ticket_id, parent.display_id if parent else "", "incident")

    def _last_editor(self, ticket: SimTicket) -> Cell:
        seeded: Cell | None = ticket.custom.get("sys_updated_by")
        if ticket.updated_by is None and seeded is not None:
            return seeded
        return plain(self.user_name(ticket.updated_by or ticket.requester))

    def reference(self, person: SimPerson | None) -> Cell:
        """A reference to a person."""
        return Cell(self.person_id(person), person.name, "sys_user") if person else Cell()

    def user(self, person: SimPerson) -> Row:
        """A row of ``sys_user``; the time zone is our own account's."""
        ours = person is self._store.bot
        return {
            "sys_id": plain(self.person_id(person)),
            "user_name": plain(self.user_name(person)),
            "name": plain(person.name),
            "email": plain(person.email),
            "active": plain(True),
            "vip": plain(person.is_vip),
            "time_zone": plain(self._time_zone if ours else ""),
            "web_service_access_only": plain(ours and not person.signs_in),
            "internal_integration_user": plain(False),
        }

    def group(self, name: str) -> Row:
        """A row of ``sys_user_group``."""
        return {"sys_id": plain(self.group_id(name)), "name": plain(name), "active": plain(True)}

    def journal(self, ticket: SimTicket, note: SimNote) -> Row:
        """A row of ``sys_journal_field``."""
        return {
            "sys_id": plain(sys_id_of("journal", note.id)),
            "name": plain("incident"),
            "element": plain("comments" if note.public else "work_notes"),
            "element_id": plain(ticket.id),
            "value": plain(note.body),
            "sys_created_by": plain(self.user_name(note.author)),
            "sys_created_on": moment(note.created_at, self._zone),
        }

    def _journals(self) -> list[Row]:
        # Many instances keep this table from integration users; they get no rows and no refusal.
        tickets = [] if self.hide_journal else list(self._store.tickets.values())
        return [self.journal(ticket, note) for ticket in tickets for note in ticket.notes]

    def _logs(self) -> list[Row]:
        tickets = self._store.tickets.values()
        return [row for one in tickets for row in worklogs.log_rows(one, name_of=self.user_name, zone=self._zone)]

    def _audits(self) -> list[Row]:
        """One row for each field of each save."""
        rows: list[Row] = []
        for ticket in self._store.tickets.values():
            for change in ticket.history:
                for name, before, after in self._audited(change.fields):
                    rows.append(
                        {
                            "sys_id": plain(sys_id_of("audit", change.id, name)),
                            "documentkey": plain(ticket.id),
                            "tablename": plain("incident"),
                            "fieldname": plain(name),
                            "oldvalue": plain(before),
                            "newvalue": plain(after),
                            "user": plain(self.user_name(change.by)),
                            "sys_created_on": moment(change.at, self._zone),
                        }
                    )
        return rows

    def _audited(self, fields: Mapping[str, tuple[Any, Any]]) -> list[tuple[str, str, str]]:
        rows: list[tuple[str, str, str]] = []
        for attribute, (before, after) in fields.items():
            if attribute == "custom":
                cells = {name for name in (*before, *after) if before.get(name) != after.get(name)}
                blank = Cell()
                rows += [(one, before.get(one, blank).value, after.get(one, blank).value) for one in sorted(cells)]
            elif attribute in AUDITED:
                name = AUDITED[attribute]
                rows.append((name, self._stored(name, before), self._stored(name, after)))
        return rows

    def _stored(self, name: str, value: Any) -> str:
        if isinstance(value, SimPerson):
            return self.person_id(value)
        if name == "assignment_group":
            return self.group_id(value) if value else ""
        if name == "company":
            return company_id(value) if value else ""
        return choice(name, value or "").value if schema.choices_of(name) else str(value or "")

    def _rendered(self, ticket: SimTicket, *, public: bool) -> Cell:
        """A journal on the record itself: empty as a value, all entries as shown, newest first."""
        label = "Additional comments" if public else "Work notes"
        entries = [
            f"{moment(note.created_at, self._zone).display} - {note.author.name} ({label})\n{note.body}\n\n"
            for note in reversed(ticket.notes)
            if note.public is public
        ]
        return Cell("", "".join(entries))


def _company_row(name: str) -> Row:
    return {"sys_id": plain(company_id(name)), "name": plain(name)}


def _choice_rows() -> list[Row]:
    return [
        {
            "sys_id": plain(sys_id_of("sys_choice", table, element, value)),
            "name": plain(table),
            "element": plain(element),
            "value": plain(value),
            "label": plain(label),
            "sequence": plain(number),
            "language": plain("en"),
            "inactive": plain(False),
        }
        for (table, element), choices in schema.CHOICES.items()
        for number, (value, label) in enumerate(choices)
    ]


def _dictionary_row(name: str) -> Row:
    own = name in schema.INCIDENT_OWN or name.startswith("u_")
    return {
        "sys_id": plain(sys_id_of("sys_dictionary", name)),
        "name": plain("incident" if own else "task"),
        "element": plain(name),
        "column_label": plain(name.removeprefix("u_").replace("_", " ").capitalize()),
        "internal_type": plain(schema.internal_type(name)),
        "max_length": plain(schema.MAX_LENGTH.get(name, 40)),
        "mandatory": plain(False),
        "read_only": plain(name in schema.READ_ONLY),
        "reference": plain(schema.REFERENCES.get(name, "")),
    }

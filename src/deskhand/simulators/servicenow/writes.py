"""What a save does on the simulated instance: which values it takes, which it drops in silence, what it computes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from deskhand.simulators.base import SimTicket
from deskhand.simulators.servicenow import schema
from deskhand.simulators.servicenow.tables import MATRIX, Tables, choice, company_id
from deskhand.simulators.servicenow.wire import Cell, plain, refuse, sys_id_of

_TEXTS = {"short_description": "subject", "description": "description", "close_notes": "resolution"}
_PEOPLE = {"assigned_to": "assignee", "caller_id": "requester"}
_DONE = ("Resolved", "Closed")


@dataclass(slots=True)
class Save:
    """What one call changes.

    Attributes:
        changes: Attributes of the ticket.
        cells: Columns that the kit has no attribute for.
        notes: (public, text) in the order they were sent.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    notes: list[tuple[bool, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.changes or self.cells or self.notes)


def read(
    body: Mapping[str, Any], ticket: SimTicket | None, tables: Tables, *, by_name: bool, ignored: frozenset[str]
) -> Save:
    """Values of a body that the instance takes.

    Args:
        body: As sent.
        ticket: What is saved over; None for a new one.
        tables: Finds references.
        by_name: ``sysparm_input_display_value``: labels and names are let in.
        ignored: Columns that access control keeps the account from writing.
    """
    save = Save()
    for name, sent in body.items():
        value = plain(sent).value
        if name not in tables.columns or name in schema.READ_ONLY or name in ignored:
            continue  # the real one says nothing either
        if name in {"comments", "work_notes"}:
            if value:
                save.notes.append((name == "comments", value))
        else:
            _take(save, name, value, tables, by_name)
    if ticket is not None:
        save.changes = {name: value for name, value in save.changes.items() if getattr(ticket, name) != value}
        save.cells = {name: cell for name, cell in save.cells.items() if ticket.custom.get(name, Cell()) != cell}
    return save


def _take(save: Save, name: str, value: str, tables: Tables, by_name: bool) -> None:
    if name in _TEXTS:
        cut = value[: schema.MAX_LENGTH[name]]
        save.changes[_TEXTS[name]] = (cut or None) if name == "close_notes" else cut
    elif name in {"state", "category", "priority"}:
        save.changes["status" if name == "state" else name] = _label(name, value, by_name)
    elif name in _PEOPLE:
        person = tables.find_person(value, by_name=by_name) if value else None
        # Whoever is not known clears the assignee without a word, and leaves the caller as he was.
        if name == "assigned_to" or person is not None:
            save.changes[_PEOPLE[name]] = person
    elif name == "company":
        known = (company for company in schema.COMPANIES if value == company_id(company))
        save.changes["company"] = next(known, None)
    elif name == "assignment_group":
        save.changes["group"] = tables.find_group(value, by_name=by_name) if value else None
    else:
        save.cells[name] = _cell(name, value)


def _label(element: str, value: str, by_name: bool) -> str:
    """The label of a stored value; a label itself is only understood where names are let in."""
    known = dict(schema.choices_of(element))
    if value in known:
        return known[value]
    return value if by_name or value not in known.values() else f"({value})"


def _cell(name: str, value: str) -> Cell:
    if name in schema.REFERENCES and value:
        return Cell(value, value, schema.REFERENCES[name])
    return choice(name, value) if schema.choices_of(name) else plain(value)


def enforce_policy(save: Save, ticket: SimTicket | None) -> None:
    """The stock data policy: a resolved incident has a close code and close notes.

    Raises:
        RefusedError: One of them is missing.
    """
    if save.changes.get("status") not in _DONE:
        return
    stored: Mapping[str, Cell] = ticket.custom if ticket else {}
    code = save.cells.get("close_code") or stored.get("close_code")
    notes = save.changes.get("resolution") or (ticket.resolution if ticket else None)
    missing = [label for label, value in (("Close code", code), ("Close notes", notes)) if not value]
    # 403 and not 400, as the instance answers when a data policy stops a save.
    if missing:
        detail = f"Data Policy Exception: The following fields are mandatory: {', '.join(missing)}"
        raise refuse(403, "Operation Failed", detail)


def compute_priority(save: Save, ticket: SimTicket | None) -> None:
    """Priority follows from impact and urgency, whatever the call says."""
    # Dropped without a word, as the instance does: priority is computed, and what a client sets is lost.
    save.changes.pop("priority", None)
    if ticket is not None and not {"impact", "urgency"} & set(save.cells):
        return
    stored: Mapping[str, Cell] = ticket.custom if ticket else {}
    levels = [(save.cells.get(name) or stored.get(name) or Cell("3")).value for name in ("impact", "urgency")]
    priority = MATRIX.get((int(levels[0]), int(levels[1]))) if all(level.isdigit() for level in levels) else None
    label = choice("priority", priority or "").display
    if ticket is None or ticket.priority != label:
        save.changes["priority"] = label


def levels_of(priority: str | None) -> dict[str, Cell]:
    """Impact and urgency of a new incident whose priority somebody picked by its label or number."""
    number = choice("priority", priority or "5").value
    impact, urgency = next((pair for pair, value in MATRIX.items() if value == number), (3, 3))
    return {"impact": choice("impact", str(impact)), "urgency": choice("urgency", str(urgency))}


Known = Mapping[tuple[str, str], str]


def linked_ids(records: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """``sys_id`` by (table, name) of everything that some record links to; others only name it."""
    cells = (
        seeded_cell(name, content)
        for record in records
        for name, content in record.items()
        if isinstance(content, dict)
    )
    return {(cell.table, cell.display): cell.value for cell in cells if cell.table}


def seeded_cell(name: str, content: object, known: Known = MappingProxyType({})) -> Cell:
    """A cell out of a Table API record in any of the three display modes."""
    if isinstance(content, Mapping):
        shown, link = str(content.get("display_value") or ""), str(content.get("link") or "")
        value = str(content.get("value") or link.rpartition("/")[2] or shown)
        parts = link.split("/")
        table = parts[-2] if len(parts) > 2 else schema.REFERENCES.get(name, "")
        return Cell(value, shown if "display_value" in content else value, table)  # a dangling one shows nothing
    text = plain(content).value
    if name in schema.REFERENCES and text:
        table = schema.REFERENCES[name]
        return Cell(known.get((table, text)) or sys_id_of(table, text), text, table)
    if schema.choices_of(name):
        return choice(name, text)
    return Cell({"true": "true", "false": "false"}.get(text, text), text)

"""What a record was before: its audit, and the images of a write; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deskhand.plugins.contract import FieldChange, PastChange, Person
from deskhand.plugins.servicenow import mapping
from deskhand.plugins.servicenow.query import Query, Row, Term, display_of, value_of

OURS = {
    **{"short_description": "subject", "state": "status", "assignment_group": "group", "assigned_to": "assignee"},
    **{"close_notes": "resolution"},
}
AUDIT_FIELDS = ("sys_id", "fieldname", "oldvalue", "newvalue", "user", "sys_created_on")


def audit_query(sys_id: str, table: str) -> Query:
    """The audit of a record, oldest first; what a note says is not part of it."""
    conditions = [(Term("documentkey", "=", sys_id),), (Term("tablename", "=", table),)]
    return Query(tuple(conditions), ("sys_created_on", "sys_id"))


def images(before: Row, after: Row, names: Iterable[str]) -> tuple[FieldChange, ...]:
    """What a write changed, of the fields with these names."""
    return tuple(
        FieldChange(
            field=OURS.get(name, name),
            vendor_field=name,
            before=value_of(before, name),
            after=value_of(after, name),
            before_text=display_of(before, name),
            after_text=display_of(after, name),
        )
        for name in dict.fromkeys(names)
        if name not in mapping.JOURNALS and value_of(before, name) != value_of(after, name)
    )


def same(left: Any, right: Any) -> bool:
    """True if two values are the same to the desk, to which nothing is an empty text."""
    return str(left or "").replace("\r\n", "\n").strip() == str(right or "").replace("\r\n", "\n").strip()


def past_changes(rows: Iterable[Row], labels: Mapping[str, Mapping[str, str]]) -> tuple[PastChange, ...]:
    """The audit's rows; each is one field of a save.

    Args:
        rows: As the instance shows them.
        labels: Field to its choices, value to label.
    """
    return tuple(
        PastChange(
            id=value_of(row, "sys_id"),
            at=mapping.read_time(row, "sys_created_on"),
            by=Person(name=value_of(row, "user") or None),
            # One row is one field: the audit does not say which rows belong to one save.
            fields=(_field(row, labels),),
        )
        for row in rows
        if value_of(row, "fieldname") not in mapping.JOURNALS
    )


def _field(row: Row, labels: Mapping[str, Mapping[str, str]]) -> FieldChange:
    name = value_of(row, "fieldname")
    before, after = value_of(row, "oldvalue"), value_of(row, "newvalue")
    known = labels.get(name, {})
    return FieldChange(
        field=OURS.get(name, name),
        vendor_field=name,
        before=before,
        after=after,
        before_text=known.get(before, before),
        after_text=known.get(after, after),
    )

"""What a ticket was before: its history out of audits, and the images of a write; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from deskhand.plugins.contract import FieldChange, PastChange, Person
from deskhand.plugins.images import field_changes
from deskhand.plugins.zendesk import mapping

OURS = {"assignee_id": "assignee", "group_id": "group", "organization_id": "company"}
_PEOPLE = {"assignee_id", "requester_id", "submitter_id"}


def flat(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A ticket with its custom fields beside the others, by their numbers."""
    items = raw.get("custom_fields")
    custom = {str(item.get("id")): item.get("value") for item in items if isinstance(item, dict)} if items else {}
    # Beside the others, so that one rule compares and restores both kinds.
    return {**{name: value for name, value in raw.items() if name not in {"custom_fields", "fields"}}, **custom}


def reachable(changes: Sequence[FieldChange]) -> list[FieldChange]:
    """What can be put back. A ticket that was once worked on is never new again: it becomes open."""
    if not any(change.vendor_field == "status" and change.before == "new" for change in changes):
        return list(changes)
    return [
        replace(change, before="open", before_text="open") if change.vendor_field == "status" else change
        for change in changes
        # The label of "new" cannot be given either; the desk sets the one of "open" with the status.
        if change.vendor_field != "custom_status_id"
    ]


def writable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Flat fields as an update takes them."""
    custom = [{"id": int(name), "value": value} for name, value in fields.items() if name.isdigit()]
    plain = {name: value for name, value in fields.items() if not name.isdigit()}
    return {**plain, "custom_fields": custom} if custom else plain


def images(before: Mapping[str, Any], after: Mapping[str, Any], fields: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """What a write of these fields changed."""
    custom = [str(item["id"]) for item in fields.get("custom_fields", ())]
    names = [*(name for name in fields if name != "custom_fields"), *custom]
    return field_changes(flat(before), flat(after), names, ours=OURS, text=text)


def text(value: Any) -> str:
    """What a person reads."""
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


def same(left: Any, right: Any) -> bool:
    """True if two values are the same to the desk."""
    if isinstance(left, list) and isinstance(right, list):
        # Tags have no order at the desk, and come back in another one than they were sent in.
        return sorted(map(str, left)) == sorted(map(str, right))
    return bool(left == right) or (left in (None, "") and right in (None, ""))


def past_changes(
    audits: Iterable[Mapping[str, Any]], side: mapping.Sideloads, category_field: int | None = None
) -> tuple[PastChange, ...]:
    """The saves among a ticket's audits that changed fields."""
    # Which field is the category is the account's own choice, and the audit names it by its number.
    ours = {**OURS, str(category_field): "category"}
    changes = (_change(audit, side, ours) for audit in audits)
    return tuple(change for change in changes if change.fields)


def _change(audit: Mapping[str, Any], side: mapping.Sideloads, ours: Mapping[str, str]) -> PastChange:
    events = audit.get("events")
    rows = [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []
    return PastChange(
        id=str(audit.get("id")),
        at=mapping.read_time(audit.get("created_at")),
        by=side.person(audit.get("author_id")) or Person(),
        fields=tuple(_field(event, side, ours) for event in rows if event.get("type") == "Change"),
    )


def _field(event: Mapping[str, Any], side: mapping.Sideloads, ours: Mapping[str, str]) -> FieldChange:
    name = str(event.get("field_name") or "")
    before, after = event.get("previous_value"), event.get("value")
    return FieldChange(
        field=ours.get(name, name),
        vendor_field=name,
        before=before,
        after=after,
        before_text=_named(name, before, side),
        after_text=_named(name, after, side),
    )


def _named(name: str, value: Any, side: mapping.Sideloads) -> str:
    if value is None:
        return ""
    if name in _PEOPLE:
        person = side.person(value)
        return (person.name or person.email or str(value)) if person else str(value)
    if name == "group_id":
        return side.group(value) or ""
    if name == "organization_id":
        company = side.company(value)
        return company.name if company else ""
    return text(value)

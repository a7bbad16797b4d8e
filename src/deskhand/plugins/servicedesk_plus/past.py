"""What a request was before: its history, and the images of a write; pure.

The vendor documents no shape of the history, so several spellings that builds are known to use are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deskhand.plugins.contract import FieldChange, PastChange, Person
from deskhand.plugins.images import field_changes
from deskhand.plugins.servicedesk_plus import mapping
from deskhand.plugins.text import html_to_text

OURS = {"technician": "assignee", "site": "company", "account": "company"}
_BY = ("performed_by", "done_by", "updated_by", "by")
_AT = ("performed_time", "performed_on", "time", "created_time")
_BEFORE = ("previous_value", "old_value", "before")
_AFTER = ("current_value", "new_value", "after")
_EMPTY: tuple[Any, ...] = (None, "", {}, {"content": None}, {"content": ""})


def flat(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A request with each field in the form in which it can be set; additional fields beside the others."""
    udf = raw.get("udf_fields")
    record = {**raw, **(udf if isinstance(udf, dict) else {})}
    return {name: settable(value) for name, value in record.items() if name != "udf_fields"}


def settable(value: Any) -> Any:
    """A value without what the desk adds to it when it shows it."""
    if not isinstance(value, dict):
        return value
    # A person is set by address, a value of a list by its name, a text by its content; ids differ between instances.
    for name in ("email_id", "name", "content", "id"):
        if value.get(name) is not None:
            return {name: value[name]}
    return None


def images(before: Mapping[str, Any], after: Mapping[str, Any], fields: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """What a write of these fields changed, as the desk showed the request before and after it."""
    names = [name for name in (*fields, *fields.get("udf_fields", {})) if name != "udf_fields"]
    return field_changes(flat(before), flat(after), names, ours=OURS, text=text)


def writable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as they are set; a text is emptied by an empty one."""
    texts = ("subject", "description", "resolution")
    empty = {"resolution": {"content": ""}}
    return {name: empty.get(name, "") if name in texts and value is None else value for name, value in fields.items()}


def text(value: Any) -> str:
    """What a person reads."""
    if isinstance(value, dict):
        return text(next((value[name] for name in ("name", "email_id", "content", "value") if value.get(name)), None))
    return "" if value is None else html_to_text(str(value)) if "<" in str(value) else str(value)


def same(left: Any, right: Any) -> bool:
    """True if two values are the same to the desk."""
    # The desk shows an empty text in several ways, depending on the build and on who emptied it.
    if left in _EMPTY or right in _EMPTY:
        return left in _EMPTY and right in _EMPTY
    return bool(left == right)


def past_changes(rows: Sequence[Mapping[str, Any]]) -> tuple[PastChange, ...]:
    """The saves in a request's history that changed fields."""
    return tuple(_change(row) for row in rows if _diff(row))


def _change(row: Mapping[str, Any]) -> PastChange:
    return PastChange(
        id=str(row.get("id") or ""),
        at=mapping.read_time(_first(row, _AT)),
        by=mapping.read_person(_first(row, _BY)) or Person(),
        fields=tuple(_field(item) for item in _diff(row)),
    )


def _field(item: Mapping[str, Any]) -> FieldChange:
    named = item.get("field")
    name = str((named.get("name") if isinstance(named, dict) else named) or "").removeprefix("udf_fields.")
    before, after = _first(item, _BEFORE), _first(item, _AFTER)
    return FieldChange(
        field=OURS.get(name, name),
        vendor_field=name,
        before=settable(before),
        after=settable(after),
        before_text=text(before),
        after_text=text(after),
    )


def _diff(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = row.get("diff")
    return [item for item in items if isinstance(item, dict) and item.get("field")] if isinstance(items, list) else []


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)

"""Before and after of a write, field by field: what its receipt says and what taking it back goes by; pure.

A desk's plugin hands over flat records: its own field names, and values in the form in which the desk takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from deskhand.plugins.writes import FieldChange


def field_changes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    names: Iterable[str],
    *,
    ours: Mapping[str, str],
    text: Callable[[Any], str],
) -> tuple[FieldChange, ...]:
    """The fields that a write changed.

    Args:
        before: The record as it was.
        after: The record as it is now.
        names: Fields it may have changed, by the desk's names.
        ours: The desk's name to ours, where we have one.
        text: What a person reads for a value.
    """
    return tuple(
        FieldChange(
            field=ours.get(name, name),
            vendor_field=name,
            before=before.get(name),
            after=after.get(name),
            before_text=text(before.get(name)),
            after_text=text(after.get(name)),
        )
        for name in dict.fromkeys(names)
        if before.get(name) != after.get(name)
    )


def to_restore(
    changes: Sequence[FieldChange], current: Mapping[str, Any], *, same: Callable[[Any, Any], bool]
) -> tuple[dict[str, Any], tuple[FieldChange, ...]]:
    """What to write so that fields are as before, and those that somebody changed since, with what is there now.

    A field that is as before already needs nothing and is in neither.
    """
    wanted: dict[str, Any] = {}
    skipped: list[FieldChange] = []
    for change in changes:
        now = current.get(change.vendor_field)
        if same(now, change.before):
            continue
        if same(now, change.after):
            # Only where our own value still stands: whatever somebody set since was their decision.
            wanted[change.vendor_field] = change.before
        else:
            skipped.append(FieldChange(field=change.field, vendor_field=change.vendor_field, after=now))
    return wanted, tuple(skipped)

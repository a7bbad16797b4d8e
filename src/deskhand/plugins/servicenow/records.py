"""Further conversations with an instance: pages of the journal and of the audit, and new records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deskhand.kit.marks import find_marks
from deskhand.plugins.calls import read_aside
from deskhand.plugins.contract import (
    NamedValue,
    Note,
    NotePage,
    PastChangePage,
    TicketChanges,
    TicketDraft,
    WriteReceipt,
)
from deskhand.plugins.cursors import offset_of, page_size
from deskhand.plugins.errors import DeskUnsupportedError
from deskhand.plugins.priorities import PriorityMap
from deskhand.plugins.servicenow import mapping, past
from deskhand.plugins.servicenow.client import ServiceNowClient
from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.plugins.servicenow.lookups import Lookups
from deskhand.plugins.servicenow.manifest import DESK
from deskhand.plugins.servicenow.query import Row, display_of, value_of
from deskhand.plugins.text import markdown_to_text, truncate

NOTE_FIELDS = ("sys_id", "element", "element_id", "value", "sys_created_by", "sys_created_on")
_LABELLED = ("state", "priority", "category", "impact", "urgency")


class Records:
    """See the module.

    Args:
        client: The wire.
        lookups: Names and ids.
        config: The connection.
        priorities: Of the tenant.
    """

    def __init__(
        self, client: ServiceNowClient, lookups: Lookups, config: ServiceNowConfig, priorities: PriorityMap
    ) -> None:
        self._client = client
        self._lookups = lookups
        self._config = config
        self._priorities = priorities

    async def notes(self, row: Row) -> tuple[tuple[Note, ...], tuple[str, ...]]:
        """Notes of a record, oldest first, and what of them could not be read."""
        query = mapping.journal_query(value_of(row, "sys_id"))
        entries = await self._client.all("sys_journal_field", query, NOTE_FIELDS)
        return await read_aside(_read_notes, entries.rows, row), entries.gaps("the ticket's journal")

    async def note_page(self, row: Row, *, public: bool | None, cursor: str | None, size: int) -> NotePage:
        """Notes of a record, newest first; out of the record itself where the journal is hidden from us."""
        start, limit = offset_of(cursor), page_size(size)
        query = mapping.journal_query(value_of(row, "sys_id"), newest_first=True)
        page = await self._client.page("sys_journal_field", query, NOTE_FIELDS, limit=limit, offset=start)
        # Decided on the first page alone: from the second on, an empty page is the end and not a hidden journal.
        if page.rows or start:
            notes = [mapping.read_note(entry) for entry in page.rows]
            following = page.next_offset
        else:
            shown = (await read_aside(mapping.rendered_notes, row))[::-1]
            notes = list(shown[start : start + limit])
            following = start + limit if start + limit < len(shown) else None
        chosen = tuple(note for note in notes if public in (None, note.public))
        return NotePage(notes=chosen, next_cursor=None if following is None else str(following))

    async def change_page(self, sys_id: str, cursor: str | None, size: int) -> PastChangePage:
        """The audit of a record, oldest first."""
        query = past.audit_query(sys_id, self._config.servicenow_table)
        start, limit = offset_of(cursor), page_size(size)
        page = await self._client.page("sys_audit", query, past.AUDIT_FIELDS, limit=limit, offset=start)
        # The audit keeps stored values ("6"), which nobody reads; without rows the lists are not asked for.
        labels = {name: await self._lookups.labels(name) for name in _LABELLED} if page.rows else {}
        changes = await read_aside(past.past_changes, page.rows, labels)
        following = None if page.next_offset is None else str(page.next_offset)
        return PastChangePage(changes=changes, next_cursor=following)

    async def change_fields(self, changes: TicketChanges) -> dict[str, str]:
        """Fields of a change but for its priority, in the form in which the instance stores them."""
        custom = await self._lookups.named(changes.custom)
        fields = mapping.change_fields(custom, self._config)
        if changes.subject is not None:
            fields["short_description"] = mapping.subject_text(changes.subject, self._config)
        if changes.description is not None:
            fields["description"] = _description(changes.description, self._config)
        await self._lookups.require_fields(tuple(fields))
        if changes.category is not None:
            fields["category"] = await self._lookups.value("category", changes.category)
        if changes.group is not None:
            fields["assignment_group"] = await self._lookups.group(changes.group)
        if changes.assignee_email is not None:
            fields["assigned_to"] = await self._lookups.user(changes.assignee_email)
        return fields

    async def draft_fields(self, draft: TicketDraft, mark: str) -> dict[str, str]:
        """A new record; its mark is the correlation id, which records are found by."""
        if draft.type is not None:
            raise DeskUnsupportedError(f"{DESK} files every ticket in the table {self._config.servicenow_table}.")
        fields = await self.change_fields(draft.as_changes())
        if draft.description:
            fields["description"] = _description(draft.description, self._config)
        if draft.priority is not None:
            fields |= await self.priority_fields({}, draft.priority)
        if draft.requester_email is not None:
            fields["caller_id"] = await self._lookups.user(draft.requester_email)
        if draft.company is not None:
            fields["company"] = await self._lookups.company(draft.company)
        if mark:
            # The stock field for what another system calls the record.
            fields |= {"correlation_id": mark, "correlation_display": "Deskhand"}
        return fields

    async def priority_fields(self, row: Row, word: str) -> dict[str, str]:
        """What makes a priority: itself, or the impact and urgency that it is computed from."""
        return self.priority_of(row, await self._lookups.priority(self._priorities.to_desk(word)))

    def priority_of(self, row: Row, priority: str | None) -> dict[str, str]:
        """The same of a priority as the instance stores it; nothing where none is to be set."""
        if priority is None:
            return {}
        if self._config.servicenow_priority_computed:
            return mapping.levels_for(row, priority, self._config)
        return {"priority": priority}

    def restorable(self, fields: Mapping[str, Any]) -> dict[str, str]:
        """Fields that can be set to what they were: a computed priority follows from the others by itself."""
        computed = {"priority"} if self._config.servicenow_priority_computed else set()
        return {name: str(value or "") for name, value in fields.items() if name not in computed}


def _read_notes(entries: Sequence[Row], row: Row) -> tuple[Note, ...]:
    """The journal's entries, or what the record itself shows of them where the journal is hidden from us."""
    return tuple(mapping.read_note(entry) for entry in entries) or mapping.rendered_notes(row)


def _description(markdown: str, config: ServiceNowConfig) -> str:
    return truncate(markdown_to_text(markdown), config.servicenow_text_limit)


def field_value(row: Row) -> NamedValue:
    """A row of the dictionary."""
    name = value_of(row, "element")
    extra = {
        "label": value_of(row, "column_label"),
        "type": value_of(row, "internal_type"),
        "table": value_of(row, "name"),
        "custom": name.startswith("u_"),
    }
    return NamedValue(id=name, name=name, extra=extra)


def noted(row: Row, mark: str) -> bool:
    """True if the record itself shows a note with the mark; the journal table is hidden from some accounts."""
    return any(mark in find_marks(display_of(row, name)) for name in mapping.JOURNALS)


def resolved_under(row: Row, mark: str) -> bool:
    """True if the record was resolved under a mark."""
    return mark in find_marks(value_of(row, "close_notes"))


def is_shown(entry: Row | None, row: Row, mark: str) -> bool | None:
    """Whether the caller reads a note: by its entry of the journal, or where that is hidden by the record itself."""
    if entry is not None:
        return value_of(entry, "element") == "comments"
    return mark in find_marks(display_of(row, "comments")) if noted(row, mark) else None


def receipt_of(
    row: Row, mark: str, *, write_id: str | None = None, adopted: bool = False, public: bool | None = None
) -> WriteReceipt:
    """Receipt of a write to a record."""
    sys_id = value_of(row, "sys_id")
    return WriteReceipt(
        id=write_id or sys_id,
        ticket_id=sys_id,
        mark=mark,
        revision=value_of(row, "sys_mod_count") or None,
        adopted=adopted,
        public=public,
    )

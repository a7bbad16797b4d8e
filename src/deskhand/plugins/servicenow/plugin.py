"""The plugin: our operations in terms of the Table API.

The desk has neither idempotency keys nor optimistic locking. Notes and resolutions carry their mark as a visible last
line, where ``find_write`` looks it up. Setting fields compares before it writes, and reads the saved record afterwards:
ServiceNow ignores what it does not know or does not allow, without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from deskhand.kit.marks import find_marks
from deskhand.plugins.calls import read_aside
from deskhand.plugins.contract import (
    AttachedFile,
    ConnectionReport,
    DeskContext,
    FieldChange,
    Ignored,
    NamedValue,
    NoteDraft,
    NotePage,
    PastChangePage,
    Restored,
    SkippedTicket,
    Standing,
    Ticket,
    TicketChanges,
    TicketDraft,
    TicketEvent,
    TicketingToolPlugin,
    TicketLink,
    TicketPage,
    TicketQuery,
    ValueKind,
    WebhookRequest,
    WriteReceipt,
)
from deskhand.plugins.cursors import offset_of
from deskhand.plugins.errors import (
    DeskConflictError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskUnsupportedError,
    DeskValidationError,
)
from deskhand.plugins.history import one_ticket
from deskhand.plugins.images import to_restore
from deskhand.plugins.offered import link_note, require_filters, require_link, require_settable
from deskhand.plugins.ownership import own_config, same_account
from deskhand.plugins.receipts import created
from deskhand.plugins.servicenow import checks, history, mapping, past, records, webhook
from deskhand.plugins.servicenow.client import PAGE, ServiceNowClient
from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.plugins.servicenow.files import Files
from deskhand.plugins.servicenow.lookups import Lookups, no_such_fields
from deskhand.plugins.servicenow.manifest import DESK, MANIFEST
from deskhand.plugins.servicenow.measures import read_standing
from deskhand.plugins.servicenow.query import Query, Term, display_of, value_of, where
from deskhand.plugins.servicenow.worklogs import WorkLogs
from deskhand.plugins.signatures import SERVICENOW

_CHOICE_LISTS = {
    **{ValueKind.PRIORITIES: "priority", ValueKind.STATUSES: "state", ValueKind.CATEGORIES: "category"},
}


class ServiceNowPlugin(WorkLogs, TicketingToolPlugin):
    """One tenant's connection to ServiceNow."""

    manifest = MANIFEST
    config_model = ServiceNowConfig
    signature_schemes = (SERVICENOW,)
    config: ServiceNowConfig

    def __init__(self, config: BaseModel, context: DeskContext) -> None:
        config = own_config(ServiceNowConfig, config)
        super().__init__(config, context)
        self._client = ServiceNowClient(config, context.http)
        self._lookups = Lookups(self._client, config)
        self._priorities = mapping.priority_map(context.priority_mapping)
        self._records = records.Records(self._client, self._lookups, config, self._priorities)
        self._table = config.servicenow_table
        self._files = Files(self._client, self._table)

    # -- webhooks --------------------------------------------------------------------------------

    @classmethod
    def extract_metadata(cls, request: WebhookRequest) -> TicketEvent | Ignored:
        return webhook.extract(request)

    @classmethod
    def is_own_event(cls, config: BaseModel, event: TicketEvent) -> bool | None:
        return same_account((own_config(ServiceNowConfig, config).bot, event.actor.name))

    @classmethod
    def setup_guide(cls, *, webhook_url: str, secret: str) -> str:
        return webhook.setup_guide(webhook_url=webhook_url, secret=secret)

    # -- reading ---------------------------------------------------------------------------------

    async def test_connection(self) -> ConnectionReport:
        return await checks.run(self.config, self._client, self._lookups)

    async def get_ticket(self, ticket_id: str, *, with_notes: bool = True) -> Ticket:
        row = await self._record(ticket_id)
        if not with_notes:
            return await read_aside(mapping.read_ticket, row, self.config, self._priorities)
        notes, unread = await self._records.notes(row)
        hung = await self._files.of(row)
        ticket = await read_aside(mapping.read_ticket, row, self.config, self._priorities, notes=notes)
        return replace(ticket, attachments=hung.names, files=hung.files, unread=(*unread, *hung.unread))

    async def standing(self, ticket_id: str) -> Standing:
        return await read_standing(self._client, await self._sys_id(ticket_id))

    async def read_file(self, ticket_id: str, file: AttachedFile) -> bytes:
        del ticket_id  # a file's own id is enough, and the instance keeps the rights of what it hangs on
        return await self._files.read(file)

    async def search_tickets(self, query: TicketQuery) -> TicketPage:
        require_filters(query, MANIFEST)
        states = tuple([await self._lookups.value("state", word) for word in query.status])
        words = [self._priorities.to_desk(word) for word in query.priority]
        priorities = tuple([await self._lookups.priority(word) for word in words])
        group = await self._lookups.group(query.group) if query.group is not None else ""
        offset = offset_of(query.cursor)
        wanted = mapping.search_query(query, states, priorities, group)
        await self._lookups.require_fields(wanted.fields())
        fields, limit = mapping.read_fields(self.config), max(1, min(query.page_size, PAGE))
        page = await self._client.page(self._table, wanted, fields, limit=limit, offset=offset)
        return TicketPage(
            tickets=await read_aside(self._tickets, page.rows),
            next_cursor=None if page.next_offset is None else str(page.next_offset),
            total=page.total,
        )

    async def list_notes(
        self, ticket_id: str, *, public: bool | None = None, cursor: str | None = None, page_size: int = 50
    ) -> NotePage:
        row = await self._record(ticket_id)
        return await self._records.note_page(row, public=public, cursor=cursor, size=page_size)

    async def ticket_changes(
        self, ticket_id: str, *, cursor: str | None = None, page_size: int = 100
    ) -> PastChangePage:
        return await self._records.change_page(await self._sys_id(ticket_id), cursor, page_size)

    async def list_history(self, since: datetime, *, cursor: str | None = None, page_size: int = PAGE) -> TicketPage:
        query = history.query(history.start(since, cursor), self.config)
        await self._lookups.require_fields(query.fields())
        fields, limit = mapping.read_fields(self.config), max(1, min(page_size, PAGE))
        page = await self._client.page(self._table, query, fields, limit=limit)
        more = page.rows and page.next_offset is not None
        tickets: list[Ticket] = []
        skipped: list[SkippedTicket] = []
        for row in page.rows:
            with one_ticket(value_of(row, "number") or value_of(row, "sys_id"), skipped):
                ticket = await read_aside(mapping.read_ticket, row, self.config, self._priorities)
                tickets.append(replace(ticket, listed_at=ticket.resolved_at))
        return TicketPage(
            tickets=tuple(tickets),
            next_cursor=history.after(page.rows[-1], self.config).cursor() if more else None,
            skipped=tuple(skipped),
        )

    async def list_values(self, kind: ValueKind) -> tuple[NamedValue, ...]:
        if kind in _CHOICE_LISTS:
            choices = await self._lookups.choices(_CHOICE_LISTS[kind])
            return tuple(NamedValue(id=choice.value, name=choice.label) for choice in choices)
        if kind is ValueKind.GROUPS:
            query = where(Term("active", "=", "true"), order=("name", "sys_id"))
            rows = (await self._client.all("sys_user_group", query, ("sys_id", "name"))).whole("groups", desk=DESK)
            return tuple(NamedValue(id=value_of(row, "sys_id"), name=value_of(row, "name")) for row in rows)
        if kind is ValueKind.FIELDS:
            return tuple(records.field_value(row) for row in await self._lookups.fields())
        raise DeskUnsupportedError(f"{DESK} has no list of {kind.value}.")

    # -- writing ---------------------------------------------------------------------------------

    async def add_note(self, ticket_id: str, note: NoteDraft) -> WriteReceipt:
        sys_id = await self._sys_id(ticket_id)
        saved = await self._client.patch(
            self._table, sys_id, mapping.note_fields(note, self.config), ("sys_id", "sys_mod_count")
        )
        entry = await self._entry(sys_id, note.mark)
        row = await self._record(sys_id) if entry is None and note.mark else {}
        if row and not records.noted(row, note.mark):
            raise DeskPermissionError(f"{DESK} took the call but wrote no note; may this account write notes?")
        write_id = value_of(entry, "sys_id") if entry else None
        return records.receipt_of(saved, note.mark, write_id=write_id, public=records.is_shown(entry, row, note.mark))

    async def update_ticket(
        self, ticket_id: str, changes: TicketChanges, *, mark: str = "", if_revision: str | None = None
    ) -> WriteReceipt:
        require_settable(changes, MANIFEST)
        fields = await self._records.change_fields(changes)
        priority = None
        if changes.priority is not None:
            priority = await self._lookups.priority(self._priorities.to_desk(changes.priority))
        return await self._set(
            ticket_id, fields, mark=mark, priority=priority, note=changes.note, if_revision=if_revision
        )

    async def assign(
        self, ticket_id: str, *, assignee_email: str | None, group: str | None = None, mark: str = ""
    ) -> WriteReceipt:
        fields: dict[str, str] = {}
        if assignee_email is not None or group is None:
            fields["assigned_to"] = await self._lookups.user(assignee_email) if assignee_email is not None else ""
        if group is not None or assignee_email is None:
            fields["assignment_group"] = await self._lookups.group(group) if group is not None else ""
        return await self._set(ticket_id, fields, mark=mark)

    async def transition(self, ticket_id: str, status: str, *, mark: str = "") -> WriteReceipt:
        return await self._set(ticket_id, {"state": await self._lookups.value("state", status)}, mark=mark)

    async def resolve(self, ticket_id: str, resolution: str, *, mark: str = "") -> WriteReceipt:
        row = await self._record(ticket_id)
        if mark and records.resolved_under(row, mark):
            return records.receipt_of(row, mark, adopted=True)
        closing = await self._lookups.closing(mapping.resolution_text(resolution, mark, self.config))
        return await self._save(row, {"state": self.config.servicenow_resolved_state, **closing}, mark=mark)

    async def create_ticket(self, draft: TicketDraft, *, mark: str = "") -> WriteReceipt:
        if draft.tags:
            raise DeskUnsupportedError(f"{DESK} keeps tags outside the record; set a field through `custom` instead.")
        known = await self.find_created(mark) if mark else None
        if known is not None:
            return known
        fields = await self._records.draft_fields(draft, mark)
        row = await self._client.post(self._table, fields, mapping.read_fields(self.config))
        return created(await read_aside(mapping.read_ticket, row, self.config, self._priorities), mark)

    async def find_created(self, mark: str, *, begun_at: datetime | None = None) -> WriteReceipt | None:
        del begun_at  # a query is answered from the instance's database
        fields = mapping.read_fields(self.config)
        page = await self._client.page(self._table, mapping.created_query(mark), fields, limit=1)
        if not page.rows:
            return None
        ticket = await read_aside(mapping.read_ticket, page.rows[0], self.config, self._priorities)
        return created(ticket, mark, adopted=True)

    async def link_tickets(self, ticket_id: str, link: TicketLink, *, mark: str = "") -> WriteReceipt:
        require_link(ticket_id, link, MANIFEST)
        if link.url:
            known = await self.find_write(ticket_id, mark) if mark else None
            return known or await self.add_note(ticket_id, link_note(link, mark))
        return await self._set(ticket_id, {"parent_incident": await self._sys_id(link.ticket_id)}, mark=mark)

    # -- taking back -----------------------------------------------------------------------------

    async def restore_fields(
        self, ticket_id: str, changes: Sequence[FieldChange], *, mark: str = "", dry: bool = False
    ) -> Restored:
        names = tuple(change.vendor_field for change in changes)
        row = await self._record(ticket_id, names)
        wanted, skipped = to_restore(changes, {name: value_of(row, name) for name in names}, same=past.same)
        fields = self._records.restorable(wanted)
        receipt = await self._save(row, fields, mark=mark) if fields and not dry else None
        return Restored(receipt=receipt, skipped=skipped, fields=tuple(fields))

    async def withdraw_note(self, ticket_id: str, note_id: str, *, reason: str, mark: str = "") -> WriteReceipt:
        known = await self.find_write(ticket_id, mark) if mark else None
        if known is not None:
            return known
        notes, _ = await self._records.notes(await self._record(ticket_id))
        if (withdrawn := next((note for note in notes if note.id == note_id), None)) is None:
            raise DeskNotFoundError(f"{DESK} shows no note {note_id} of {ticket_id}.")
        # The journal keeps every entry: who read it reads the correction.
        return await self.add_note(ticket_id, NoteDraft(body=reason, public=withdrawn.public, mark=mark))

    async def unlink_tickets(self, ticket_id: str, link: TicketLink, *, mark: str = "") -> WriteReceipt:
        row = await self._record(ticket_id)
        if value_of(row, "parent_incident") != link.ticket_id:
            return records.receipt_of(row, mark, adopted=True)
        return await self._save(row, {"parent_incident": ""}, mark=mark)

    async def close_created(self, ticket_id: str, *, reason: str, mark: str = "") -> WriteReceipt:
        row = await self._record(ticket_id)
        if value_of(row, "state") in self.config.servicenow_closed_states:
            return records.receipt_of(row, mark, adopted=True)
        note = mapping.note_fields(NoteDraft(body=reason, mark=mark), self.config)
        state = self.config.servicenow_withdrawn_state
        # A state that counts as solved is not taken without what says how.
        closing = await self._lookups.closing(reason) if state in self.config.servicenow_history_states else {}
        return await self._save(row, {"state": state, **closing, **note}, mark=mark)

    async def find_write(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        row = await self._record(ticket_id)
        entry = await self._entry(value_of(row, "sys_id"), mark)
        if entry is not None:
            public = records.is_shown(entry, row, mark)
            return records.receipt_of(row, mark, write_id=value_of(entry, "sys_id"), adopted=True, public=public)
        if records.noted(row, mark) or records.resolved_under(row, mark):
            return records.receipt_of(row, mark, adopted=True, public=records.is_shown(None, row, mark))
        return None

    async def aclose(self) -> None:
        await self._client.aclose()

    # -- parts -----------------------------------------------------------------------------------

    async def _record(self, ticket_id: str, extra: tuple[str, ...] = ()) -> dict[str, Any]:
        names = (*mapping.read_fields(self.config), *mapping.JOURNALS, *extra)
        fields = tuple(dict.fromkeys(names))
        if mapping.is_sys_id(ticket_id):
            return await self._client.get(self._table, ticket_id, fields)
        return await self._by_number(ticket_id, fields)

    async def _by_number(self, number: str, fields: tuple[str, ...]) -> dict[str, Any]:
        """An id from outside that is neither a sys_id nor a number never gets into an address."""
        if mapping.is_number(number):
            page = await self._client.page(self._table, mapping.number_query(number), fields, limit=1)
            if page.rows:
                return page.rows[0]
        raise DeskNotFoundError(f"{DESK} shows this account no {self._table} '{number}'.")

    async def _sys_id(self, ticket_id: str) -> str:
        if mapping.is_sys_id(ticket_id):
            return ticket_id
        return value_of(await self._by_number(ticket_id, ("sys_id", "number")), "sys_id")

    async def _entry(self, sys_id: str, mark: str) -> dict[str, Any] | None:
        """The journal entry with a mark, or the newest of all; None if this account is shown none."""
        query: Query = mapping.journal_query(sys_id, mark=mark, newest_first=not mark)
        page = await self._client.page("sys_journal_field", query, records.NOTE_FIELDS, limit=5 if mark else 1)
        bot = self.config.bot  # whoever quotes our note quotes its mark; where the account is known, it decides
        entries = (
            entry
            for entry in page.rows
            if not mark
            or (
                mark in find_marks(value_of(entry, "value"))
                and same_account((bot, value_of(entry, "sys_created_by"))) is not False
            )
        )
        return next(entries, None)

    async def _set(
        self,
        ticket_id: str,
        fields: dict[str, str],
        *,
        mark: str,
        priority: str | None = None,
        note: NoteDraft | None = None,
        if_revision: str | None = None,
    ) -> WriteReceipt:
        """Read, compare, write, in one save. There is no lock: an editor who slips in between goes unnoticed."""
        row = await self._record(ticket_id, tuple(fields))
        missing = tuple(name for name in fields if name not in row)
        if missing:
            raise no_such_fields(self._table, missing)
        fields = {**fields, **self._records.priority_of(row, priority)}
        pending = {name: value for name, value in fields.items() if not mapping.same(row, name, value)}
        is_noted = note is None or (note.mark != "" and await self.find_write(ticket_id, note.mark) is not None)
        if not pending and is_noted:
            return records.receipt_of(row, mark, adopted=True)
        if if_revision is not None and value_of(row, "sys_mod_count") != if_revision:
            now = value_of(row, "sys_mod_count")
            raise DeskConflictError(f"The record changed since it was read (save {now}, not {if_revision}).")
        if note is not None and not is_noted:
            pending |= mapping.note_fields(note, self.config)
        wanted = {} if priority is None else {"priority": priority}
        return await self._save(row, pending, mark=mark, wanted=wanted)

    async def _save(
        self, row: Mapping[str, Any], fields: Mapping[str, str], *, mark: str, wanted: Mapping[str, str] | None = None
    ) -> WriteReceipt:
        """One PATCH, and proof that it took: unknown, read-only and forbidden fields are ignored without a word.

        Raises:
            DeskValidationError: The record does not have a value that was sent, or that should have come of it.
        """
        expected = {**fields, **(wanted or {})}
        shown = tuple(dict.fromkeys(("sys_id", "sys_mod_count", *expected)))
        saved = await self._client.patch(self._table, value_of(row, "sys_id"), fields, shown)
        refused = mapping.not_taken(saved, expected)
        if refused:
            now = ", ".join(f"{name} is '{display_of(saved, name)}'" for name in refused)
            raise DeskValidationError(
                f"{DESK} took the call but not every value (read-only, access control or a business rule): {now}.",
                fields=refused,
            )
        return replace(records.receipt_of(saved, mark), changes=past.images(row, saved, expected))

    def _tickets(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Ticket, ...]:
        return tuple(mapping.read_ticket(row, self.config, self._priorities) for row in rows)

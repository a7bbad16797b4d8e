"""The plugin: our operations in terms of the platform API v3 and of servicedeskapi.

Jira has neither idempotency keys nor optimistic locking. A note carries its mark as a visible last line; a
change of fields or status carries it in an issue property, in the same call. Both are where ``find_write``
looks. Setting fields compares before it writes: what is already so is adopted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from deskhand.plugins.calls import read_aside
from deskhand.plugins.contract import (
    AttachedFile,
    ConnectionReport,
    DeskContext,
    FieldChange,
    Ignored,
    NamedValue,
    Note,
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
from deskhand.plugins.errors import DeskUnsupportedError
from deskhand.plugins.history import one_ticket
from deskhand.plugins.images import to_restore
from deskhand.plugins.jira import fields as values
from deskhand.plugins.jira import jql, mapping, past, webhook
from deskhand.plugins.jira.config import JiraConfig
from deskhand.plugins.jira.desk import JiraDesk, issue_path, request_path
from deskhand.plugins.jira.manifest import DESK, MANIFEST
from deskhand.plugins.jira.measures import read_standing
from deskhand.plugins.jira.records import JiraRecords, adopted, ensure_revision
from deskhand.plugins.jira.wishes import Wishes
from deskhand.plugins.jira.worklogs import WorkLogs
from deskhand.plugins.offered import require_filters, require_link, require_settable
from deskhand.plugins.ownership import own_config, same_account
from deskhand.plugins.paging import Listing
from deskhand.plugins.receipts import created
from deskhand.plugins.signatures import HUB_SIGNATURE, STATIC_TOKEN

_HISTORY_PAGE = 100
_NO_COMMENTS: Listing[dict[str, Any]] = Listing([])


class JiraPlugin(WorkLogs, TicketingToolPlugin):
    """One tenant's connection to Jira Service Management Cloud."""

    manifest = MANIFEST
    config_model = JiraConfig
    signature_schemes = (HUB_SIGNATURE, STATIC_TOKEN)
    config: JiraConfig

    def __init__(self, config: BaseModel, context: DeskContext) -> None:
        super().__init__(config, context)
        self._desk = JiraDesk(own_config(JiraConfig, config), context.http)
        self._records = JiraRecords(self._desk, self.config)
        self._priorities = mapping.priority_map(context.priority_mapping)
        self._wishes = Wishes(self.config, self._priorities, self._desk, self._records)

    # -- webhooks --------------------------------------------------------------------------------

    @classmethod
    def delivery_id(cls, request: WebhookRequest) -> str | None:
        return webhook.delivery_id(request)

    @classmethod
    def sent_at(cls, request: WebhookRequest) -> datetime | None:
        return webhook.sent_at(request)

    @classmethod
    def extract_metadata(cls, request: WebhookRequest) -> TicketEvent | Ignored:
        return webhook.extract(request)

    @classmethod
    def is_own_event(cls, config: BaseModel, event: TicketEvent) -> bool | None:
        own = own_config(JiraConfig, config)
        return same_account((own.jira_account_id, event.actor.id), (own.jira_email, event.actor.email))

    @classmethod
    def setup_guide(cls, *, webhook_url: str, secret: str) -> str:
        return webhook.setup_guide(webhook_url=webhook_url, secret=secret)

    # -- reading ---------------------------------------------------------------------------------

    async def test_connection(self) -> ConnectionReport:
        return await self._desk.test_connection()

    async def get_ticket(self, ticket_id: str, *, with_notes: bool = True) -> Ticket:
        raw = await self._desk.issue(ticket_id, mapping.all_fields())
        comments = await self._desk.comments(ticket_id) if with_notes else _NO_COMMENTS
        ticket = await read_aside(self._read, raw, comments.rows)
        return replace(ticket, unread=comments.gaps("the ticket's comments"))

    def _read(self, raw: Mapping[str, Any], comments: Sequence[Mapping[str, Any]]) -> Ticket:
        notes = tuple(mapping.read_note(row) for row in comments)
        ticket = mapping.read_ticket(raw, self.config, self._priorities, notes=notes)
        return past.linked(ticket, raw)

    async def search_tickets(self, query: TicketQuery) -> TicketPage:
        require_filters(query, MANIFEST)
        reporter = await self._records.account_of(query.requester) if query.requester else ""
        # Nobody has that address, so nobody filed a ticket: a search without the filter would answer with everybody's.
        if reporter is None:
            return TicketPage(tickets=())
        names = jql.People(
            priorities=tuple(self._priorities.to_desk(word) for word in query.priority),
            group_field=self._wishes.group_field() if query.group is not None else "",
            reporter=reporter,
        )
        statement = jql.search(query, self.config.jira_project_key, await self._desk.time_zone(), names)
        page = await self._page(statement, mapping.list_fields(self.config), query.cursor, query.page_size)
        return replace(page, tickets=tuple(ticket for ticket in page.tickets if jql.holds(query, ticket)))

    async def list_notes(
        self, ticket_id: str, *, public: bool | None = None, cursor: str | None = None, page_size: int = 50
    ) -> NotePage:
        rows, following = await self._records.comment_page(ticket_id, cursor, page_size)
        notes = await read_aside(_read_notes, rows)
        return NotePage(notes=tuple(one for one in notes if public in (None, one.public)), next_cursor=following)

    async def ticket_changes(
        self, ticket_id: str, *, cursor: str | None = None, page_size: int = 100
    ) -> PastChangePage:
        rows, following = await self._records.change_page(ticket_id, cursor, page_size)
        return PastChangePage(changes=await read_aside(past.past_changes, rows, self.config), next_cursor=following)

    async def standing(self, ticket_id: str) -> Standing:
        return await read_standing(self._desk.client, request_path(ticket_id))

    async def read_file(self, ticket_id: str, file: AttachedFile) -> bytes:
        del ticket_id  # the site numbers its files, whatever they hang on
        return await self._records.file(file)

    async def list_history(
        self, since: datetime, *, cursor: str | None = None, page_size: int = _HISTORY_PAGE
    ) -> TicketPage:
        """As in the contract, reaching back two minutes before ``since``: dedupe on (id, updated_at)."""
        zone = await self._desk.time_zone()
        statement = jql.history(since, self.config.jira_project_key, zone, self.config.jira_history_field)
        names = mapping.list_fields(self.config, with_comments=True)
        rows, following = await self._desk.search(statement, names, cursor, page_size)
        tickets: list[Ticket] = []
        skipped: list[SkippedTicket] = []
        for row in rows:
            with one_ticket(row.get("key") or row.get("id"), skipped):
                ticket = await read_aside(mapping.read_ticket, row, self.config, self._priorities)
                tickets.append(replace(past.linked(ticket, row), listed_at=mapping.listed_at(row, self.config)))
        return TicketPage(tickets=tuple(tickets), next_cursor=following, skipped=tuple(skipped))

    async def list_values(self, kind: ValueKind) -> tuple[NamedValue, ...]:
        if kind is ValueKind.FIELDS:
            return await self._desk.fields()
        if kind is ValueKind.PRIORITIES:
            return await self._desk.priorities()
        if kind is ValueKind.STATUSES:
            return await self._desk.statuses()
        if kind is ValueKind.TYPES:
            return await self._records.types()
        if kind is ValueKind.GROUPS:
            return await self._desk.groups()
        raise DeskUnsupportedError(f"{DESK} has no list of {kind.value}.")

    # -- writing ---------------------------------------------------------------------------------

    async def add_note(self, ticket_id: str, note: NoteDraft) -> WriteReceipt:
        return await self._desk.write_note(ticket_id, note)

    async def update_note(self, ticket_id: str, note_id: str, note: NoteDraft) -> WriteReceipt:
        return await self._desk.rewrite_note(ticket_id, note_id, note)

    async def update_ticket(
        self, ticket_id: str, changes: TicketChanges, *, mark: str = "", if_revision: str | None = None
    ) -> WriteReceipt:
        require_settable(changes, MANIFEST)
        raw = await self._desk.issue(ticket_id, mapping.all_fields())
        wanted = await self._wanted(ticket_id, changes)
        new_labels = [values.label(tag) for tag in changes.add_tags]
        present = mapping.fields_of(raw).get("labels") or ()
        missing = [{"add": name} for name in new_labels if name not in present]
        missing += [{"remove": name} for name in map(values.label, changes.remove_tags) if name in present]
        done = not missing and values.already_set(mapping.fields_of(raw), wanted)
        if not done and if_revision is not None:
            ensure_revision(raw, if_revision)
        receipt = adopted(raw, mark)
        if not done:
            body: dict[str, Any] = {"fields": wanted} if wanted else {}
            if missing:
                body["update"] = {"labels": missing}
            receipt = await self._edit(raw, body, mark)
        note = changes.note
        if note is None or (note.mark and await self._desk.find_comment(ticket_id, note.mark)):
            return receipt
        written = await self.add_note(ticket_id, note)
        return replace(receipt, id=written.id, mark=mark or note.mark, revision=None, adopted=False)

    async def assign(
        self, ticket_id: str, *, assignee_email: str | None, group: str | None = None, mark: str = ""
    ) -> WriteReceipt:
        wanted: dict[str, Any] = {}
        if assignee_email is not None or group is None:
            account = await self._desk.account_id(ticket_id, assignee_email) if assignee_email else None
            wanted["assignee"] = None if account is None else {"accountId": account}
        if group is not None:
            wanted |= await self._encoded(ticket_id, {self._wishes.group_field(): group})
        elif assignee_email is None and self.config.jira_group_field:
            wanted[self.config.jira_group_field] = None
        raw = await self._desk.issue(ticket_id, mapping.all_fields())
        if values.already_set(mapping.fields_of(raw), wanted):
            return adopted(raw, mark)
        if set(wanted) == {"assignee"}:
            # This address needs the permission "assign issues" only, and no field on a screen.
            account_id = (wanted["assignee"] or {}).get("accountId")
            await self._desk.client.write("PUT", f"{issue_path(ticket_id)}/assignee", {"accountId": account_id})
            return await self._written(raw, mark, ["assignee"])
        return await self._edit(raw, {"fields": wanted}, mark)

    async def transition(self, ticket_id: str, status: str, *, mark: str = "") -> WriteReceipt:
        raw = await self._desk.issue(ticket_id, "status,updated")
        current = mapping.name_of(mapping.fields_of(raw).get("status")) or ""
        if current.casefold() == status.casefold():
            return adopted(raw, mark)
        chosen = await self._desk.find_transition(ticket_id, status)
        return await self._move(raw, {"transition": {"id": str(chosen["id"])}}, mark)

    async def resolve(self, ticket_id: str, resolution: str, *, mark: str = "") -> WriteReceipt:
        raw = await self._desk.issue(ticket_id, "status,updated")
        note = NoteDraft(body=resolution, public=self.config.jira_resolution_public, mark=mark)
        if mapping.is_done(mapping.fields_of(raw).get("status")):
            if mark and not await self._told(raw, mark):  # resolved by others, or our comment was lost on the way
                await self._desk.write_as_meant(ticket_id, note)
            return adopted(raw, mark)
        body = await self._desk.resolving(ticket_id)
        if note.public:  # one call for both; a comment written this way is always public
            body["update"] = {"comment": [{"add": {"body": self._desk.document(note)}}]}
        receipt = await self._move(raw, body, mark)
        # A transition without a screen drops the comment silently; an internal one is always written apart.
        if not note.public or (mark and not await self._desk.find_comment(ticket_id, mark)):
            await self._desk.write_as_meant(ticket_id, note)
        return receipt

    async def create_ticket(self, draft: TicketDraft, *, mark: str = "") -> WriteReceipt:
        known = await self._records.find_created(mark, None) if mark else None
        if known is not None:
            return await self._created(known, mark, adopted=True)
        return await self._created(await self._records.create(await self._wishes.draft(draft), mark), mark)

    async def find_created(self, mark: str, *, begun_at: datetime | None = None) -> WriteReceipt | None:
        known = await self._records.find_created(mark, begun_at)
        return None if known is None else await self._created(known, mark, adopted=True)

    async def link_tickets(self, ticket_id: str, link: TicketLink, *, mark: str = "") -> WriteReceipt:
        require_link(ticket_id, link, MANIFEST)
        if link.url:
            written = await self._records.link_elsewhere(ticket_id, link)
        else:
            written = await self._records.link_row(ticket_id, link) is None
            if written:
                await self._records.link(ticket_id, link)
        return WriteReceipt(id=link.ticket_id or link.url, ticket_id=ticket_id, mark=mark, adopted=not written)

    # -- taking back -----------------------------------------------------------------------------

    async def restore_fields(
        self, ticket_id: str, changes: Sequence[FieldChange], *, mark: str = "", dry: bool = False
    ) -> Restored:
        raw = await self._desk.issue(ticket_id, mapping.all_fields())
        current = {name: past.settable(value) for name, value in mapping.fields_of(raw).items()}
        wanted, skipped = to_restore(changes, current, same=past.same)
        restored = Restored(receipt=None, skipped=skipped, fields=tuple(wanted))
        # Jira takes a status through a transition only, and no edit can carry it.
        if not dry and wanted.pop("status", None):
            before = next(change.before_text for change in changes if change.vendor_field == "status")
            restored = replace(restored, receipt=await self.transition(ticket_id, before, mark=mark))
        if wanted and not dry:
            receipt = await self._edit(raw, {"fields": wanted}, mark)
            moved = restored.receipt.changes if restored.receipt else ()
            restored = replace(restored, receipt=replace(receipt, changes=(*moved, *receipt.changes)))
        return restored

    async def withdraw_note(self, ticket_id: str, note_id: str, *, reason: str, mark: str = "") -> WriteReceipt:
        del reason  # the site deletes our own comments, so nothing is left to be corrected
        deleted = await self._records.delete_comment(ticket_id, note_id)
        return WriteReceipt(id=note_id, ticket_id=ticket_id, mark=mark, adopted=not deleted)

    async def unlink_tickets(self, ticket_id: str, link: TicketLink, *, mark: str = "") -> WriteReceipt:
        if link.url:
            removed = await self._records.unlink_elsewhere(ticket_id, link.url)
        else:
            row = await self._records.link_row(ticket_id, link)
            removed = row is not None
            if row is not None:
                await self._records.unlink(row)
        return WriteReceipt(id=link.ticket_id or link.url, ticket_id=ticket_id, mark=mark, adopted=not removed)

    async def close_created(self, ticket_id: str, *, reason: str, mark: str = "") -> WriteReceipt:
        raw = await self._desk.issue(ticket_id, "status,updated")
        if mapping.is_done(mapping.fields_of(raw).get("status")):
            return adopted(raw, mark)
        if not mark or await self._desk.find_comment(ticket_id, mark) is None:
            await self._desk.write_as_meant(ticket_id, NoteDraft(body=reason, mark=mark))
        return await self._move(raw, await self._desk.resolving(ticket_id), mark)

    async def find_write(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        comment = await self._desk.find_comment(ticket_id, mark)
        if comment is not None:
            public = mapping.read_public(comment)
            return WriteReceipt(id=str(comment["id"]), ticket_id=ticket_id, mark=mark, adopted=True, public=public)
        raw = await self._desk.issue(ticket_id, "updated")
        marks = mapping.property_marks(raw, self.config.jira_property)
        return adopted(raw, mark) if mark in marks else None

    async def aclose(self) -> None:
        await self._desk.client.aclose()

    # -- parts -----------------------------------------------------------------------------------

    def _read_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Ticket, ...]:
        return tuple(mapping.read_ticket(row, self.config, self._priorities) for row in rows)

    async def _page(self, statement: str, names: list[str], cursor: str | None, size: int) -> TicketPage:
        rows, following = await self._desk.search(statement, names, cursor, size)
        tickets = await read_aside(self._read_rows, rows)
        return TicketPage(tickets=tickets, next_cursor=following)

    async def _created(self, ticket_id: str, mark: str, *, adopted: bool = False) -> WriteReceipt:
        return created(await self.get_ticket(ticket_id, with_notes=False), mark, adopted=adopted)

    async def _wanted(self, ticket_id: str, changes: TicketChanges) -> dict[str, Any]:
        """``fields`` of an edit, in the form the ticket's own edit metadata asks for."""
        plain = self._wishes.named(changes)
        wanted = await self._encoded(ticket_id, plain) if plain else {}
        if changes.subject is not None:
            wanted["summary"] = values.summary(changes.subject)
        if changes.assignee_email is not None:
            account = await self._desk.account_id(ticket_id, changes.assignee_email)
            wanted["assignee"] = {"accountId": account}
        return wanted

    async def _encoded(self, ticket_id: str, plain: Mapping[str, Any]) -> dict[str, Any]:
        return values.encoded(plain, await self._desk.edit_metadata(ticket_id))

    async def _told(self, raw: Mapping[str, Any], mark: str) -> bool:
        marks = mapping.property_marks(raw, self.config.jira_property)
        return mark in marks or await self._desk.find_comment(str(raw["id"]), mark) is not None

    async def _edit(self, raw: Mapping[str, Any], body: dict[str, Any], mark: str) -> WriteReceipt:
        # Sent only where it is wanted, because Jira refuses the parameter to whoever does not administer the project.
        params = None if self.config.jira_notify_users else {"notifyUsers": "false"}
        whole = self._marked(raw, body, mark)
        await self._desk.client.write("PUT", issue_path(str(raw["id"])), whole, params=params)
        return await self._written(raw, mark, [*body.get("fields", {}), *body.get("update", {})])

    async def _move(self, raw: Mapping[str, Any], body: dict[str, Any], mark: str) -> WriteReceipt:
        path = f"{issue_path(str(raw['id']))}/transitions"
        await self._desk.client.write("POST", path, self._marked(raw, body, mark))
        return await self._written(raw, mark, ["status"])

    def _marked(self, raw: Mapping[str, Any], body: dict[str, Any], mark: str) -> dict[str, Any]:
        """A write with its mark in the same call."""
        properties = mapping.property_with(raw, self.config.jira_property, mark)
        return {**body, "properties": properties} if properties else body

    async def _written(self, raw: Mapping[str, Any], mark: str, names: Sequence[str]) -> WriteReceipt:
        ticket_id = str(raw["id"])
        self._desk.wrote(ticket_id)
        saved = await self._desk.saved(ticket_id, names)
        return WriteReceipt(
            id=ticket_id,
            ticket_id=ticket_id,
            mark=mark,
            revision=str(saved["updated"]) if saved.get("updated") else None,
            changes=past.images(mapping.fields_of(raw), saved, names, self.config) if saved else (),
        )


def _read_notes(rows: Sequence[Mapping[str, Any]]) -> tuple[Note, ...]:
    return tuple(mapping.read_note(row) for row in rows)

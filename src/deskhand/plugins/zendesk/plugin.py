"""The plugin: our operations in terms of API v2.

Every write is one PUT: comment, fields, status and the idempotency mark go together, because the desk allows
30 updates of a ticket in ten minutes. The mark is kept in the update's audit (``metadata.custom``), where
``find_write`` looks it up. A stale write is refused by the desk itself (``safe_update``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from deskhand.kit.clock import utc_now
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
    Person,
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
from deskhand.plugins.errors import DeskConflictError, DeskNotFoundError, DeskProtocolError
from deskhand.plugins.history import one_ticket
from deskhand.plugins.images import to_restore
from deskhand.plugins.offered import link_note, require_filters, require_link, require_settable
from deskhand.plugins.ownership import own_config, same_account
from deskhand.plugins.paging import Listing
from deskhand.plugins.receipts import created
from deskhand.plugins.signatures import ZENDESK_SAVED
from deskhand.plugins.zendesk import checks, mapping, past, webhook
from deskhand.plugins.zendesk.client import ZendeskClient, next_cursor, page_at, rows
from deskhand.plugins.zendesk.config import ZendeskConfig
from deskhand.plugins.zendesk.files import ZendeskFiles
from deskhand.plugins.zendesk.manifest import DESK, MANIFEST
from deskhand.plugins.zendesk.measures import read_standing
from deskhand.plugins.zendesk.searching import TicketSearch
from deskhand.plugins.zendesk.values import ZendeskValues

_TAG_TRIES = 3
_EXPORT_AGE = timedelta(seconds=90)  # start_time must be a minute old; the rest is for clocks that differ
_SIDELOADS = "users,groups,organizations,metric_sets"


class ZendeskPlugin(TicketingToolPlugin):
    """One tenant's connection to Zendesk Support."""

    manifest = MANIFEST
    config_model = ZendeskConfig
    signature_schemes = (ZENDESK_SAVED,)
    config: ZendeskConfig

    def __init__(self, config: BaseModel, context: DeskContext) -> None:
        config = own_config(ZendeskConfig, config)
        super().__init__(config, context)
        self._client = ZendeskClient(config, context.http)
        self._files = ZendeskFiles(self._client, config.base_url, context.http)
        self._values = ZendeskValues(self._client)
        self._priorities = mapping.priority_map(context.priority_mapping)
        self._search = TicketSearch(self._client, self._values, self._priorities)
        self._me: Person | None = None

    # -- webhooks --------------------------------------------------------------------------------

    @classmethod
    def delivery_id(cls, request: WebhookRequest) -> str | None:
        return webhook.delivery_id(request)

    @classmethod
    def extract_metadata(cls, request: WebhookRequest) -> TicketEvent | Ignored:
        return webhook.extract(request)

    @classmethod
    def is_own_event(cls, config: BaseModel, event: TicketEvent) -> bool | None:
        own = own_config(ZendeskConfig, config)
        return same_account((own.zendesk_user_id, event.actor.id), (own.zendesk_email, event.actor.email))

    @classmethod
    def setup_guide(cls, *, webhook_url: str, secret: str) -> str:
        return webhook.setup_guide(webhook_url=webhook_url, secret=secret)

    # -- reading ---------------------------------------------------------------------------------

    async def test_connection(self) -> ConnectionReport:
        return await checks.run(self._client, self.config)

    async def get_ticket(self, ticket_id: str, *, with_notes: bool = True) -> Ticket:
        body = await self._client.get(_path(ticket_id), {"include": _SIDELOADS})
        side = await self._side(body)
        comments = await self._comments(ticket_id, side) if with_notes else None
        ticket = await read_aside(self._read, body.get("ticket"), side, comments.rows if comments else None)
        return replace(ticket, unread=comments.gaps("the ticket's comments") if comments else ())

    async def search_tickets(self, query: TicketQuery) -> TicketPage:
        require_filters(query, MANIFEST)
        page = await self._search.page(query)
        side = await self._side(page.body)
        tickets = await read_aside(self._read_rows, page.rows, side)
        return TicketPage(tickets=tickets, next_cursor=page.next_cursor, total=page.total)

    async def list_notes(
        self, ticket_id: str, *, public: bool | None = None, cursor: str | None = None, page_size: int = 50
    ) -> NotePage:
        params: dict[str, str | int] = {"include": "users", "sort_order": "desc", **page_at(cursor, page_size)}
        body = await self._client.get(f"{_path(ticket_id)}/comments", params)
        side = mapping.Sideloads()
        side.add(body)
        following = next_cursor(body)
        comments = rows(body, "comments")
        if following is None:
            comments = comments[:-1]  # the oldest comment is the description
        notes = await read_aside(mapping.read_notes, comments, side)
        return NotePage(notes=tuple(one for one in notes if public in (None, one.public)), next_cursor=following)

    async def ticket_changes(
        self, ticket_id: str, *, cursor: str | None = None, page_size: int = 100
    ) -> PastChangePage:
        params: dict[str, str | int] = {"include": "users,groups,organizations", **page_at(cursor, page_size)}
        body = await self._client.get(f"{_path(ticket_id)}/audits", params)
        side = mapping.Sideloads()
        side.add(body)
        changes = await read_aside(past.past_changes, rows(body, "audits"), side, self.config.zendesk_category_field)
        return PastChangePage(changes=changes, next_cursor=next_cursor(body))

    async def standing(self, ticket_id: str) -> Standing:
        return await read_standing(self._client, _path(ticket_id))

    async def read_file(self, ticket_id: str, file: AttachedFile) -> bytes:
        del ticket_id  # the account numbers its files, whatever they hang on
        return await self._files.read(file)

    async def list_history(self, since: datetime, *, cursor: str | None = None, page_size: int = 100) -> TicketPage:
        params: dict[str, str | int] = {"include": _SIDELOADS, "per_page": max(1, min(page_size, 1000))}
        if cursor is None:
            params["start_time"] = int(min(since, utc_now() - _EXPORT_AGE).timestamp())
        else:
            params["cursor"] = cursor
        body = await self._client.get("incremental/tickets/cursor", params)
        side = await self._side(body)
        tickets: list[Ticket] = []
        skipped: list[SkippedTicket] = []
        for row in rows(body, "tickets"):
            with one_ticket(row.get("id"), skipped):
                if mapping.listed_since(row, since):
                    tickets.append(replace(await self._resolved(row, side), listed_at=mapping.listed_at(row)))
        after = body.get("after_cursor")
        ended = bool(body.get("end_of_stream", True)) or not after
        return TicketPage(tickets=tuple(tickets), next_cursor=None if ended else str(after), skipped=tuple(skipped))

    async def list_values(self, kind: ValueKind) -> tuple[NamedValue, ...]:
        return await self._values.offered(kind)

    # -- writing ---------------------------------------------------------------------------------

    async def add_note(self, ticket_id: str, note: NoteDraft) -> WriteReceipt:
        return await self._put(ticket_id, {}, (note.mark,), note=note)

    async def update_ticket(
        self, ticket_id: str, changes: TicketChanges, *, mark: str = "", if_revision: str | None = None
    ) -> WriteReceipt:
        require_settable(changes, MANIFEST)
        fields = await self._values.change_fields(changes, self._priorities, self.config)
        marks = (mark, changes.note.mark if changes.note else "")
        tags = (changes.add_tags, changes.remove_tags)
        tries = 1 if if_revision is not None or not any(tags) else _TAG_TRIES
        while True:
            try:
                return await self._set(ticket_id, fields, marks, note=changes.note, tags=tags, if_revision=if_revision)
            except DeskConflictError:  # somebody saved between our look at the tags and the write
                tries -= 1
                if not tries:
                    raise

    async def assign(
        self, ticket_id: str, *, assignee_email: str | None, group: str | None = None, mark: str = ""
    ) -> WriteReceipt:
        fields: dict[str, Any] = {}
        if assignee_email is not None or group is None:
            fields["assignee_id"] = await self._values.agent_id(assignee_email) if assignee_email is not None else None
        if group is not None or assignee_email is None:
            fields["group_id"] = await self._values.group_id(group) if group is not None else None
        return await self._set(ticket_id, fields, (mark,))

    async def transition(self, ticket_id: str, status: str, *, mark: str = "") -> WriteReceipt:
        return await self._set(ticket_id, await self._values.status_fields(status), (mark,))

    async def resolve(self, ticket_id: str, resolution: str, *, mark: str = "") -> WriteReceipt:
        fields: dict[str, Any] = {"status": "solved"}
        if self.config.zendesk_resolution_field is not None:
            fields["custom_fields"] = [{"id": self.config.zendesk_resolution_field, "value": resolution}]
        note = NoteDraft(body=resolution, public=self.config.zendesk_resolution_public, mark=mark)
        return await self._set(ticket_id, fields, (mark,), note=note)

    async def create_ticket(self, draft: TicketDraft, *, mark: str = "") -> WriteReceipt:
        known = await self.find_created(mark) if mark else None
        if known is not None:
            return known
        fields = await self._values.draft_fields(draft, self._priorities, self.config, mark)
        await self._values.require_fields(fields)
        body = await self._client.post("tickets", {"ticket": fields}, key=mark)
        return await read_aside(self._created, body.get("ticket"), mark)

    async def find_created(self, mark: str, *, begun_at: datetime | None = None) -> WriteReceipt | None:
        del begun_at  # the list by external id is read from the desk's database
        body = await self._client.get("tickets", {"external_id": mark, "page[size]": 10})
        raw = next((row for row in rows(body, "tickets") if row.get("external_id") == mark), None)
        return None if raw is None else await read_aside(self._created, raw, mark, adopted=True)

    async def link_tickets(self, ticket_id: str, link: TicketLink, *, mark: str = "") -> WriteReceipt:
        require_link(ticket_id, link, MANIFEST)
        if link.url:
            known = await self.find_write(ticket_id, mark) if mark else None
            return known or await self.add_note(ticket_id, link_note(link, mark))
        problem = await self._raw(link.ticket_id)
        checks.ensure_problem(problem, link.ticket_id)
        return await self._set(ticket_id, {"type": "incident", "problem_id": int(problem["id"])}, (mark,))

    # -- taking back -----------------------------------------------------------------------------

    async def restore_fields(
        self, ticket_id: str, changes: Sequence[FieldChange], *, mark: str = "", dry: bool = False
    ) -> Restored:
        raw = await self._raw(ticket_id)
        wanted, skipped = to_restore(past.reachable(changes), past.flat(raw), same=past.same)
        receipt, stamp = None, str(raw.get("updated_at"))
        if wanted and not dry:
            receipt = await self._set(ticket_id, past.writable(wanted), (mark,), if_revision=stamp)
        return Restored(receipt=receipt, skipped=skipped, fields=tuple(wanted))

    async def withdraw_note(self, ticket_id: str, note_id: str, *, reason: str, mark: str = "") -> WriteReceipt:
        comments = (await self._comments(ticket_id, mapping.Sideloads())).rows
        withdrawn = next((row for row in comments if str(row.get("id")) == note_id), None)
        if withdrawn is None:
            raise DeskNotFoundError(f"{DESK} ticket {ticket_id} has no comment {note_id}.")
        note = NoteDraft(body=reason, public=bool(withdrawn.get("public")), mark=mark)  # who read it reads this
        return await self._set(ticket_id, {}, (mark,), note=note)

    async def unlink_tickets(self, ticket_id: str, link: TicketLink, *, mark: str = "") -> WriteReceipt:
        raw = await self._raw(ticket_id)
        if str(raw.get("problem_id")) != link.ticket_id:
            return WriteReceipt(id=ticket_id, ticket_id=ticket_id, mark=mark, adopted=True)
        return await self._set(ticket_id, {"problem_id": None}, (mark,))

    async def close_created(self, ticket_id: str, *, reason: str, mark: str = "") -> WriteReceipt:
        if (await self._raw(ticket_id)).get("status") in mapping.CLOSED:
            return WriteReceipt(id=ticket_id, ticket_id=ticket_id, mark=mark, adopted=True)
        return await self._set(ticket_id, {"status": "solved"}, (mark,), note=NoteDraft(body=reason, mark=mark))

    async def find_write(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        audits = await self._client.pages(f"{_path(ticket_id)}/audits", "audits")
        for page in audits.rows:
            for audit in rows(page, "audits"):
                ours = same_account((self.config.zendesk_user_id, audit.get("author_id"))) is not False
                if ours and mapping.carries_mark(audit, mark):
                    write_id = mapping.receipt_id(audit, ticket_id)
                    public = mapping.comment_public(audit)
                    return WriteReceipt(id=write_id, ticket_id=ticket_id, mark=mark, adopted=True, public=public)
        audits.ensure_none_left("the ticket's audits", desk=DESK)
        return None

    async def aclose(self) -> None:
        await self._client.aclose()

    # -- parts -----------------------------------------------------------------------------------

    async def _set(
        self,
        ticket_id: str,
        fields: Mapping[str, Any],
        marks: tuple[str, ...],
        *,
        note: NoteDraft | None = None,
        tags: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
        if_revision: str | None = None,
    ) -> WriteReceipt:
        """Look, adopt what is already so, else write everything in one PUT."""
        for mark in filter(None, marks if note is not None else ()):
            receipt = await self.find_write(ticket_id, mark)
            if receipt is not None:
                return receipt
        raw = await self._raw(ticket_id)
        wanted = dict(fields)
        if any(tags):  # `tags` replaces the list, so it is what we have seen and the new ones; the write must be safe
            removed = {tag.casefold() for tag in tags[1]}
            names = [tag for tag in (*(raw.get("tags") or ()), *tags[0]) if str(tag).casefold() not in removed]
            wanted["tags"] = list(dict.fromkeys(names))
            if_revision = if_revision or str(raw.get("updated_at"))
        if note is None and mapping.already_set(raw, wanted):
            return WriteReceipt(
                id=ticket_id, ticket_id=ticket_id, mark=_first(marks), revision=raw.get("updated_at"), adopted=True
            )
        checks.ensure_fields_exist(raw, wanted)
        if wanted.get("status") == "solved" and raw.get("assignee_id") is None and "assignee_id" not in wanted:
            wanted["assignee_id"] = int(str((await self._myself()).id))  # the desk solves no ticket of nobody
        return await self._put(ticket_id, wanted, marks, note=note, if_revision=if_revision, before=raw)

    async def _put(
        self,
        ticket_id: str,
        fields: Mapping[str, Any],
        marks: tuple[str, ...],
        *,
        note: NoteDraft | None = None,
        if_revision: str | None = None,
        before: Mapping[str, Any] | None = None,
    ) -> WriteReceipt:
        ticket: dict[str, Any] = dict(fields)
        if note is not None:
            ticket["comment"] = mapping.comment_json(note)
        if any(marks):
            ticket["metadata"] = mapping.metadata_json(filter(None, marks))
        if if_revision is not None:
            ticket.update(safe_update=True, updated_stamp=if_revision)
        body = await self._client.put(_path(ticket_id), {"ticket": ticket})
        saved = body.get("ticket")
        return WriteReceipt(
            id=mapping.receipt_id(body.get("audit"), ticket_id),
            ticket_id=ticket_id,
            mark=_first(marks),
            revision=saved.get("updated_at") if isinstance(saved, dict) else None,
            changes=past.images(before, saved, fields) if before is not None and isinstance(saved, dict) else (),
            public=mapping.comment_public(body.get("audit")),
        )

    def _created(self, raw: object, mark: str, *, adopted: bool = False) -> WriteReceipt:
        return created(self._read(raw, mapping.Sideloads()), mark, adopted=adopted)

    async def _raw(self, ticket_id: str) -> dict[str, Any]:
        raw = (await self._client.get(_path(ticket_id))).get("ticket")
        if not isinstance(raw, dict):
            raise DeskProtocolError(f"{DESK} answered without a ticket.")
        return raw

    async def _myself(self) -> Person:
        if self._me is None:
            self._me = await checks.current_user(self._client)
        return self._me

    async def _side(self, body: Mapping[str, Any]) -> mapping.Sideloads:
        side = mapping.Sideloads(status_labels=await self._values.status_labels())
        side.add(body)
        return side

    async def _comments(self, ticket_id: str, side: mapping.Sideloads) -> Listing[dict[str, Any]]:
        """All comments, oldest first: the first is the description."""
        comments: list[dict[str, Any]] = []
        # A screenshot in a mail stands in the text of its comment, and is listed only where it is asked for.
        params = {"include": "users", "include_inline_images": "true"}
        pages = await self._client.pages(f"{_path(ticket_id)}/comments", "comments", params)
        for page in pages.rows:
            side.add(page)
            comments += rows(page, "comments")
        return Listing(comments, pages.is_cut)

    async def _resolved(self, row: Mapping[str, Any], side: mapping.Sideloads) -> Ticket:
        """A ticket of the history; its comments are read unless a field keeps the resolution."""
        ticket = await read_aside(self._read, row, side)
        if ticket.resolution:
            return ticket
        comments = (await self._comments(ticket.id, side)).whole("the ticket's comments", desk=DESK)
        return await read_aside(self._read, row, side, comments)

    def _read_rows(self, tickets: Sequence[Mapping[str, Any]], side: mapping.Sideloads) -> tuple[Ticket, ...]:
        return tuple(self._read(row, side) for row in tickets)

    def _read(
        self, raw: object, side: mapping.Sideloads, comments: Sequence[Mapping[str, Any]] | None = None
    ) -> Ticket:
        return mapping.read_ticket(raw, self.config, self._priorities, side, comments=comments)


def _path(ticket_id: str) -> str:
    return f"tickets/{quote(ticket_id, safe='')}"  # an id from outside must not become another address


def _first(marks: tuple[str, ...]) -> str:
    return next(filter(None, marks), "")

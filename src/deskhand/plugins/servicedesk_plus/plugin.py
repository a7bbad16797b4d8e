"""The plugin: our operations in terms of API v3.

The desk has neither idempotency keys nor optimistic locking. Notes and resolutions carry their mark as
a visible last line, where ``find_write`` looks it up. Setting fields compares before it writes: what is
already so is adopted, so repeating a change is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from deskhand.kit.marks import find_marks, with_mark
from deskhand.kit.times import read_number
from deskhand.plugins import cursors
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
from deskhand.plugins.cursors import offset_of
from deskhand.plugins.errors import DeskError, DeskUnsupportedError
from deskhand.plugins.history import one_ticket
from deskhand.plugins.images import to_restore
from deskhand.plugins.offered import link_note, require_filters, require_link, require_settable
from deskhand.plugins.ownership import own_config, same_account
from deskhand.plugins.receipts import created
from deskhand.plugins.servicedesk_plus import history, mapping, past, webhook
from deskhand.plugins.servicedesk_plus.client import ServiceDeskClient
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.desk import WHOSE_KEY, Requests, path_of, receipt_of, rows_of
from deskhand.plugins.servicedesk_plus.manifest import DESK, MANIFEST
from deskhand.plugins.servicedesk_plus.measures import read_standing
from deskhand.plugins.servicedesk_plus.worklogs import WorkLogs
from deskhand.plugins.signatures import STANDARD_WEBHOOKS, STATIC_TOKEN
from deskhand.plugins.text import markdown_to_html

_VALUE_PATHS = {
    **{ValueKind.PRIORITIES: "priorities", ValueKind.STATUSES: "statuses", ValueKind.GROUPS: "groups"},
    **{ValueKind.CATEGORIES: "categories", ValueKind.TYPES: "request_types"},
}
_SETTABLE = (
    *("subject", "description", "status", "priority", "urgency", "impact", "level", "mode", "request_type"),
    *("category", "subcategory", "item", "group", "technician", "site", "resolution"),
)
_PAGE = 100
_LONGEST_NUMBER = 12


class ServiceDeskPlusPlugin(WorkLogs, TicketingToolPlugin):
    """One tenant's connection to ServiceDesk Plus."""

    manifest = MANIFEST
    config_model = ServiceDeskPlusConfig
    signature_schemes = (STANDARD_WEBHOOKS, STATIC_TOKEN)
    config: ServiceDeskPlusConfig

    def __init__(self, config: BaseModel, context: DeskContext) -> None:
        config = own_config(ServiceDeskPlusConfig, config)
        super().__init__(config, context)
        self._client = ServiceDeskClient(config, context.http)
        self._requests = Requests(self._client, config)
        self._priorities = mapping.priority_map(context.priority_mapping)

    # -- webhooks --------------------------------------------------------------------------------

    @classmethod
    def extract_metadata(cls, request: WebhookRequest) -> TicketEvent | Ignored:
        return webhook.extract(request)

    @classmethod
    def is_own_event(cls, config: BaseModel, event: TicketEvent) -> bool | None:
        bot, actor = own_config(ServiceDeskPlusConfig, config).servicedesk_bot_email, event.actor
        if actor.email:
            return same_account((bot, actor.email))
        # A webhook's variables give a name or an address in one field; another name tells nothing about an address.
        return same_account((bot, actor.name)) or None

    @classmethod
    def company_field(cls, config: BaseModel) -> str | None:
        return own_config(ServiceDeskPlusConfig, config).servicedesk_company_field

    @classmethod
    def setup_guide(cls, *, webhook_url: str, secret: str) -> str:
        return webhook.setup_guide(webhook_url=webhook_url, secret=secret)

    # -- reading ---------------------------------------------------------------------------------

    async def test_connection(self) -> ConnectionReport:
        checks: list[tuple[str, bool, str]] = []
        probes = (
            ("Address, credentials and reading requests", "requests"),
            ("Permission to read priorities", "priorities"),
        )
        for title, path in probes:
            # Probed one after another and given up at the first failure: without a working key the second tells nothing
            # new.
            try:
                await self._client.get(path, {"list_info": {"row_count": 1}})
            except DeskError as error:
                checks.append((title, False, error.detail))
                break
            checks.append((title, True, "works"))
        else:
            checks.append(WHOSE_KEY)
        email = self.config.servicedesk_bot_email
        return ConnectionReport(
            ok=all(passed for _, passed, _ in checks),
            checks=tuple(checks),
            account=Person(email=email) if email else None,
        )

    async def get_ticket(self, ticket_id: str, *, with_notes: bool = True) -> Ticket:
        raw = await self._requests.get(ticket_id)
        # A request without notes spares the second call; builds that do not say are asked.
        if not with_notes or not raw.get("has_notes", True):
            return await read_aside(mapping.read_ticket, raw, self.config, self._priorities)
        listing = await self._requests.notes(ticket_id)
        ticket = await read_aside(mapping.read_ticket, raw, self.config, self._priorities, notes=listing.rows)
        return replace(ticket, unread=listing.gaps("the ticket's notes"))

    async def standing(self, ticket_id: str) -> Standing:
        return await read_standing(self._requests, ticket_id)

    async def id_of(self, number: str) -> str:
        """The pages show ``display_id``; the API knows requests by an id of eighteen digits alone."""
        if not number.isdecimal() or len(number) > _LONGEST_NUMBER:
            return number
        rows = rows_of(await self._client.get("requests", mapping.number_list_info(number, self.config)), "requests")
        return next((str(row["id"]) for row in rows if str(row.get("display_id")) == number), number)

    async def read_file(self, ticket_id: str, file: AttachedFile) -> bytes:
        return await self._requests.file(ticket_id, file)

    async def search_tickets(self, query: TicketQuery) -> TicketPage:
        require_filters(query, MANIFEST)
        return await self._page(mapping.search_list_info(query, self._priorities, self.config))

    async def list_notes(
        self, ticket_id: str, *, public: bool | None = None, cursor: str | None = None, page_size: int = 50
    ) -> NotePage:
        start, size = offset_of(cursor), cursors.page_size(page_size)
        # No vendor page says that notes can be listed in another order.
        rows = (await self._requests.notes(ticket_id)).whole("notes", desk=DESK)
        notes = sorted(await read_aside(_read_notes, rows), key=_age, reverse=True)
        wanted = [note for note in notes if public is None or note.public is public]
        following = str(start + size) if start + size < len(wanted) else None
        return NotePage(notes=tuple(wanted[start : start + size]), next_cursor=following)

    async def ticket_changes(
        self, ticket_id: str, *, cursor: str | None = None, page_size: int = _PAGE
    ) -> PastChangePage:
        info = {"row_count": cursors.page_size(page_size), "start_index": offset_of(cursor, first=1)}
        body = await self._client.get(f"{path_of(ticket_id)}/history", {"list_info": info})
        rows = rows_of(body, "history", "request_history")
        changes = await read_aside(past.past_changes, rows)
        return PastChangePage(changes=changes, next_cursor=mapping.next_cursor(body, len(rows)))

    async def list_history(self, since: datetime, *, cursor: str | None = None, page_size: int = _PAGE) -> TicketPage:
        field = self.config.servicedesk_history_field
        position = history.Position.of(since, cursor)
        body = await self._client.get("requests", history.list_info(position, self.config, page_size))
        rows = rows_of(body, "requests")
        tickets: list[Ticket] = []
        skipped: list[SkippedTicket] = []
        for row in rows:
            with one_ticket(row.get("display_id") or row.get("id"), skipped):
                ticket = await read_aside(mapping.read_ticket, row, self.config, self._priorities)
                tickets.append(replace(ticket, listed_at=mapping.read_time(row.get(field))))
        more = mapping.next_cursor(body, len(rows)) is not None
        following = position.after([row.get(field) for row in rows]).cursor() if more else None
        return TicketPage(tickets=tuple(tickets), next_cursor=following, skipped=tuple(skipped))

    async def list_values(self, kind: ValueKind) -> tuple[NamedValue, ...]:
        if kind is ValueKind.FIELDS:
            return await self._fields()
        path = _VALUE_PATHS.get(kind)
        if path is None:
            raise DeskUnsupportedError(f"{DESK} has no list of {kind.value}.")
        rows = (await self._requests.all(path, path)).whole(path, desk=DESK)
        return tuple(NamedValue(id=str(row.get("id")), name=str(row.get("name"))) for row in rows)

    # -- writing ---------------------------------------------------------------------------------

    async def add_note(self, ticket_id: str, note: NoteDraft) -> WriteReceipt:
        body = await self._client.write("POST", f"{path_of(ticket_id)}/notes", mapping.note_body(note, self.config))
        written = body.get(self.config.note_key) or body.get("note")  # some builds answer with the other dialect's key
        public, stamp = mapping.read_public(written), await self._requests.stamp(ticket_id)
        note_id = mapping.read_note(written).id
        return WriteReceipt(id=note_id, ticket_id=ticket_id, mark=note.mark, revision=stamp, public=public)

    async def update_note(self, ticket_id: str, note_id: str, note: NoteDraft) -> WriteReceipt:
        path = f"{path_of(ticket_id)}/notes/{quote(note_id, safe='')}"
        body = await self._client.write("PUT", path, mapping.note_body(note, self.config))
        public = mapping.read_public(body.get(self.config.note_key) or body.get("note"))
        stamp = await self._requests.stamp(ticket_id)
        return WriteReceipt(id=note_id, ticket_id=ticket_id, mark=note.mark, revision=stamp, public=public)

    async def update_ticket(
        self, ticket_id: str, changes: TicketChanges, *, mark: str = "", if_revision: str | None = None
    ) -> WriteReceipt:
        require_settable(changes, MANIFEST)
        fields = mapping.change_fields(changes, self._priorities)
        receipt = await self._requests.set(ticket_id, fields, mark=mark, if_revision=if_revision, reason=mark)
        note = changes.note
        if note is None or (note.mark and await self.find_write(ticket_id, note.mark)):
            return receipt
        written = await self.add_note(ticket_id, note)
        return replace(receipt, id=written.id, mark=mark or note.mark, revision=written.revision, adopted=False)

    async def assign(
        self, ticket_id: str, *, assignee_email: str | None, group: str | None = None, mark: str = ""
    ) -> WriteReceipt:
        fields: dict[str, Any] = {}
        if assignee_email is not None or group is None:
            fields["technician"] = {"email_id": assignee_email} if assignee_email is not None else None
        if group is not None or assignee_email is None:
            fields["group"] = {"name": group} if group is not None else None
        return await self._requests.set(ticket_id, fields, mark=mark, reason=mark)

    async def transition(self, ticket_id: str, status: str, *, mark: str = "") -> WriteReceipt:
        return await self._requests.set(ticket_id, {"status": {"name": status}}, mark=mark, status_change_comments=mark)

    async def resolve(self, ticket_id: str, resolution: str, *, mark: str = "") -> WriteReceipt:
        raw = await self._requests.get(ticket_id)
        status = {"name": self.config.servicedesk_resolved_status}
        if mark and _resolved_under(raw, mark):
            return receipt_of(raw, mark, adopted=True)
        content = markdown_to_html(with_mark(resolution, mark))
        # Status and text in one PUT: a worker that dies between two calls would leave a resolved ticket that says
        # nothing.
        return await self._requests.put(raw, {"status": status, "resolution": {"content": content}}, mark=mark)

    async def create_ticket(self, draft: TicketDraft, *, mark: str = "") -> WriteReceipt:
        if draft.tags:
            raise DeskUnsupportedError(f"{DESK} requests have no tags; set a udf_ field through `custom` instead.")
        # An earlier attempt may have filed it and died before its answer: the desk has no idempotency key.
        known = await self.find_created(mark) if mark else None
        if known is not None:
            return known
        fields = mapping.draft_fields(draft, self._priorities, self.config, mark)
        raw = (await self._client.write("POST", "requests", {"request": fields})).get("request")
        return await read_aside(self._created, raw, mark)

    async def find_created(self, mark: str, *, begun_at: datetime | None = None) -> WriteReceipt | None:
        del begun_at  # a list of requests is read from the desk's database
        rows = rows_of(await self._client.get("requests", mapping.created_list_info(mark, self.config)), "requests")
        raw = next((row for row in rows if mapping.carries_mark(row, mark, self.config)), None)
        return None if raw is None else await read_aside(self._created, raw, mark, adopted=True)

    async def link_tickets(self, ticket_id: str, link: TicketLink, *, mark: str = "") -> WriteReceipt:
        require_link(ticket_id, link, MANIFEST)
        if link.url:
            known = await self.find_write(ticket_id, mark) if mark else None
            return known or await self.add_note(ticket_id, link_note(link, mark))
        # Looked up first: a link has no mark to be found by, and an earlier attempt may have made it and died.
        if link.ticket_id in await self._requests.links(ticket_id):
            return WriteReceipt(id=link.ticket_id, ticket_id=ticket_id, mark=mark, adopted=True)
        row = {"linked_request": {"id": link.ticket_id}, "comments": mark}
        await self._client.write("POST", f"{path_of(ticket_id)}/link_requests", {"link_requests": [row]})
        stamp = await self._requests.stamp(ticket_id)
        return WriteReceipt(id=link.ticket_id, ticket_id=ticket_id, mark=mark, revision=stamp)

    async def find_write(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        notes = await self._requests.notes(ticket_id)
        row = self._requests.note_with(notes.rows, mark)
        if row is not None:
            public = mapping.read_public(row)
            return WriteReceipt(id=str(row.get("id")), ticket_id=ticket_id, mark=mark, adopted=True, public=public)
        raw = await self._requests.get(ticket_id)
        if _resolved_under(raw, mark):
            return receipt_of(raw, mark, adopted=True)
        # "Not there" must be certain before the write is made again; a list that was cut leaves it open.
        notes.ensure_none_left("the ticket's notes", desk=DESK)
        return None

    # -- taking back -----------------------------------------------------------------------------

    async def restore_fields(
        self, ticket_id: str, changes: Sequence[FieldChange], *, mark: str = "", dry: bool = False
    ) -> Restored:
        raw = await self._requests.get(ticket_id)
        wanted, skipped = to_restore(changes, past.flat(raw), same=past.same)
        restored = Restored(receipt=None, skipped=skipped, fields=tuple(wanted))
        if dry or not wanted:
            return restored
        # Named as the desk's fields and not as ours: the history tells a change in the vendor's own names.
        fields = mapping.custom_fields(past.writable(wanted))
        comments = {"update_reason": mark} if mark else {}
        return replace(restored, receipt=await self._requests.put(raw, fields, mark=mark, comments=comments))

    async def withdraw_note(self, ticket_id: str, note_id: str, *, reason: str, mark: str = "") -> WriteReceipt:
        del reason  # the desk deletes notes, so nothing is left to be corrected
        path = f"{path_of(ticket_id)}/notes/{quote(note_id, safe='')}"
        notes = await self._requests.notes(ticket_id)
        known = {str(row.get("id")) for row in notes.rows}
        # A list that was cut may hold the note in the part that was not read, so the desk is asked to delete it in any
        # case.
        if note_id in known or notes.is_cut:
            await self._client.delete(path)
        stamp = await self._requests.stamp(ticket_id)
        return WriteReceipt(id=note_id, ticket_id=ticket_id, mark=mark, revision=stamp, adopted=note_id not in known)

    async def unlink_tickets(self, ticket_id: str, link: TicketLink, *, mark: str = "") -> WriteReceipt:
        linked = link.ticket_id in await self._requests.links(ticket_id)
        if linked:
            rows = {"link_requests": [{"linked_request": {"id": link.ticket_id}}]}
            await self._client.delete(f"{path_of(ticket_id)}/link_requests", rows)
        return WriteReceipt(id=link.ticket_id, ticket_id=ticket_id, mark=mark, adopted=not linked)

    async def is_linked(self, ticket_id: str, link: TicketLink) -> bool:
        return bool(link.url) or link.ticket_id in await self._requests.links(ticket_id)

    async def close_created(self, ticket_id: str, *, reason: str, mark: str = "") -> WriteReceipt:
        raw = await self._requests.get(ticket_id)
        if (await read_aside(mapping.read_ticket, raw, self.config, self._priorities)).is_closed:
            return receipt_of(raw, mark, adopted=True)
        # The requester has acknowledged nothing: what is closed here is a ticket of our own that is taken back.
        info = {"requester_ack_resolution": False, "closure_comments": with_mark(reason, mark)}
        await self._client.write("PUT", f"{path_of(ticket_id)}/close", {"request": {"closure_info": info}})
        return receipt_of(await self._requests.get(ticket_id), mark)

    async def aclose(self) -> None:
        await self._client.aclose()

    # -- parts -----------------------------------------------------------------------------------

    def _created(self, raw: object, mark: str, *, adopted: bool = False) -> WriteReceipt:
        return created(mapping.read_ticket(raw, self.config, self._priorities), mark, adopted=adopted)

    def _read_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Ticket, ...]:
        return tuple(mapping.read_ticket(row, self.config, self._priorities) for row in rows)

    async def _page(self, list_info: Mapping[str, Any]) -> TicketPage:
        body = await self._client.get("requests", list_info)
        rows = rows_of(body, "requests")
        total = read_number(mapping.info_of(body).get("total_count"))
        return TicketPage(
            tickets=await read_aside(self._read_rows, rows),
            next_cursor=mapping.next_cursor(body, len(rows)),
            total=None if total is None else int(total),
        )

    async def _fields(self) -> tuple[NamedValue, ...]:
        """Documented fields, and the additional ones this instance shows on its newest request."""
        info = {"row_count": 1, "sort_field": "created_time", "sort_order": "desc", "fields_required": ["udf_fields"]}
        rows = rows_of(await self._client.get("requests", {"list_info": info}), "requests")
        # The API has no list of a desk's additional fields; a request shows those it has.
        udf = rows[0].get("udf_fields") if rows else None
        names = [*_SETTABLE, *(udf if isinstance(udf, dict) else ())]
        return tuple(NamedValue(id=name, name=name, extra={"custom": name.startswith("udf_")}) for name in names)


def _read_notes(rows: Sequence[Mapping[str, Any]]) -> tuple[Note, ...]:
    return tuple(mapping.read_note(row) for row in rows)


def _age(note: Note) -> tuple[float, str]:
    return (note.created_at.timestamp() if note.created_at else 0.0, note.id)


def _resolved_under(raw: Mapping[str, Any], mark: str) -> bool:
    return mark in find_marks(mapping.resolution_html(raw) or "")

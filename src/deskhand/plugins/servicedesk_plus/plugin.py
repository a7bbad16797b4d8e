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
from deskhand.plugins.calls import read_aside
from deskhand.plugins.contract import (
    ConnectionReport,
    DeskContext,
    Ignored,
    NamedValue,
    Note,
    NoteDraft,
    Person,
    SkippedTicket,
    Ticket,
    TicketChanges,
    TicketEvent,
    TicketingToolPlugin,
    TicketPage,
    TicketQuery,
    ValueKind,
    WebhookRequest,
    WriteReceipt,
)
from deskhand.plugins.errors import DeskConflictError, DeskError, DeskProtocolError, DeskUnsupportedError
from deskhand.plugins.history import one_ticket
from deskhand.plugins.ownership import own_config, same_account
from deskhand.plugins.paging import Listing, read_pages
from deskhand.plugins.servicedesk_plus import history, mapping, webhook
from deskhand.plugins.servicedesk_plus.client import ServiceDeskClient
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.manifest import DESK, MANIFEST
from deskhand.plugins.signatures import STANDARD_WEBHOOKS, STATIC_TOKEN
from deskhand.plugins.text import markdown_to_html

_VALUE_PATHS = {ValueKind.PRIORITIES: "priorities", ValueKind.STATUSES: "statuses", ValueKind.GROUPS: "groups"}
_SETTABLE = (
    *("subject", "description", "status", "priority", "urgency", "impact", "level", "mode", "request_type"),
    *("category", "subcategory", "item", "group", "technician", "site", "resolution"),
)
_PAGE = 100


class ServiceDeskPlusPlugin(TicketingToolPlugin):
    """One tenant's connection to ServiceDesk Plus."""

    manifest = MANIFEST
    config_model = ServiceDeskPlusConfig
    signature_schemes = (STANDARD_WEBHOOKS, STATIC_TOKEN)
    config: ServiceDeskPlusConfig

    def __init__(self, config: BaseModel, context: DeskContext) -> None:
        config = own_config(ServiceDeskPlusConfig, config)
        super().__init__(config, context)
        self._client = ServiceDeskClient(config, context.http)
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
            try:
                await self._client.get(path, {"list_info": {"row_count": 1}})
            except DeskError as error:
                checks.append((title, False, error.detail))
                break
            checks.append((title, True, "works"))
        email = self.config.servicedesk_bot_email
        return ConnectionReport(
            ok=all(passed for _, passed, _ in checks),
            checks=tuple(checks),
            account=Person(email=email) if email else None,
        )

    async def get_ticket(self, ticket_id: str, *, with_notes: bool = True) -> Ticket:
        raw = await self._request(ticket_id)
        if not with_notes or not raw.get("has_notes", True):
            return await read_aside(mapping.read_ticket, raw, self.config, self._priorities)
        listing = await self._raw_notes(ticket_id)
        notes = await read_aside(_read_notes, listing.rows)
        ticket = await read_aside(mapping.read_ticket, raw, self.config, self._priorities, notes=notes)
        return replace(ticket, unread=listing.gaps("the ticket's notes"))

    async def search_tickets(self, query: TicketQuery) -> TicketPage:
        return await self._page(mapping.search_list_info(query))

    async def list_history(self, since: datetime, *, cursor: str | None = None, page_size: int = _PAGE) -> TicketPage:
        field = self.config.servicedesk_history_field
        position = history.Position.of(since, cursor)
        body = await self._client.get("requests", history.list_info(position, self.config, page_size))
        rows = _rows(body, "requests")
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
        rows = (await self._all(path, path)).whole(path, desk=DESK)
        return tuple(NamedValue(id=str(row.get("id")), name=str(row.get("name"))) for row in rows)

    # -- writing ---------------------------------------------------------------------------------

    async def add_note(self, ticket_id: str, note: NoteDraft) -> WriteReceipt:
        body = await self._client.write("POST", f"{_path(ticket_id)}/notes", mapping.note_body(note, self.config))
        written = body.get(self.config.note_key) or body.get("note")  # some builds answer with the other dialect's key
        note_id = mapping.read_note(written).id
        return WriteReceipt(id=note_id, ticket_id=ticket_id, mark=note.mark, revision=await self._stamp(ticket_id))

    async def update_ticket(
        self, ticket_id: str, changes: TicketChanges, *, mark: str = "", if_revision: str | None = None
    ) -> WriteReceipt:
        if changes.add_tags:
            raise DeskUnsupportedError(f"{DESK} requests have no tags; set a udf_ field through `custom` instead.")
        fields = mapping.change_fields(changes, self._priorities)
        receipt = await self._set(ticket_id, fields, mark=mark, if_revision=if_revision, reason=mark)
        note = changes.note
        if note is None or (note.mark and await self.find_write(ticket_id, note.mark)):
            return receipt
        written = await self.add_note(ticket_id, note)
        return WriteReceipt(id=written.id, ticket_id=ticket_id, mark=mark or note.mark, revision=written.revision)

    async def assign(
        self, ticket_id: str, *, assignee_email: str | None, group: str | None = None, mark: str = ""
    ) -> WriteReceipt:
        fields: dict[str, Any] = {}
        if assignee_email is not None or group is None:
            fields["technician"] = {"email_id": assignee_email} if assignee_email is not None else None
        if group is not None or assignee_email is None:
            fields["group"] = {"name": group} if group is not None else None
        return await self._set(ticket_id, fields, mark=mark, reason=mark)

    async def transition(self, ticket_id: str, status: str, *, mark: str = "") -> WriteReceipt:
        return await self._set(ticket_id, {"status": {"name": status}}, mark=mark, status_change_comments=mark)

    async def resolve(self, ticket_id: str, resolution: str, *, mark: str = "") -> WriteReceipt:
        raw = await self._request(ticket_id)
        status = {"name": self.config.servicedesk_resolved_status}
        if mark and _resolved_under(raw, mark):
            return _receipt(raw, mark, adopted=True)
        content = markdown_to_html(with_mark(resolution, mark))
        return await self._put(ticket_id, {"status": status, "resolution": {"content": content}}, mark=mark)

    async def find_write(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        notes = await self._raw_notes(ticket_id)
        for row in notes.rows:
            if mark in find_marks(str(row.get("description") or "")) and self._may_be_ours(row):
                return WriteReceipt(id=str(row.get("id")), ticket_id=ticket_id, mark=mark, adopted=True)
        raw = await self._request(ticket_id)
        if _resolved_under(raw, mark):
            return _receipt(raw, mark, adopted=True)
        notes.ensure_none_left("the ticket's notes", desk=DESK)
        return None

    async def aclose(self) -> None:
        await self._client.aclose()

    # -- parts -----------------------------------------------------------------------------------

    def _may_be_ours(self, row: Mapping[str, Any]) -> bool:
        """Whoever quotes our note quotes its mark; where the account is known, it decides."""
        author = mapping.read_person(row.get("added_by")) or Person()
        return same_account((self.config.servicedesk_bot_email, author.email)) is not False

    async def _stamp(self, ticket_id: str) -> str | None:
        """The ticket's stamp after a note, which is all that a webhook action tells of it; None if unreadable."""
        try:
            return mapping.revision_of(await self._request(ticket_id))
        except DeskError:
            return None  # the note is there all the same

    async def _request(self, ticket_id: str) -> dict[str, Any]:
        raw = (await self._client.get(_path(ticket_id))).get("request")
        if not isinstance(raw, dict):
            raise DeskProtocolError(f"{DESK} answered without a request.")
        return raw

    async def _set(
        self,
        ticket_id: str,
        fields: Mapping[str, Any],
        *,
        mark: str,
        if_revision: str | None = None,
        reason: str = "",
        status_change_comments: str = "",
    ) -> WriteReceipt:
        """Read, compare, write. The vendor has no lock: an editor who slips in between goes unnoticed."""
        raw = await self._request(ticket_id)
        if mapping.already_set(raw, fields):
            return _receipt(raw, mark, adopted=True)
        if if_revision is not None and mapping.revision_of(raw) != if_revision:
            raise DeskConflictError(f"The ticket changed since it was read (now {mapping.revision_of(raw)}).")
        comments = {"update_reason": reason, "status_change_comments": status_change_comments}
        return await self._put(ticket_id, {**fields, **{k: v for k, v in comments.items() if v}}, mark=mark)

    async def _put(self, ticket_id: str, fields: Mapping[str, Any], *, mark: str) -> WriteReceipt:
        body = await self._client.write("PUT", _path(ticket_id), {"request": dict(fields)})
        raw = body.get("request")
        return _receipt(raw if isinstance(raw, dict) else {"id": ticket_id}, mark)

    def _read_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Ticket, ...]:
        return tuple(mapping.read_ticket(row, self.config, self._priorities) for row in rows)

    async def _page(self, list_info: Mapping[str, Any]) -> TicketPage:
        body = await self._client.get("requests", list_info)
        rows = _rows(body, "requests")
        total = read_number(mapping.info_of(body).get("total_count"))
        return TicketPage(
            tickets=await read_aside(self._read_rows, rows),
            next_cursor=mapping.next_cursor(body, len(rows)),
            total=None if total is None else int(total),
        )

    async def _raw_notes(self, ticket_id: str) -> Listing[dict[str, Any]]:
        return await self._all(f"{_path(ticket_id)}/notes", "notes", f"{self.config.note_key}s")

    async def _all(self, path: str, *keys: str) -> Listing[dict[str, Any]]:
        """Every row of a list, page by page."""

        async def read(start: str) -> tuple[list[dict[str, Any]], str | None]:
            body = await self._client.get(path, {"list_info": {"row_count": _PAGE, "start_index": int(start)}})
            page = _rows(body, *keys)
            return page, mapping.next_cursor(body, len(page))

        return await read_pages(read, "1")

    async def _fields(self) -> tuple[NamedValue, ...]:
        """Documented fields, and the additional ones this instance shows on its newest request."""
        info = {"row_count": 1, "sort_field": "created_time", "sort_order": "desc", "fields_required": ["udf_fields"]}
        rows = _rows(await self._client.get("requests", {"list_info": info}), "requests")
        udf = rows[0].get("udf_fields") if rows else None
        names = [*_SETTABLE, *(udf if isinstance(udf, dict) else ())]
        return tuple(NamedValue(id=name, name=name, extra={"custom": name.startswith("udf_")}) for name in names)


def _read_notes(rows: Sequence[Mapping[str, Any]]) -> tuple[Note, ...]:
    return tuple(mapping.read_note(row) for row in rows)


def _path(ticket_id: str) -> str:
    return f"requests/{quote(ticket_id, safe='')}"  # an id from outside must not become another address


def _rows(body: Mapping[str, Any], *keys: str) -> list[dict[str, Any]]:
    for key in keys:
        rows = body.get(key)
        if isinstance(rows, list):
            return [row for row in rows if isinstance(row, dict)]
    raise DeskProtocolError(f"{DESK} answered without a list of {keys[0]}.")


def _resolved_under(raw: Mapping[str, Any], mark: str) -> bool:
    return mark in find_marks(mapping.resolution_html(raw) or "")


def _receipt(raw: Mapping[str, Any], mark: str, *, adopted: bool = False) -> WriteReceipt:
    ticket_id = str(raw["id"])
    return WriteReceipt(
        id=ticket_id, ticket_id=ticket_id, mark=mark, revision=mapping.revision_of(raw), adopted=adopted
    )

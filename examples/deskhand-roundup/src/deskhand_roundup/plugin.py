"""The plugin: our operations in terms of Roundup's REST interface.

A message is two calls: it is made, then linked to its issue. Its ``messageid`` carries the mark and the issue,
so a try that stopped between the two is taken up by the next one and leaves no second message. Every change of
an issue names the entity tag that was read; the tracker itself refuses a stale one (412).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from deskhand.kit.marks import find_marks
from deskhand.plugins.contract import (
    ConnectionReport,
    DeskContext,
    Ignored,
    NamedValue,
    NoteDraft,
    Person,
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
from deskhand.plugins.errors import (
    DeskError,
    DeskNotFoundError,
    DeskProtocolError,
    DeskUnsupportedError,
    DeskValidationError,
)
from deskhand.plugins.offered import require_filters, require_settable
from deskhand.plugins.ownership import own_config, same_account
from deskhand.plugins.signatures import STANDARD_WEBHOOKS
from deskhand_roundup import mapping, webhook
from deskhand_roundup.client import RoundupClient
from deskhand_roundup.config import RoundupConfig
from deskhand_roundup.manifest import DESK, MANIFEST

_CLASSES = {ValueKind.PRIORITIES: "priority", ValueKind.STATUSES: "status"}
_IDS_PER_CALL = 100


class RoundupPlugin(TicketingToolPlugin):
    """One tenant's connection to a Roundup tracker."""

    manifest = MANIFEST
    config_model = RoundupConfig
    signature_schemes = (STANDARD_WEBHOOKS,)
    config: RoundupConfig

    def __init__(self, config: BaseModel, context: DeskContext) -> None:
        config = own_config(RoundupConfig, config)
        super().__init__(config, context)
        self._client = RoundupClient(config, context.http)
        self._priorities = mapping.priority_map(context.priority_mapping)

    # -- webhooks --------------------------------------------------------------------------------

    @classmethod
    def extract_metadata(cls, request: WebhookRequest) -> TicketEvent | Ignored:
        return webhook.extract(request)

    @classmethod
    def is_own_event(cls, config: BaseModel, event: TicketEvent) -> bool | None:
        return same_account((own_config(RoundupConfig, config).roundup_user, event.actor.name))

    @classmethod
    def setup_guide(cls, *, webhook_url: str, secret: str) -> str:
        return webhook.setup_guide(webhook_url=webhook_url, secret=secret)

    # -- reading ---------------------------------------------------------------------------------

    async def test_connection(self) -> ConnectionReport:
        user = self.config.roundup_user
        checks: list[tuple[str, bool, str]] = []
        account = None
        for title, kind, query in (
            ("Address, credentials and reading issues", "issue", ("@fields", "title,creator.address")),
            (f"Messages can be internal ('{self.config.roundup_public_field}')", "msg", self._public_field()),
            ("The account itself", "user", ("username:", user)),
        ):
            try:
                data = await self._client.list(kind, [("@page_size", "1"), query])
                _rows(data)
            except DeskError as error:
                checks.append((title, False, error.detail))
                break
            checks.append((title, True, "works"))
            account = Person(name=user)
        ok = all(passed for _, passed, _ in checks)
        return ConnectionReport(ok=ok, checks=tuple(checks), account=account if ok else None)

    async def get_ticket(self, ticket_id: str, *, with_notes: bool = True) -> Ticket:
        item = await self._issue(ticket_id)
        ids = mapping.ids_of(item["attributes"].get("messages"))
        messages = await self._messages(ids if with_notes else ids[:1])
        return mapping.read_ticket(item, self.config, self._priorities, messages=messages, with_notes=with_notes)

    async def search_tickets(self, query: TicketQuery) -> TicketPage:
        require_filters(query, MANIFEST)
        return await self._page(mapping.search_query(query, self.config), query.cursor)

    async def list_history(self, since: datetime, *, cursor: str | None = None, page_size: int = 100) -> TicketPage:
        page = await self._page(mapping.history_query(since, self.config, cursor, page_size), cursor)
        return replace(page, tickets=tuple(replace(one, listed_at=one.updated_at) for one in page.tickets))

    async def list_values(self, kind: ValueKind) -> tuple[NamedValue, ...]:
        if kind is ValueKind.FIELDS:
            return await self._fields()
        name = self.config.roundup_group_field if kind is ValueKind.GROUPS else _CLASSES.get(kind)
        if name is None:
            raise DeskUnsupportedError(f"This {DESK} tracker has no {kind.value}; see roundup_group_field.")
        rows = _rows(await self._client.list(name, [("@verbose", "2")]))
        return tuple(NamedValue(id=str(row["id"]), name=mapping.name_of(row) or str(row["id"])) for row in rows)

    # -- writing ---------------------------------------------------------------------------------

    async def add_note(self, ticket_id: str, note: NoteDraft) -> WriteReceipt:
        return await self._set(await self._issue(ticket_id), {}, note=note, mark=note.mark)

    async def update_ticket(
        self, ticket_id: str, changes: TicketChanges, *, mark: str = "", if_revision: str | None = None
    ) -> WriteReceipt:
        require_settable(changes, MANIFEST)
        item = await self._issue(ticket_id, changes.custom)
        values = mapping.change_values(changes, item["attributes"], self._priorities)
        if changes.group is not None:
            values[self._group_field()] = changes.group
        if changes.assignee_email is not None:
            values["assignedto"] = await self._user_id(changes.assignee_email)
        note = changes.note
        if note and note.mark and await self._marked(item, note.mark):
            note = None
        return await self._set(item, values, note=note, mark=mark, etag=if_revision)

    async def assign(
        self, ticket_id: str, *, assignee_email: str | None, group: str | None = None, mark: str = ""
    ) -> WriteReceipt:
        values: dict[str, Any] = {}
        if assignee_email is not None or group is None:
            values["assignedto"] = None if assignee_email is None else await self._user_id(assignee_email)
        if group is not None:
            values[self._group_field()] = group
        elif assignee_email is None and self.config.roundup_group_field:
            values[self.config.roundup_group_field] = None
        return await self._set(await self._issue(ticket_id), values, mark=mark)

    async def transition(self, ticket_id: str, status: str, *, mark: str = "") -> WriteReceipt:
        return await self._set(await self._issue(ticket_id), {"status": status}, mark=mark)

    async def resolve(self, ticket_id: str, resolution: str, *, mark: str = "") -> WriteReceipt:
        item = await self._issue(ticket_id)
        note = NoteDraft(body=resolution, public=True, mark=mark)
        written = await self._marked(item, mark) if mark else None
        values = {"status": self.config.roundup_resolved_status}
        return await self._set(item, values, note=None if written else note, mark=mark)

    async def find_write(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        item = await self._issue(ticket_id)
        found = await self._marked(item, mark)
        return _receipt(item, mark, message=found, adopted=True) if found else None

    async def aclose(self) -> None:
        await self._client.aclose()

    # -- parts -----------------------------------------------------------------------------------

    async def _issue(self, ticket_id: str, custom: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if not ticket_id.isdecimal():
            raise DeskNotFoundError(f"'{ticket_id}' is not a number, so no {DESK} issue has it.")
        query = [mapping.issue_fields(self.config, custom or ()), ("@verbose", "2")]
        item = await self._client.item("issue", ticket_id, query)
        if not isinstance(item.get("attributes"), dict) or not mapping.revision_of(item):
            raise DeskProtocolError(f"{DESK} sent an issue without attributes or entity tag.")
        return item

    async def _messages(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for start in range(0, len(ids), _IDS_PER_CALL):
            query = [("id", item) for item in ids[start : start + _IDS_PER_CALL]]
            rows += _rows(await self._client.list("msg", [*query, *mapping.message_fields(self.config)]))
        return rows

    async def _marked(self, item: Mapping[str, Any], mark: str) -> str | None:
        """Id of the issue's message with this mark."""
        messages = await self._messages(mapping.ids_of(item["attributes"].get("messages")))
        return next((str(row["id"]) for row in messages if mark in find_marks(str(row.get("content") or ""))), None)

    async def _set(
        self,
        item: Mapping[str, Any],
        values: Mapping[str, Any],
        *,
        note: NoteDraft | None = None,
        mark: str = "",
        etag: str | None = None,
    ) -> WriteReceipt:
        """Change an issue, with a message in the same call; the tracker refuses it if the issue has moved on."""
        if note is None and mapping.already_set(item["attributes"], values):
            return _receipt(item, mark, adopted=True)
        message = None
        changed = dict(values)
        if note is not None:
            message = await self._message(str(item["id"]), note)
            changed["messages"] = [*mapping.ids_of(item["attributes"].get("messages")), message]
        await self._client.change("issue", str(item["id"]), changed, etag=etag or mapping.revision_of(item) or "")
        return _receipt({"id": item["id"]}, mark, message=message)

    async def _message(self, ticket_id: str, note: NoteDraft) -> str:
        """Id of the message: of an earlier try that got no further, or of a new one."""
        if note.mark:
            query = [("messageid:", mapping.message_id(ticket_id, note.mark)), ("@page_size", "1")]
            for row in _rows(await self._client.list("msg", query)):
                return str(row["id"])
        return await self._client.create("msg", mapping.message_values(note, ticket_id, self.config))

    async def _user_id(self, email: str) -> str:
        rows = _rows(await self._client.list("user", [("address", email), ("@fields", "address")]))
        for row in rows:
            if str(row.get("address") or "").casefold() == email.casefold():
                return str(row["id"])
        raise DeskValidationError(f"No {DESK} user has the address {email}.", fields=("assignedto",))

    async def _page(self, query: mapping.Query, cursor: str | None) -> TicketPage:
        data = await self._client.list("issue", query)
        rows = _rows(data)
        messages: dict[str, dict[str, Any]] = {}
        wanted = [item for row in rows for item in mapping.ids_of(row.get("messages"))]
        messages = {str(row["id"]): row for row in await self._messages(wanted)}
        total = data.get("@total_size")
        return TicketPage(
            tickets=tuple(
                mapping.read_ticket(
                    row,
                    self.config,
                    self._priorities,
                    messages=[messages[item] for item in mapping.ids_of(row.get("messages")) if item in messages],
                )
                for row in rows
            ),
            next_cursor=mapping.next_cursor(data, cursor),
            total=total if isinstance(total, int) and total >= 0 else None,
        )

    async def _fields(self) -> tuple[NamedValue, ...]:
        """Settable properties of this tracker's issues, as its newest issue shows them; the stock ones without one."""
        rows = _rows(await self._client.list("issue", [("@sort", "-id"), ("@page_size", "1")]))
        names = ["title", "status", "priority", "keyword", "assignedto"]
        if rows:
            names = list((await self._client.item("issue", str(rows[0]["id"])))["attributes"])
        return tuple(NamedValue(id=name, name=name) for name in names)

    def _group_field(self) -> str:
        if self.config.roundup_group_field is None:
            raise DeskUnsupportedError(f"This {DESK} tracker has no groups; see roundup_group_field.")
        return self.config.roundup_group_field

    def _public_field(self) -> tuple[str, str]:
        return "@fields", self.config.roundup_public_field


def _rows(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = data.get("collection")
    if not isinstance(rows, list):
        raise DeskProtocolError(f"{DESK} answered without a collection.")
    return [row for row in rows if isinstance(row, dict) and row.get("id")]


def _receipt(item: Mapping[str, Any], mark: str, *, message: str | None = None, adopted: bool = False) -> WriteReceipt:
    ticket_id = str(item["id"])
    return WriteReceipt(
        id=message or ticket_id, ticket_id=ticket_id, mark=mark, revision=mapping.revision_of(item), adopted=adopted
    )

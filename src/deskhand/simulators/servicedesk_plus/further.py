"""Routes of the simulated desk about what hangs on a request: history, files, links, and taking a note away."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from deskhand.simulators.base.files import file_answer
from deskhand.simulators.base.state import SimLink, SimNote, SimTicket, TicketStore
from deskhand.simulators.servicedesk_plus import query, wire
from deskhand.simulators.servicedesk_plus.wire import refuse

Handler = Callable[[Request], Awaitable[Response]]


class Desk(Protocol):
    """What these routes need of the simulator."""

    store: TicketStore
    dialect: wire.Dialect

    def ticket(self, request: Request) -> SimTicket:
        """The request that an address names."""

    def ensure_open(self, ticket: SimTicket, fields: dict[str, Any]) -> None:
        """A closed request takes nothing but a new status."""

    async def read_input(self, request: Request, key: str) -> dict[str, Any]:
        """What a request's form says under a key."""

    def rewrite(self, ticket: SimTicket, note: SimNote, body: str) -> None:
        """Edit a note and announce it."""

    def answer(self, body: dict[str, Any], *, status: int = 200, as_list: bool = False) -> Response:
        """A successful answer."""


class FurtherRoutes:
    """Part of the simulator.

    Args:
        desk: The simulator.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def table(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler."""
        return [
            ("GET", "/requests/{id}/history", self._history),
            ("GET", "/requests/{id}/notifications", self._notifications),
            ("GET", "/requests/{id}/attachments/{attachment}/download", self._download),
            ("PUT", "/requests/{id}/notes/{note}", self._edit_note),
            ("DELETE", "/requests/{id}/notes/{note}", self._delete_note),
            ("GET", "/requests/{id}/link_requests", self._links),
            ("POST", "/requests/{id}/link_requests", self._link),
            ("DELETE", "/requests/{id}/link_requests", self._unlink),
            ("GET", "/requests/{id}/worklogs", self._logs),
            ("POST", "/requests/{id}/worklogs", self._log),
            ("DELETE", "/requests/{id}/worklogs/{log}", self._unlog),
        ]

    async def _history(self, request: Request) -> Response:
        rows = [wire.history_json(change) for change in self._desk.ticket(request).history]
        page, info = query.apply(rows, query.read_list_info(request.query_params.get("input_data")))
        return self._desk.answer({"list_info": info, "history": page}, as_list=True)

    async def _notifications(self, request: Request) -> Response:
        rows = wire.mails_json(self._desk.ticket(request))
        page, info = query.apply(rows, query.read_list_info(request.query_params.get("input_data")))
        return self._desk.answer({"list_info": info, "notifications": page}, as_list=True)

    async def _download(self, request: Request) -> Response:
        files = self._desk.ticket(request).attachments
        file = next((one for one in files if one.id == request.path_params["attachment"]), None)
        if file is None:
            raise refuse(4007, message="Invalid attachment id")
        return file_answer(file)

    async def _edit_note(self, request: Request) -> Response:
        ticket = self._desk.ticket(request)
        self._desk.ensure_open(ticket, {})
        note = next((one for one in ticket.notes if one.id == request.path_params["note"]), None)
        if note is None:
            raise refuse(4007, message="Invalid note id")
        key = "request_note" if self._desk.dialect is wire.Dialect.CLOUD else "note"
        fields = await self._desk.read_input(request, key)
        if not fields.get("description"):
            raise refuse(4012, "description")
        self._desk.rewrite(ticket, note, str(fields["description"]))
        return self._desk.answer({key: wire.note_json(ticket, note)})

    async def _delete_note(self, request: Request) -> Response:
        ticket = self._desk.ticket(request)
        self._desk.ensure_open(ticket, {})
        note = next((one for one in ticket.notes if one.id == request.path_params["note"]), None)
        if note is None:
            raise refuse(4007, message="Invalid note id")
        self._desk.store.remove_note(ticket, note, by=self._desk.store.bot)
        return self._desk.answer({})

    async def _links(self, request: Request) -> Response:
        ticket = self._desk.ticket(request)
        rows = [wire.link_json(link, self._desk.store.tickets[link.ticket_id]) for link in ticket.links]
        return self._desk.answer({"link_requests": rows}, as_list=True)

    async def _link(self, request: Request) -> Response:
        ticket = self._desk.ticket(request)
        form = await request.form()
        for row in self._rows(str(form.get("input_data") or request.query_params.get("input_data") or "")):
            other = self._other(row)
            # Refused and not passed over: a product that does not look first fails here on its second attempt.
            if other == ticket.id or any(link.ticket_id == other for link in ticket.links):
                raise refuse(4008, "linked_request", message="The request is already linked")
            comments = str(row.get("comments") or "")
            store = self._desk.store
            link = SimLink(str(5000 + store.next_serial()), "linked", ticket_id=other, text=comments)
            self._desk.store.link(ticket, link, by=self._desk.store.bot, texts=[comments])
            store.tickets[other].parent = ticket.id
        return wire.said("Request linked")

    async def _unlink(self, request: Request) -> Response:
        ticket = self._desk.ticket(request)
        for row in self._rows(request.query_params.get("input_data") or ""):
            other = self._other(row)
            link = next((one for one in ticket.links if one.ticket_id == other), None)
            if link is None:
                raise refuse(4001, "linked_request", message="The request is not linked")
            self._desk.store.unlink(ticket, link, by=self._desk.store.bot)
            self._desk.store.tickets[other].parent = ""
        return wire.said("Request unlinked")

    async def _logs(self, request: Request) -> Response:
        rows = [wire.log_json(log, self._desk.dialect) for log in self._desk.ticket(request).work_logs]
        page, info = query.apply(rows, query.read_list_info(request.query_params.get("input_data")))
        return self._desk.answer({"list_info": info, "worklogs": page}, as_list=True)

    async def _log(self, request: Request) -> Response:
        ticket, store = self._desk.ticket(request), self._desk.store
        self._desk.ensure_open(ticket, {})
        fields = await self._desk.read_input(request, "worklog")
        costs = wire.COSTS[self._desk.dialect]
        if unknown := sorted(fields.keys() - {*wire.LOG_FIELDS, *costs}):
            raise refuse(4001, *unknown)
        owner = store.find_person(str((fields.get("owner") or {}).get("email_id") or ""))
        if "owner" not in fields and self._desk.dialect is wire.Dialect.ON_PREMISES:
            owner = store.bot
        if owner is None or not owner.is_agent:
            raise refuse(4012, "owner")
        spent = fields.get("time_spent") or {}
        log = store.log_time(
            ticket,
            seconds=int(spent.get("hours") or 0) * 3600 + int(spent.get("minutes") or 0) * 60,
            text=str(fields.get("description") or ""),
            started_at=datetime.fromtimestamp(int((fields.get("start_time") or {}).get("value") or 0) / 1000, UTC),
            cost=fields.get(costs[0]),
            is_save=False,
        )
        if fields.get("mark_first_response"):
            ticket.responded_at = ticket.responded_at or log.created_at
        return self._desk.answer({"worklog": wire.log_json(log, self._desk.dialect)}, status=201)

    async def _unlog(self, request: Request) -> Response:
        ticket = self._desk.ticket(request)
        log = next((one for one in ticket.work_logs if one.id == request.path_params["log"]), None)
        if log is None:
            raise refuse(4007, message="Invalid worklog id")
        self._desk.store.unlog_time(ticket, log, is_save=False)
        return self._desk.answer({})

    def _rows(self, raw: str) -> list[dict[str, Any]]:
        try:
            rows = json.loads(raw)["link_requests"]
        except (ValueError, KeyError, TypeError):
            raise refuse(4021, "input_data") from None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise refuse(4021, "link_requests")
        return rows

    def _other(self, row: dict[str, Any]) -> str:
        """Id of the request that a row names."""
        named = row.get("linked_request")
        other = str(named.get("id") or "") if isinstance(named, dict) else ""
        if self._desk.store.get(other) is None:
            raise refuse(4001, "linked_request", message="Invalid request id")
        return other

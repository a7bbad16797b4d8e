"""A simulated ServiceNow: the Table API on a real socket.

Behaviour from the vendor's pages, real records and independent clients: every value is text and ``""`` is null; unknown
fields and query terms are ignored without a word; the limit counts rows before access control; priority is computed;
a data policy guards resolving; 404 may mean "no permission"; rate rules answer 429 with ``X-RateLimit-*``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deskhand.plugins.servicenow.manifest import TOOL_TYPE
from deskhand.plugins.signatures import servicenow_headers
from deskhand.simulators.base import DeskSimulator, Fault, OutboundEvent, SimNote, SimPerson, SimTicket
from deskhand.simulators.base.desk import EventKind
from deskhand.simulators.servicenow import access, schema, wire, worklogs, writes
from deskhand.simulators.servicenow import query as sim_query
from deskhand.simulators.servicenow.attachments import AttachmentRoutes
from deskhand.simulators.servicenow.tables import Tables, choice
from deskhand.simulators.servicenow.wire import Cell, RefusedError, Row, refuse

_CLOSED_EVENTS = {"Resolved": "incident.resolved", "Closed": "incident.closed", "Canceled": "incident.canceled"}
_TIMED_VALUE = len("2026-11-21 10:00:00")

Handler = Callable[[Request], Awaitable[Response]]


class ServiceNowSimulator(DeskSimulator):
    """See the module.

    Args:
        api_key: Password of the integration user, or client secret.
        username: ``user_name`` of the integration user.
        client_id: OAuth client.
        time_zone: Of the integration user; times in queries are read in it.
        extra_columns: Columns (``u_...``) that an administrator has added.
        computed_priority: The instance computes priority from impact and urgency.
        **kwargs: As for ``DeskSimulator``.
    """

    tool_type = TOOL_TYPE
    product = "ServiceNow"
    priorities: ClassVar[tuple[str, ...]] = schema.PRIORITIES
    statuses: ClassVar[tuple[str, ...]] = tuple(label for _, label in schema.choices_of("state"))
    spared_paths = r"^/oauth_token\.do"
    resolution = timedelta(seconds=1)

    def __init__(
        self,
        *,
        api_key: str,
        username: str = "deskhand",
        client_id: str = "simulator-client",
        time_zone: str = "GMT",
        extra_columns: tuple[str, ...] = (),
        computed_priority: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._zone = UTC if time_zone in {"GMT", ""} else ZoneInfo(time_zone)
        self._computed = computed_priority
        self.tables = Tables(
            self.store, username=username, zone=self._zone, time_zone=time_zone, extra_columns=extra_columns
        )
        self.access = access.Access(self.clock, self.store, username=username, secret=api_key, client_id=client_id)

    # -- frame -----------------------------------------------------------------------------------

    def routes(self) -> list[BaseRoute]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/{table}", self._list),
            ("POST", "/{table}", self._create),
            ("GET", "/{table}/{id}", self._get),
            ("PATCH", "/{table}/{id}", self._update),
            ("PUT", "/{table}/{id}", self._update),
            ("DELETE", "/{table}/{id}", self._delete),
        ]
        api = [
            Route(f"{prefix}{path}", self._guarded(handler), methods=[verb])
            for prefix in ("/api/now/table", "/api/now/{version:str}/table")
            for verb, path, handler in table
        ]
        api += [
            Route(f"{prefix}{path}", self._guarded(handler), methods=["GET"])
            for prefix in ("/api/now", "/api/now/{version:str}")
            for path, handler in AttachmentRoutes(self).table()
        ]
        lost = Route("/{path:path}", self._lost, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
        return [Route("/oauth_token.do", self.access.token, methods=["POST"]), *api, lost]

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            try:
                self.access.authenticate(request)
                self.access.count_call()
                return await handler(request)
            except RefusedError as refused:
                return refused.response

        return handle

    async def _lost(self, request: Request) -> Response:
        return wire.failure(400, "Requested URI does not represent any resource", request.url.path)

    def render_fault(self, fault: Fault, _request: Request) -> Response:
        headers = self.access.rate_headers() if fault.status == 429 else {}
        return wire.failure(fault.status, headers=headers)

    def expire_tokens(self) -> None:
        self.access.expire_tokens()

    def reset(self) -> None:
        super().reset()
        self.tables.clear()
        self.access.clear()

    # -- the Table API ---------------------------------------------------------------------------

    async def _list(self, request: Request) -> Response:
        table = request.path_params["table"]
        rows = self.tables.rows(table)
        if rows is None:
            raise refuse(400, "Invalid table " + table)
        if table in self.access.closed_tables:
            raise refuse(403, "User Not Authorized", "Failed API level ACL Validation")
        params = request.query_params
        query = params.get("sysparm_query", "")
        matching = sim_query.apply(rows, query, walk=self.tables.walk, evaluate=self.evaluate)
        limit, offset = wire.window(params)
        page = matching[offset : offset + limit]  # the limit first, then access control: a page may come short
        seen = [row for row in page if row["sys_id"].value not in self.access.hidden]
        # The first version answered an empty list with 404, and the later ones with an empty result.
        if not seen and request.path_params.get("version") == "v1":
            raise refuse(404)
        headers = wire.paging_headers(request, len(matching), limit, offset)
        return wire.answer([self._shown(row, request) for row in seen], headers=headers)

    async def _get(self, request: Request) -> Response:
        return wire.answer(self._shown(self._row(request), request))

    async def _create(self, request: Request) -> Response:
        if request.path_params["table"] == worklogs.TABLE:
            return await self._log_time(request)
        self._require_incident(request)
        save = await self._read(request, None)
        fields = {"subject": "", **save.changes, "custom": {**writes.levels_of(None), **save.cells}}
        subject, requester = fields.pop("subject"), fields.pop("requester", None) or self.store.bot
        ticket = super().file_ticket(subject=subject, requester=requester, **fields)
        for public, text in save.notes:
            self.write_note(ticket, text, public=public, author=self.store.bot)
        self.store.count_created(ticket, save.cells.get("correlation_id", Cell()).value)
        headers = {"Location": f"{self._base(request)}/api/now/table/incident/{ticket.id}"}
        if request.headers.get("x-no-response-body") == "true":
            return Response(status_code=201, headers=headers)
        return wire.answer(self._shown(self.tables.incident(ticket), request), status=201, headers=headers)

    async def _update(self, request: Request) -> Response:
        self._require_incident(request)
        self._row(request)
        ticket = self.store.tickets[request.path_params["id"]]
        save = await self._read(request, ticket)
        if save:
            self._save(ticket, save)
        if request.headers.get("x-no-response-body") == "true":
            return Response(status_code=204)
        return wire.answer(self._shown(self.tables.incident(ticket), request))

    async def _log_time(self, request: Request) -> Response:
        if worklogs.TABLE in self.access.closed_tables:
            raise refuse(403, "Operation Failed", "ACL Exception Insert Failed due to security constraints")
        body, ignored = await self._body(request), frozenset(self.access.read_only)
        made = worklogs.log(self.store, body, ignored, self._zone)
        row = next(row for row in self.tables.rows(worklogs.TABLE) or () if row["sys_id"].value == made)
        return wire.answer(self._shown(row, request), status=201)

    async def _delete(self, request: Request) -> Response:
        row = self._row(request)
        if request.path_params["table"] == worklogs.TABLE:
            worklogs.unlog(self.store, row["sys_id"].value)
            return Response(status_code=204)
        raise refuse(403, "Operation Failed", "ACL Exception Delete Failed due to security constraints")

    @staticmethod
    async def _body(request: Request) -> dict[str, Any]:
        try:
            body = json.loads(await request.body())
        except ValueError:
            raise refuse(400, "Exception while reading request", "The payload is not valid JSON") from None
        if not isinstance(body, dict):
            raise refuse(400, "Exception while reading request", "The payload is not an object")
        return body

    async def _read(self, request: Request, ticket: SimTicket | None) -> writes.Save:
        body = await self._body(request)
        by_name = request.query_params.get("sysparm_input_display_value") == "true"
        ignored = frozenset(self.access.read_only)
        save = writes.read(body, ticket, self.tables, by_name=by_name, ignored=ignored)
        writes.enforce_policy(save, ticket)
        if self._computed:
            writes.compute_priority(save, ticket)
        if "status" in save.changes:
            save.changes.update(self.closing_fields(save.changes["status"]))
        return save

    def _save(self, ticket: SimTicket, save: writes.Save) -> None:
        """One save, one count, one event, however many fields and notes it carries."""
        changes = {**save.changes, "custom": {**ticket.custom, **save.cells}} if save.cells else save.changes
        if not save.notes:
            texts = [str(save.changes.get("resolution") or "")]
            super().change(ticket, changes, by=self.store.bot, texts=texts)
            return
        # Set by hand, without the kit's change: a save with a note is one event of the vendor's, and must be counted
        # once.
        for name, value in changes.items():
            setattr(ticket, name, value)
        revision = ticket.revision
        for public, text in save.notes:
            note = self.store.add_note(ticket, text, public=public, author=self.store.bot)
        ticket.revision = revision + 1
        if changes:
            self.store.effects[ticket.id].updates += 1
        self._announce("note", ticket, self.store.bot, note)

    # -- parts -----------------------------------------------------------------------------------

    def _row(self, request: Request) -> Row:
        """The record of an address; one that access control hides is "not found"."""
        table, record_id = request.path_params["table"], request.path_params["id"]
        ticket = self.store.get(record_id) if table == "incident" else None
        rows = [self.tables.incident(ticket)] if ticket else self.tables.rows(table)
        if rows is None:
            raise refuse(400, "Invalid table " + table)
        record = next((row for row in rows if row["sys_id"].value == record_id), None)
        if record is None or record_id in self.access.hidden:
            raise refuse(404)
        return record

    @staticmethod
    def _require_incident(request: Request) -> None:
        if request.path_params["table"] != "incident":
            raise refuse(403, "Operation Failed", "ACL Exception Insert Failed due to security constraints")

    def _shown(self, row: Row, request: Request) -> dict[str, Any]:
        params = request.query_params
        names = [name for name in params.get("sysparm_fields", "").split(",") if name]
        cells = {name: cell for name in names if (cell := self.tables.walk(row, name)) is not None} if names else row
        mode = params.get("sysparm_display_value", "false")
        links = params.get("sysparm_exclude_reference_link") != "true"
        return wire.render(cells, mode=mode, base=self._base(request), links=links)

    @staticmethod
    def _base(request: Request) -> str:
        return str(request.base_url).rstrip("/")

    def evaluate(self, field: str, value: str) -> str:
        """Scripts are run; times are read in the zone of the calling user."""
        if value.startswith("javascript:"):
            return self.tables.user_name(self.store.bot) if value == "javascript:gs.getUserName()" else ""
        if field in schema.TIMES and len(value) == _TIMED_VALUE:
            # Stored times are UTC and queries are read in the user's zone: the trap that a client's literals have to
            # avoid.
            local = datetime.strptime(value, wire.TIME).replace(tzinfo=self._zone)
            return local.astimezone(UTC).strftime(wire.TIME)
        return value

    # -- seeding ---------------------------------------------------------------------------------

    def seed(self, records: Sequence[Mapping[str, Any]]) -> None:
        """File real Table API records (any display mode) without sending webhooks."""
        # First over all records: some name only whom others link to.
        known = writes.linked_ids(records)
        for record in records:
            cells = {name: writes.seeded_cell(name, value, known) for name, value in record.items()}
            self._seed_one(cells)

    def _seed_one(self, cells: Mapping[str, Cell]) -> None:
        def shown(name: str) -> str:
            return cells.get(name, Cell()).display

        group = shown("assignment_group")
        if group and group not in self.tables.groups:
            self.tables.groups.append(group)
        ticket = self.store.add(
            cells["sys_id"].value,
            subject=shown("short_description"),
            requester=self._seed_person(cells.get("caller_id"), is_agent=False) or self.store.bot,
            display_id=shown("number"),
            description=shown("description"),
            status=shown("state"),
            priority=shown("priority"),
            category=shown("category"),
            group=group or None,
            assignee=self._seed_person(cells.get("assigned_to"), is_agent=True),
            resolution=shown("close_notes") or None,
            revision=int(shown("sys_mod_count") or 0),
            custom={name: cell for name, cell in cells.items() if name in self.tables.columns},
        )
        for attribute, name in (("created_at", "sys_created_on"), ("updated_at", "sys_updated_on")):
            setattr(ticket, attribute, _time(shown(name)) or getattr(ticket, attribute))
        ticket.resolved_at = _time(shown("resolved_at"))

    def _seed_person(self, cell: Cell | None, *, is_agent: bool) -> SimPerson | None:
        if cell is None or not cell.value:
            return None
        local = cell.display.casefold().replace(" ", ".")
        person = self.store.person(f"{local}@example.com", name=cell.display, is_agent=is_agent)
        self.tables.person_ids.setdefault(person.id, cell.value)
        return person

    # -- what the kit asks for -------------------------------------------------------------------

    def file_ticket(self, *, subject: str, requester: SimPerson, **fields: Any) -> SimTicket:
        levels = writes.levels_of(fields.get("priority"))
        word = choice("priority", fields.get("priority") or "5").display
        custom = {**levels, **fields.get("custom", {})}
        return super().file_ticket(
            subject=subject, requester=requester, **{**fields, "priority": word, "custom": custom}
        )

    def change(self, ticket: SimTicket, changes: dict[str, Any], *, by: SimPerson, texts: Iterable[str] = ()) -> None:
        if "priority" in changes and "custom" not in changes:  # a person picks one on the page
            changes = {**changes, "custom": {**ticket.custom, **writes.levels_of(changes["priority"])}}
        super().change(ticket, changes, by=by, texts=texts)

    def new_ticket_id(self) -> str:
        return f"{self.store.random.getrandbits(128):032x}"

    def new_file_id(self) -> str:
        return self.new_ticket_id()

    def initial_fields(self) -> dict[str, Any]:
        number = f"INC{self.store.number + 9001:07d}"
        return {"status": "New", "priority": "5 - Planning", "category": "Inquiry / Help", "display_id": number}

    def closing_fields(self, status: str) -> dict[str, Any]:
        done = status in _CLOSED_EVENTS
        return {"status": status, "resolved_at": self.clock.stamp(self.resolution) if done else None}

    def from_markdown(self, markdown: str) -> str:
        return markdown

    def to_html(self, markup: str) -> str:
        return wire.page_html(markup)

    def event(self, kind: EventKind, ticket: SimTicket, *, actor: SimPerson, note: SimNote | None) -> OutboundEvent:
        """As our business rule sends it; it sees a note only as one more save."""
        del note
        name = _CLOSED_EVENTS.get(ticket.status, "incident.created" if kind == "created" else "incident.updated")
        row = self.tables.incident(ticket)
        values = {field: row[field].value for field in ("sys_id", "number", "short_description", "sys_mod_count")}
        body = json.dumps(
            {
                "event": name,
                "table": "incident",
                **values,
                "state": row["state"].display,
                "priority": row["priority"].display,
                **{field: row[field].value or None for field in ("caller_id", "company", "assignment_group")},
                "sys_updated_on": row["sys_updated_on"].value,
                "sys_updated_by": self.tables.user_name(actor),
            }
        ).encode()
        delivery = f"{ticket.id}-{ticket.revision}"
        secret = self.sender.target.secret
        return OutboundEvent(
            delivery, name, ticket.id, body, lambda now: servicenow_headers(secret, body, message_id=delivery, now=now)
        )


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, wire.TIME).replace(tzinfo=UTC)
    except ValueError:
        return None

"""A simulated Zendesk Support account: API v2 on a real socket.

Behaviour copied from the vendor's pages, its OpenAPI document and independent clients: client-credentials tokens that
end, scopes, cursor and offset paging, search that lags and ends at 1000, audits, ``safe_update``, idempotency keys on
create, rate limits with their headers, closed tickets that refuse everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from deskhand.plugins.text import markdown_to_html
from deskhand.plugins.zendesk.manifest import TOOL_TYPE
from deskhand.simulators.base import DeskSimulator, Fault, OutboundEvent, SimNote, SimPerson, SimTicket
from deskhand.simulators.base.desk import EventKind
from deskhand.simulators.base.files import media_route
from deskhand.simulators.base.state import SimFile
from deskhand.simulators.zendesk import events, measures, wire
from deskhand.simulators.zendesk.access import Access
from deskhand.simulators.zendesk.audits import AuditBook
from deskhand.simulators.zendesk.directory import organization_rows, sideloads
from deskhand.simulators.zendesk.files import Files
from deskhand.simulators.zendesk.limits import DEFAULT_LIMITS, Limit, RateMeter
from deskhand.simulators.zendesk.query import SEARCH_LIMIT, incremental, matches, ordered, page_of, parse
from deskhand.simulators.zendesk.vocabulary import CLOSED, MARK_KEY, STATUSES
from deskhand.simulators.zendesk.wire import RefusedError, invalid, refuse
from deskhand.simulators.zendesk.writes import NewComment, TicketInput

_ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]

Handler = Callable[[Request], Awaitable[Response]]


class ZendeskSimulator(DeskSimulator):
    """See the module.

    Args:
        api_key: OAuth client secret, and the legacy API token, that is accepted.
        client_id: OAuth client.
        bot_role: Role of the account the plugin signs in as; only an ``admin`` may export.
        export_delay: Seconds before the incremental export shows a change.
        limits: Rate limits by name.
        **kwargs: As for ``DeskSimulator``.
    """

    tool_type = TOOL_TYPE
    product = "Zendesk Support"
    priorities: ClassVar[tuple[str, ...]] = wire.PRIORITIES
    statuses: ClassVar[tuple[str, ...]] = STATUSES
    spared_paths = r"^/oauth/"
    resolution = timedelta(seconds=1)

    def __init__(
        self,
        *,
        api_key: str,
        client_id: str = "deskhand",
        bot_role: str = "admin",
        export_delay: float = 60.0,
        limits: dict[str, Limit] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.access = Access(self.clock, client_id=client_id, secret=api_key, email=self.store.bot.email)
        self.bot_role = bot_role
        self.export_delay = export_delay
        self.strict_export = True  # refuse `type:` in an export, as the vendor's page says
        self._meter = RateMeter(self.clock, DEFAULT_LIMITS if limits is None else limits)
        self._audits = AuditBook(self.store.next_serial)
        self._created: dict[str, str] = {}
        self.files = Files(self.store)

    # -- frame -----------------------------------------------------------------------------------

    def routes(self) -> list[BaseRoute]:
        table: list[tuple[str, str, str, Handler]] = [
            ("GET", "users/me", "users", self._me),
            ("GET", "users", "users", self._users),
            ("GET", "users/search", "users", self._find_users),
            ("GET", "users/{id:int}", "users", self._user),
            ("GET", "groups", "groups", partial(self._listed, "groups", self._group_rows)),
            ("GET", "organizations", "organizations", partial(self._listed, "organizations", organization_rows)),
            ("GET", "organizations/search", "organizations", partial(self._listed, "organizations", organization_rows)),
            ("GET", "ticket_fields", "ticket_fields", partial(self._listed, "ticket_fields", self._field_rows)),
            ("GET", "custom_statuses", "custom_statuses", self._custom_statuses),
            ("GET", "tickets", "tickets", partial(self._listed, "tickets", self._ticket_rows)),
            ("POST", "tickets", "tickets", self._create),
            ("GET", "tickets/{id:int}", "tickets", self._show),
            ("PUT", "tickets/{id:int}", "tickets", self._update),
            ("PUT", "tickets/{id:int}/tags", "tickets", self._add_tags),
            ("GET", "tickets/{id:int}/comments", "tickets", self._comments),
            ("GET", "tickets/{id:int}/audits", "audits", partial(self._listed, "audits", self._audit_rows)),
            ("GET", "attachments/{id:int}", "attachments", self.files.show),
            ("GET", "search", "search", self._search),
            ("GET", "search/export", "search", self._search_export),
            ("GET", "incremental/tickets/cursor", "incremental", self._incremental),
        ]
        api = [
            Route(f"/api/v2/{path}{ending}", self._guarded(handler, resource), methods=[verb])
            for verb, path, resource, handler in table
            for ending in ("", ".json")
        ]
        oauth = Route("/oauth/tokens", self._token, methods=["POST"])
        content = Route("/attachments/token/{token}/", self._guarded(self.files.content, "attachments"))
        lost = Route("/{path:path}", self._lost, methods=_ANY_METHOD)
        return [oauth, *api, content, media_route(self.store), lost]

    def _guarded(self, handler: Handler, resource: str) -> Handler:
        async def handle(request: Request) -> Response:
            headers: dict[str, str] = {}
            try:
                self.access.authorize(request, resource)
                headers = self._meter.check(request)
                response = await handler(request)
            except RefusedError as refused:
                response = refused.response
            response.headers.update(headers)
            return response

        return handle

    async def _lost(self, _request: Request) -> Response:
        return wire.failure(404)

    # -- who is there ----------------------------------------------------------------------------

    async def _token(self, request: Request) -> Response:
        return self.access.grant(await wire.body_of(request), self.store.random)

    def expire_tokens(self) -> None:
        self.access.expire()

    def reset(self) -> None:
        super().reset()
        self.access.expire()
        self._audits.clear()
        self._created.clear()
        self._meter.reset()
        self.files.reset()

    def render_fault(self, fault: Fault, _request: Request) -> Response:
        return wire.failure(fault.status)

    def _role(self, person: SimPerson) -> str:
        return self.bot_role if person is self.store.bot else "agent" if person.is_agent else "end-user"

    # -- reading ---------------------------------------------------------------------------------

    async def _me(self, request: Request) -> Response:
        known = self.access.scopes(request) is not None
        return JSONResponse({"user": self._user_json(self.store.bot, request) if known else wire.anonymous_user()})

    async def _users(self, request: Request) -> Response:
        roles = request.query_params.getlist("role[]") or request.query_params.getlist("role")
        people = [p for p in self.store.people.values() if not roles or self._role(p) in roles]
        return self._page("users", [self._user_json(person, request) for person in people], request)

    async def _find_users(self, request: Request) -> Response:
        text = request.query_params.get("query", "").removeprefix("email:").strip('"').casefold()
        people = [p for p in self.store.people.values() if text in {p.email.casefold(), p.name.casefold(), p.id}]
        return self._page("users", [self._user_json(person, request) for person in people], request)

    async def _user(self, request: Request) -> Response:
        person = self.store.people.get(str(request.path_params["id"]))
        return JSONResponse({"user": self._user_json(person, request)}) if person else wire.failure(404)

    async def _custom_statuses(self, _request: Request) -> Response:
        return JSONResponse({"custom_statuses": wire.custom_statuses_json()})

    async def _listed(self, key: str, rows: Callable[[Request], list[dict[str, Any]]], request: Request) -> Response:
        return self._page(key, rows(request), request)

    def _group_rows(self, request: Request) -> list[dict[str, Any]]:
        return [wire.group_json(name, wire.base_of(request)) for name in wire.GROUPS]

    def _field_rows(self, request: Request) -> list[dict[str, Any]]:
        return wire.ticket_fields_json(wire.base_of(request))

    def _ticket_rows(self, request: Request) -> list[dict[str, Any]]:
        rows = [wire.ticket_json(ticket, wire.base_of(request)) for ticket in self.store.tickets.values()]
        external = request.query_params.get("external_id")
        return rows if external is None else [row for row in rows if row["external_id"] == external]

    def _audit_rows(self, request: Request) -> list[dict[str, Any]]:
        rows = self._audits.of(self._ticket(request))
        return rows[::-1] if request.query_params.get("sort_order") == "desc" else list(rows)

    async def _show(self, request: Request) -> Response:
        ticket = self._ticket(request)
        return JSONResponse({"ticket": self._ticket_json(ticket, request), **self._sideloads([ticket], request)})

    async def _comments(self, request: Request) -> Response:
        ticket = self._ticket(request)
        people = {p.id: p for p in (ticket.requester, *(note.author for note in ticket.notes))}
        more: dict[str, Any] = {}
        if "users" in request.query_params.get("include", ""):
            more["users"] = [self._user_json(person, request) for person in people.values()]
        inline = request.query_params.get("include_inline_images") == "true"
        rows = self.files.with_files(self._audits.comments(ticket), ticket, wire.base_of(request), inline=inline)
        if request.query_params.get("sort_order") == "desc":
            rows = rows[::-1]
        return self._page("comments", rows, request, **more)

    async def _search(self, request: Request) -> Response:
        tickets = self._found(request)
        page, described = page_of(
            ordered(tickets, request.query_params), request.query_params, wire.address_of(request), limit=SEARCH_LIMIT
        )
        return self._results(page, described, request)

    async def _search_export(self, request: Request) -> Response:
        if request.query_params.get("filter[type]") != "ticket":
            raise refuse(422, "invalid", "filter[type] must be ticket")
        tickets = sorted(self._found(request, export=True), key=lambda ticket: (ticket.created_at, int(ticket.id)))
        params = request.query_params
        if "page[size]" not in params:
            params = type(params)({**dict(params), "page[size]": "100"})
        page, described = page_of(tickets, params, wire.address_of(request))
        return self._results(page, described, request)

    def _found(self, request: Request, *, export: bool = False) -> list[SimTicket]:
        query = request.query_params.get("query", "")
        if not query and not export:
            raise refuse(422, "invalid", "Invalid search: query is missing")
        terms = parse(query, export=export and self.strict_export)
        return [ticket for ticket in self.store.searchable() if matches(ticket, terms)]

    def _results(self, page: list[SimTicket], described: dict[str, Any], request: Request) -> Response:
        rows = [{**self._ticket_json(ticket, request), "result_type": "ticket"} for ticket in page]
        return JSONResponse({"results": rows, "facets": None, **described, **self._sideloads(page, request)})

    async def _incremental(self, request: Request) -> Response:
        if self.bot_role != "admin":
            return wire.failure(403)
        page, cursor, ended = incremental(
            iter(self.store.tickets.values()),
            request.query_params,
            self.clock(),
            delay=timedelta(seconds=self.export_delay),
        )
        rows = [self._ticket_json(ticket, request) for ticket in page]
        after_url = f"{wire.address_of(request)}?cursor={cursor}" if cursor else None
        described = {"after_url": after_url, "before_url": None, "after_cursor": cursor, "before_cursor": None}
        return JSONResponse({"tickets": rows, **described, "end_of_stream": ended, **self._sideloads(page, request)})

    # -- writing ---------------------------------------------------------------------------------

    async def _create(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key")
        known = self._created.get(key) if key else None
        ticket = self.store.get(known) if known else None
        lookup = "hit" if ticket is not None else "miss"
        if ticket is None:
            ticket = await self._new_ticket(request)
        if key:
            self._created[key] = ticket.id
        body = {"ticket": self._ticket_json(ticket, request), "audit": self._audits.of(ticket)[0]}
        return JSONResponse(body, 201, headers={"x-idempotency-lookup": lookup} if key else None)

    async def _new_ticket(self, request: Request) -> SimTicket:
        fields = await wire.ticket_of(request)
        draft = TicketInput(fields, self.store, None)
        comment = draft.comment()
        if comment is None and fields.get("description"):
            comment = NewComment(markdown_to_html(str(fields["description"])), None)
        if comment is None:
            raise invalid("description", "Description: cannot be blank", "BlankValue")
        requester = fields.get("requester")
        person = self.store.bot
        if isinstance(requester, dict) and requester.get("email"):
            person = self.store.person(str(requester["email"]), name=requester.get("name"))
        changes = draft.read()
        subject = changes.pop("subject", "") or comment.html[:80]
        ticket = self.file_ticket(subject=subject, requester=person, description=comment.html, **changes)
        self.store.count_created(ticket, str(draft.metadata().get(MARK_KEY) or ""))
        return ticket

    async def _update(self, request: Request) -> Response:
        ticket = self._ticket(request)
        draft = TicketInput(await wire.ticket_of(request), self.store, ticket)
        if ticket.status == "closed":
            raise invalid("status", "Status: closed prevents ticket update")
        draft.ensure_fresh(ticket)
        changes = draft.read()
        audit, _ = self._save(ticket, changes, by=self.store.bot, comment=draft.comment(), custom=draft.metadata())
        return JSONResponse({"ticket": self._ticket_json(ticket, request), "audit": audit})

    async def _add_tags(self, request: Request) -> Response:
        ticket = self._ticket(request)
        body = await wire.body_of(request)
        TicketInput(body, self.store, ticket).ensure_fresh(ticket)
        tags = sorted({*ticket.tags, *(str(tag).casefold() for tag in body.get("tags") or ())})
        self._save(ticket, {"tags": tags}, by=self.store.bot)
        return JSONResponse({"tags": tags})

    def _save(
        self,
        ticket: SimTicket,
        changes: dict[str, Any],
        *,
        by: SimPerson,
        comment: NewComment | None = None,
        custom: dict[str, Any] | None = None,
        texts: tuple[str, ...] = (),
        files: Sequence[SimFile] = (),
    ) -> tuple[dict[str, Any], SimNote | None]:
        """One save: comment and fields together, one stamp, one audit."""
        # The rules of the desk may set these, whatever the call says.
        before = {name: getattr(ticket, name) for name in (*changes, "status", "assignee")}
        note, sent = None, len(ticket.mails)
        if comment is not None:
            public = True if comment.public is None else bool(comment.public)
            note = self.store.add_note(ticket, comment.html, public=public, author=by)
            # Before it is announced: a receiver that asks back at once finds them.
            ticket.attachments += [replace(one, note_id=note.id) for one in files]
        if changes or note is None:
            self.store.update(ticket, changes, by=by, texts=texts)
        if "status" in changes:
            ticket.resolved_at = (ticket.resolved_at or ticket.updated_at) if ticket.status in CLOSED else None
        if note is not None:
            note.created_at = ticket.updated_at
        self.store.effects[ticket.id].marks.update(str((custom or {}).get(MARK_KEY) or "").split())
        changed = [name for name, value in before.items() if value != getattr(ticket, name)]
        mails = ticket.mails[sent:]
        audit = self._audits.saved(ticket, by, changed, note=note, before=before, custom=custom or {}, mails=mails)
        for event in events.of_save(self.sender.target, ticket, by, changed, note):
            self.sender.emit(event)
        return audit, note

    # -- what others do (web page, control endpoints) ----------------------------------------------

    def file_ticket(self, *, subject: str, requester: SimPerson, **fields: Any) -> SimTicket:
        custom = wire.with_category(fields.pop("custom", {}), fields.get("category"))
        custom["first_comment"] = 900_000 + self.store.next_serial()
        known = {"resolved_at": self.clock()} if fields.get("status") in CLOSED else {}
        ticket = super().file_ticket(subject=subject, requester=requester, custom=custom, **{**known, **fields})
        self._audits.opened(ticket, requester)
        return ticket

    def write_note(
        self, ticket: SimTicket, body: str, *, public: bool, author: SimPerson, files: Sequence[SimFile] = ()
    ) -> SimNote:
        _, note = self._save(ticket, {}, by=author, comment=NewComment(body, public), files=files)
        assert note is not None
        return note

    def change(self, ticket: SimTicket, changes: dict[str, Any], *, by: SimPerson, texts: Any = ()) -> None:
        if "category" in changes:
            changes = {**changes, "custom": wire.with_category(ticket.custom, changes["category"])}
        self._save(ticket, changes, by=by, texts=tuple(texts))

    # -- parts -----------------------------------------------------------------------------------

    def _ticket(self, request: Request) -> SimTicket:
        ticket = self.store.get(str(request.path_params["id"]))
        if ticket is None:
            raise RefusedError(wire.failure(404))
        return ticket

    def _page(self, key: str, rows: list[dict[str, Any]], request: Request, **more: Any) -> Response:
        page, described = page_of(rows, request.query_params, wire.address_of(request))
        return JSONResponse({key: page, **described, **more})

    def _ticket_json(self, ticket: SimTicket, request: Request) -> dict[str, Any]:
        raw = wire.ticket_json(ticket, wire.base_of(request))
        return measures.sideloaded(raw, ticket, request.query_params.get("include", ""))

    def _sideloads(self, tickets: list[SimTicket], request: Request) -> dict[str, Any]:
        return sideloads(tickets, request, self._user_json)

    def _user_json(self, person: SimPerson, request: Request) -> dict[str, Any]:
        return wire.user_json(person, self._role(person), wire.base_of(request))

    # -- what the kit asks for -------------------------------------------------------------------

    def new_ticket_id(self) -> str:
        return str(35_000 + self.store.next_serial())

    def initial_fields(self) -> dict[str, Any]:
        return {"status": "new", "group": "Support"}

    def from_markdown(self, markdown: str) -> str:
        return markdown_to_html(markdown)

    def to_html(self, markup: str) -> str:
        return markup

    def event(self, kind: EventKind, ticket: SimTicket, *, actor: SimPerson, note: SimNote | None) -> OutboundEvent:
        """From our trigger, or (scheme ``events``) from an event subscription."""
        return events.of_kind(self.sender.target, kind, ticket, actor, note)

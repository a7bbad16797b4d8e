"""A simulated ServiceDesk Plus: API v3 in both dialects, on a real socket.

Behaviour copied from the vendor's pages and independent clients: envelopes, codes, mandatory fields
(4012), closed requests that refuse edits (403/4002), ids of 18 digits as text, at most 100 rows,
``list_info`` only in the query, Zoho's refresh with its throttle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from deskhand.plugins.servicedesk_plus.manifest import TOOL_TYPE
from deskhand.plugins.signatures import standard_headers
from deskhand.plugins.text import markdown_to_html
from deskhand.simulators.base import DeskSimulator, Fault, OutboundEvent, SimNote, SimPerson, SimTicket
from deskhand.simulators.base.desk import EventKind
from deskhand.simulators.servicedesk_plus import query, wire
from deskhand.simulators.servicedesk_plus.further import FurtherRoutes
from deskhand.simulators.servicedesk_plus.wire import RefusedError, refuse

_EVENT_NAMES: dict[EventKind, str] = {
    "created": "request.created",
    "updated": "request.updated",
    "note": "request.note_added",
}
_DONE = {"resolved": "request.resolved", "closed": "request.closed", "canceled": "request.cancelled"}
_TOKEN_LIFE = timedelta(hours=1)
_REFRESHES = 10
_REFRESH_WINDOW = timedelta(minutes=10)
_LEVELS = {"urgency": "urgencies", "impact": "impacts"}
_NAMED = {
    **{"status": "statuses", "priority": "priorities", "category": "categories", "group": "groups"},
    **{"request_type": "request_types", "site": "sites", **_LEVELS},
}
_ATTRIBUTES = {"request_type": "kind", "site": "company"}
_UDF = {"udf_sline_1", "udf_sline_2"}
_READ_ONLY = {"id", "display_id", "created_time", "last_updated_time", "has_notes"}
_COMMENTS = {"update_reason", "status_change_comments", "closure_info"}

Handler = Callable[[Request], Awaitable[Response]]


class ServiceDeskPlusSimulator(DeskSimulator):
    """See the module.

    Args:
        dialect: Which product to be.
        api_key: Technician key (on-premises) or refresh token (Cloud) that is accepted.
        client_id: OAuth client (Cloud).
        client_secret: OAuth secret (Cloud).
        mandatory: Fields a new request must have besides the subject.
        success: Code of a good answer; some on-premises builds say 200.
        **kwargs: As for ``DeskSimulator``.
    """

    tool_type = TOOL_TYPE
    product = "ServiceDesk Plus"
    priorities: ClassVar[tuple[str, ...]] = wire.LISTS["priorities"]
    statuses: ClassVar[tuple[str, ...]] = wire.LISTS["statuses"]
    spared_paths = r"^/oauth/"

    def __init__(
        self,
        *,
        dialect: str = wire.Dialect.ON_PREMISES,
        api_key: str,
        client_id: str = "1000.SIMULATOR",
        client_secret: str = "",
        mandatory: tuple[str, ...] = (),
        success: int = 2000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dialect = wire.Dialect(dialect)
        self._api_key = api_key
        self._client = (client_id, client_secret)
        self._mandatory = ("subject", *mandatory)
        self._success = success
        self._tokens: dict[str, datetime] = {}
        self._refreshes: list[datetime] = []

    # -- frame -----------------------------------------------------------------------------------

    def routes(self) -> list[BaseRoute]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/requests", self._list),
            ("POST", "/requests", self._create),
            ("GET", "/requests/{id}", self._get),
            ("PUT", "/requests/{id}", self._update),
            ("PUT", "/requests/{id}/assign", self._update),
            ("PUT", "/requests/{id}/pickup", self._pickup),
            ("PUT", "/requests/{id}/close", partial(self._finish, "Closed", "Request closed")),
            ("PUT", "/requests/{id}/cancel", partial(self._finish, "Canceled", "Request canceled")),
            ("GET", "/requests/{id}/notes", self._notes),
            ("POST", "/requests/{id}/notes", self._add_note),
            ("GET", "/requests/{id}/resolutions", self._resolution),
            ("POST", "/requests/{id}/resolutions", self._add_resolution),
            *FurtherRoutes(self).table(),
            *(("GET", f"/{name}", partial(self._values, name)) for name in wire.LISTS),
        ]
        api = [Route(path, self._guarded(handler), methods=[verb]) for verb, path, handler in table]
        lost = Route("/{path:path}", self._lost, methods=["GET", "POST", "PUT", "DELETE"])
        oauth = [Route("/oauth/v2/token", self._token, methods=["POST"])] if self.dialect is wire.Dialect.CLOUD else []
        return [*oauth, Mount("/api/v3", routes=[*api, lost]), Mount("/app/{portal}/api/v3", routes=[*api, lost]), lost]

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            try:
                self._authenticate(request)
                return await handler(request)
            except RefusedError as refused:
                return refused.response
            except query.BadQueryError as bad:
                return wire.failure(bad.code, fields=(bad.field,))

        return handle

    async def _lost(self, _request: Request) -> Response:
        return wire.failure(4007, message="Invalid URL")

    def _authenticate(self, request: Request) -> None:
        if self.dialect is wire.Dialect.ON_PREMISES:
            key = request.headers.get("authtoken") or request.headers.get("technician_key")
            if key != self._api_key:
                raise refuse(4022, message="Invalid authtoken")
            return
        if "manageengine.sdp.v3+json" not in request.headers.get("accept", ""):
            raise refuse(4007, message="Invalid URL")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        ends = self._tokens.get(token)
        if scheme not in {"Zoho-oauthtoken", "Bearer"} or ends is None or ends <= self.clock():
            raise refuse(4022, message="Invalid OAuth token")

    async def _token(self, request: Request) -> Response:
        """Zoho's accounts server: refusals come with status 200, the throttle with 400."""
        form = {**request.query_params, **(await request.form())}
        now = self.clock()
        self._refreshes = [moment for moment in self._refreshes if moment > now - _REFRESH_WINDOW]
        # Zoho counts every refresh, failed ones too; a client without a cache of tokens locks itself out.
        if len(self._refreshes) >= _REFRESHES:
            text = "You have made too many requests continuously. Please try again after some time."
            return JSONResponse({"error": "Access Denied", "error_description": text, "status": "failure"}, 400)
        self._refreshes.append(now)
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            return JSONResponse({"error": "invalid_client"})
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self._api_key:
            return JSONResponse({"error": "invalid_code"})
        token = f"1000.{self.store.random.getrandbits(128):032x}"
        self._tokens[token] = now + _TOKEN_LIFE
        seconds = int(_TOKEN_LIFE.total_seconds())
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": seconds})

    def expire_tokens(self) -> None:
        self._tokens.clear()

    def reset(self) -> None:
        super().reset()
        self._tokens.clear()
        self._refreshes.clear()

    def render_fault(self, fault: Fault, _request: Request) -> Response:
        code = wire.CODE_OF_STATUS.get(fault.status)
        if code is None:  # statuses the vendor does not document: a proxy's plain answer
            return Response("", status_code=fault.status)
        return wire.failure(code, status=fault.status)

    # -- requests --------------------------------------------------------------------------------

    async def _list(self, request: Request) -> Response:
        info = query.read_list_info(request.query_params.get("input_data"))
        rows = [wire.request_json(ticket) for ticket in self.store.searchable()]
        page, described = query.apply(rows, info)
        names = info.get("fields_required")
        if names:
            page = [{name: row[name] for name in ("id", *names) if name in row} for row in page]
        return self.answer({"list_info": described, "requests": page}, as_list=True)

    async def _get(self, request: Request) -> Response:
        return self.answer({"request": wire.request_json(self.ticket(request))})

    async def _create(self, request: Request) -> Response:
        fields = await self.read_input(request, "request")
        # An administrator's choice, so it differs from desk to desk and no client can know it beforehand.
        missing = tuple(name for name in self._mandatory if not fields.get(name))
        if missing:
            raise refuse(4012, *missing)
        changes = self._read_fields(fields)
        requester = self._who(fields.get("requester"), "requester") or self.store.bot
        subject = changes.pop("subject")
        ticket = self.file_ticket(subject=subject, requester=requester, **changes)
        self.store.count_created(ticket, ticket.description, json.dumps(ticket.custom))
        return self.answer({"request": wire.request_json(ticket)}, status=201)

    async def _update(self, request: Request) -> Response:
        ticket = self.ticket(request)
        fields = await self.read_input(request, "request")
        self.ensure_open(ticket, fields)
        changes = self._read_fields(fields)
        if "custom" in changes:
            udf = {**ticket.custom.get("udf_fields", {}), **changes["custom"].get("udf_fields", {})}
            changes["custom"] = {**ticket.custom, **changes["custom"], "udf_fields": udf}
        texts = [str(fields.get(name) or "") for name in _COMMENTS] + [str(changes.get("resolution") or "")]
        self.change(ticket, changes, by=self.store.bot, texts=texts)
        return self.answer({"request": wire.request_json(ticket)})

    async def _pickup(self, request: Request) -> Response:
        ticket = self.ticket(request)
        self.ensure_open(ticket, {})
        self.change(ticket, {"assignee": self.store.bot}, by=self.store.bot)
        return self.answer({"request": wire.request_json(ticket)})

    async def _finish(self, status: str, message: str, request: Request) -> Response:
        ticket = self.ticket(request)
        self.ensure_open(ticket, {})
        comments = str((await request.form()).get("input_data") or "")
        self.change(ticket, self.closing_fields(status), by=self.store.bot, texts=[comments])
        return wire.said(message)

    async def _notes(self, request: Request) -> Response:
        rows = wire.notes_json(self.ticket(request))
        page, info = query.apply(rows, query.read_list_info(request.query_params.get("input_data")))
        return self.answer({"list_info": info, "notes": page}, as_list=True)

    async def _add_note(self, request: Request) -> Response:
        ticket = self.ticket(request)
        key = "request_note" if self.dialect is wire.Dialect.CLOUD else "note"
        fields = await self.read_input(request, key)
        if not fields.get("description"):
            raise refuse(4012, "description")
        if ticket.status in {"Closed", "Canceled"}:
            raise refuse(4002, message="The request is closed")
        public = bool(fields.get("show_to_requester", False))
        note = self.write_note(ticket, str(fields["description"]), public=public, author=self.store.bot)
        return self.answer({key: wire.note_json(ticket, note)}, status=201)

    async def _resolution(self, request: Request) -> Response:
        return self.answer({"resolution": wire.resolution_json(self.ticket(request))})

    async def _add_resolution(self, request: Request) -> Response:
        ticket = self.ticket(request)
        content = (await self.read_input(request, "resolution")).get("content")
        if not content:
            raise refuse(4012, "content")
        self.ensure_open(ticket, {})
        self.change(ticket, {"resolution": str(content)}, by=self.store.bot, texts=[str(content)])
        return self.answer({"resolution": wire.resolution_json(ticket)})

    async def _values(self, name: str, request: Request) -> Response:
        rows: list[dict[str, Any]] = [
            {"id": str(number), "name": word, "deleted": False} for number, word in enumerate(wire.LISTS[name], 1)
        ]
        page, info = query.apply(rows, query.read_list_info(request.query_params.get("input_data")))
        return self.answer({"list_info": info, name: page}, as_list=True)

    # -- parts -----------------------------------------------------------------------------------

    def answer(self, body: dict[str, Any], *, status: int = 200, as_list: bool = False) -> Response:
        return wire.answer(body, status=status, as_list=as_list, success=self._success)

    def ticket(self, request: Request) -> SimTicket:
        ticket = self.store.get(request.path_params["id"])
        if ticket is None:
            raise refuse(4007, message="Invalid request id")
        return ticket

    async def read_input(self, request: Request, key: str) -> dict[str, Any]:
        """The object ``key`` of the form field ``input_data``; an unknown wrapper is a validation error."""
        raw = (await request.form()).get("input_data")
        try:
            value = json.loads(str(raw)) if raw else None
        except ValueError:
            raise refuse(4021, "input_data") from None
        wrapped = value.get(key) if isinstance(value, dict) else None
        if not isinstance(wrapped, dict):
            # The two dialects name this wrapper differently, and each refuses the other's word.
            raise refuse(4001, key, message=f"Extra or missing key; expected {key}")
        return wrapped

    def ensure_open(self, ticket: SimTicket, fields: dict[str, Any]) -> None:
        """A closed request takes nothing but a new status."""
        if ticket.status in {"Closed", "Canceled"} and "status" not in fields:
            raise refuse(4002, message="The request is closed")

    def _read_fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for name, value in fields.items():
            if name in _READ_ONLY:
                raise refuse(4014, name)
            if name in _NAMED and name not in _LEVELS:
                changes[_ATTRIBUTES.get(name, name)] = self._named(name, value)
            elif name in {"subject", "description"}:
                changes[name] = str(value)
            elif name == "technician":
                changes["assignee"] = self._who(value, "technician")
            elif name == "resolution":
                changes["resolution"] = str((value or {}).get("content") or "") or None
            elif name in _LEVELS:
                word = self._named(name, value)
                changes.setdefault("custom", {})[name] = wire.named_json(_NAMED[name], word)
            elif name == "udf_fields":
                changes.setdefault("custom", {})[name] = _known_udf(value)
            elif name not in _COMMENTS and name not in {"requester", "template", "mode"}:
                raise refuse(4001, name)
        return {**changes, **(self.closing_fields(changes["status"]) if "status" in changes else {})}

    def _named(self, field: str, value: object) -> str | None:
        """A value by id or name; an unknown one is 4001."""
        if value is None and field != "status":
            return None
        words = wire.LISTS[_NAMED[field]]
        envelope = value if isinstance(value, dict) else {}
        label = str(envelope.get("name") or "").casefold()
        for number, word in enumerate(words, 1):
            # Either of the two is taken, as at the vendor; clients that know the id send no name.
            if word.casefold() == label or str(envelope.get("id")) == str(number):
                return word
        raise refuse(4001, field)

    def _who(self, value: object, field: str) -> SimPerson | None:
        """A person by id, address or name. Technicians must exist; requesters are made known."""
        if not isinstance(value, dict) or not any(value.values()):
            return None
        for key in ("id", "email_id", "name"):
            person = self.store.find_person(str(value[key])) if value.get(key) else None
            if person is not None and (field == "requester" or person.is_agent):
                return person
        if field == "technician" or not (value.get("email_id") or value.get("name")):
            raise refuse(4001, field)
        name = value.get("name")
        email = value.get("email_id") or f"{str(name).casefold().replace(' ', '.')}@corp.test"
        return self.store.person(str(email), name=str(name) if name else None)

    # -- what the kit asks for -------------------------------------------------------------------

    def new_ticket_id(self) -> str:
        return str(
            234_759_000_000_000_000 + self.store.random.randrange(10**6, 10**9) * 1000 + self.store.next_serial()
        )

    def initial_fields(self) -> dict[str, Any]:
        return {"status": "Open", "group": "Service Desk", "custom": {}}

    def closing_fields(self, status: str) -> dict[str, Any]:
        done = status in {"Resolved", "Closed", "Canceled"}
        return {"status": status, "resolved_at": self.clock() if done else None}

    def from_markdown(self, markdown: str) -> str:
        return markdown_to_html(markdown)

    def to_html(self, markup: str) -> str:
        return markup

    def event(self, kind: EventKind, ticket: SimTicket, *, actor: SimPerson, note: SimNote | None) -> OutboundEvent:
        """As our custom-trigger script sends it, or (scheme ``token``) as a webhook action does."""
        name = _EVENT_NAMES[kind]
        if kind == "updated":
            name = _DONE.get(ticket.status.casefold(), name)
        raw = wire.request_json(ticket)
        secret = self.sender.target.secret
        if (self.sender.target.scheme or "standard") == "token":
            body = _dump(
                event=name,
                request_id=ticket.id,
                subject=ticket.subject,
                status=ticket.status,
                priority=ticket.priority,
                updated_by=actor.email,
                updated_time=raw["last_updated_time"]["value"],
            )
            return OutboundEvent(_digest(body), name, ticket.id, body, lambda _now: {"X-Itsm-Token": secret})
        extra = {"note": wire.note_json(ticket, note)} if note else {}
        body = _dump(event=name, request=raw, updated_by=wire.person_json(actor), diff=None, **extra)
        delivery = f"sdp-{_digest(body)[:40]}"
        return OutboundEvent(
            delivery, name, ticket.id, body, lambda now: standard_headers(secret, body, message_id=delivery, now=now)
        )


def _known_udf(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if name not in _UDF:
            raise refuse(4001, f"udf_fields.{name}")
    return value


def _dump(**values: Any) -> bytes:
    return json.dumps(values).encode()


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()

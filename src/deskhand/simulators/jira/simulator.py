"""A simulated Jira Service Management Cloud site: platform REST v3 (and v2), servicedeskapi, admin webhooks.

Behaviour follows the vendor's OpenAPI documents and is held against them in the tests: page tokens without a
total, ids only unless ``fields`` names more, bounded JQL in the account's time zone, an index that lags and
``reconcileIssues``, unknown keys refused, ``public`` required, transitions per status, 404 instead of 403,
both error shapes, rate limits by endpoint and by ticket with their headers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from deskhand.simulators.base import Fault, OutboundEvent, SimNote, SimPerson, SimTicket
from deskhand.simulators.base.desk import EventKind
from deskhand.simulators.base.files import media_route
from deskhand.simulators.base.state import SimLog
from deskhand.simulators.jira import events, text, world
from deskhand.simulators.jira.platform import PlatformApi
from deskhand.simulators.jira.servicedesk import ServiceDeskApi
from deskhand.simulators.jira.state import JiraSite
from deskhand.simulators.jira.wire import Handler, RefusedError, failure, refuse

_TOKEN_LIFE = timedelta(hours=1)


class JiraSimulator(JiraSite):
    """See the module.

    Args:
        api_key: API token that is accepted, with the bot's address or as a bearer token.
        client_id: OAuth client; its secret is ``api_key``.
        cloud_id: For addresses of the form ``/ex/jira/<cloud id>/...``.
        issue_writes: (writes, seconds) a ticket takes before 429.
        burst: (calls, seconds) of one endpoint and method before 429; None sets no limit.
        **kwargs: As for ``JiraSite``.
    """

    spared_paths = r"^/oauth/"

    def __init__(
        self,
        *,
        api_key: str,
        client_id: str = "simulated-client",
        cloud_id: str = "11223344-a1b2-4c3d-8e9f-001122334455",
        issue_writes: tuple[tuple[int, float], ...] = ((20, 2.0), (100, 30.0)),
        burst: tuple[int, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cloud_id = cloud_id
        self.issue_writes = issue_writes
        self.burst = burst
        self._api_key = api_key
        self._client_id = client_id
        self._tokens: dict[str, datetime] = {}
        self._windows: dict[str, deque[datetime]] = defaultdict(deque)

    # -- frame -----------------------------------------------------------------------------------

    def routes(self) -> list[BaseRoute]:
        platform, desk = PlatformApi(self), ServiceDeskApi(self)
        table = [
            *(("/rest/api/3" + path, verb, handler) for path, verb, handler in platform.table("3")),
            *(("/rest/api/2" + path, verb, handler) for path, verb, handler in platform.table("2")),
            *(("/rest/api/latest" + path, verb, handler) for path, verb, handler in platform.table("2")),
            *(("/rest/servicedeskapi" + path, verb, handler) for path, verb, handler in desk.table()),
        ]
        api: list[BaseRoute] = [Route(path, self._guarded(handler), methods=[verb]) for path, verb, handler in table]
        lost = Route("/{path:path}", self._lost, methods=["GET", "POST", "PUT", "DELETE"])
        token = Route("/oauth/token", self._token, methods=["POST"])
        return [token, Mount("/ex/jira/{cloud_id}", routes=[*api, lost]), *api, media_route(self.store), lost]

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            try:
                # Before the credentials: under the id of another cloud there is no site to sign in to.
                self._check_cloud(request)
                if not request.url.path.endswith("/serverInfo"):  # the vendor answers it to anybody
                    self._authenticate(request)
                self._hold_limits(request)
                return await handler(request)
            except RefusedError as refused:
                return refused.response

        return handle

    async def _lost(self, request: Request) -> Response:
        return failure(request, 404, "No endpoint " + request.method + " " + request.url.path + ".")

    def _check_cloud(self, request: Request) -> None:
        if request.path_params.get("cloud_id", self.cloud_id) != self.cloud_id:
            raise refuse(request, 404, "Failed to find the site.")

    def _authenticate(self, request: Request) -> None:
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            try:
                email, _, token = base64.b64decode(credential).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                email, token = "", ""
            if email.casefold() == self.store.bot.email.casefold() and token == self._api_key:
                return
        ends = self._tokens.get(credential)
        if scheme == "Bearer" and (credential == self._api_key or (ends is not None and ends > self.clock())):
            return
        # One answer for every way to fail, as the vendor gives: a caller cannot learn which part was wrong.
        raise refuse(request, 401, "Client must be authenticated to access this resource.")

    async def _token(self, request: Request) -> Response:
        """Client credentials of a service account."""
        body = await request.json()
        if (body.get("client_id"), body.get("client_secret")) != (self._client_id, self._api_key):
            return JSONResponse({"error": "access_denied", "error_description": "Unauthorized"}, 401)
        if body.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 403)
        token = f"sim.{self.store.random.getrandbits(128):032x}"
        self._tokens[token] = self.clock() + _TOKEN_LIFE
        seconds = int(_TOKEN_LIFE.total_seconds())
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": ""})

    def expire_tokens(self) -> None:
        self._tokens.clear()

    def reset(self) -> None:
        super().reset()
        self._tokens.clear()
        self._windows.clear()

    # -- limits ----------------------------------------------------------------------------------

    def _hold_limits(self, request: Request) -> None:
        if self.burst:
            name = f"{request.method} {getattr(request.scope.get('route'), 'path', request.url.path)}"
            self._hold(request, name, [self.burst], "jira-burst-based")
        ticket = request.path_params.get("id")
        if ticket and request.method != "GET":
            self._hold(request, f"ticket {ticket}", self.issue_writes, "jira-per-issue-on-write")

    def _hold(self, request: Request, name: str, limits: Iterable[tuple[int, float]], reason: str) -> None:
        now, window = self.clock(), self._windows[name]
        for count, seconds in limits:
            start = now - timedelta(seconds=seconds)
            inside = sum(1 for moment in window if moment > start)
            if inside >= count:
                raise RefusedError(failure(request, 429, limit=count, reason=reason, wait=max(1, int(seconds))))
        window.append(now)
        # A storm of tests would keep every call's moment for ever; no limit here counts further back.
        while len(window) > 1000:
            window.popleft()

    def render_fault(self, fault: Fault, request: Request) -> Response:
        return failure(request, fault.status)

    # -- what the kit asks for -------------------------------------------------------------------

    def change(self, ticket: SimTicket, changes: dict[str, Any], *, by: SimPerson, texts: Iterable[str] = ()) -> None:
        before, after = ticket.status, changes.get("status", ticket.status)
        # Jira stamps a change of category, not of status; a product that read the wrong one would date resolutions
        # wrongly.
        if world.STATUSES[before][1] != world.STATUSES[after][1]:
            self.category_changed[ticket.id] = self.clock()
        items = events.changelog_items(ticket, changes)
        entry = {"id": str(70_000 + self.store.next_serial()), "author": by, "items": items, "at": self.clock()}
        self.history.setdefault(ticket.id, []).append(entry)
        super().change(ticket, changes, by=by, texts=texts)

    def log_time(self, ticket: SimTicket, *, seconds: int, text: str, started_at: datetime) -> SimLog:
        items = events.time_items(ticket, seconds)
        entry = {"id": str(70_000 + self.store.next_serial()), "author": self.store.bot, "items": items}
        self.history.setdefault(ticket.id, []).append({**entry, "at": self.clock()})
        return super().log_time(ticket, seconds=seconds, text=text, started_at=started_at)

    def from_markdown(self, markdown: str) -> str:
        return text.from_markdown(markdown)

    def to_html(self, markup: str) -> str:
        return text.as_html(markup)

    def event(self, kind: EventKind, ticket: SimTicket, *, actor: SimPerson, note: SimNote | None) -> OutboundEvent:
        """As an admin webhook sends it, or (scheme ``automation``) a rule's "send web request"."""
        automation = (self.sender.target.scheme or "admin") == "automation"
        build = events.automation_body if automation else events.admin_body
        return self._outbound(*build(self, kind, ticket, actor, note))

    def _announce(self, kind: EventKind, ticket: SimTicket, actor: SimPerson, note: SimNote | None = None) -> None:
        super()._announce(kind, ticket, actor, note)
        if kind == "note" and note is not None and self.sender.target.scheme != "automation":
            # The vendor reports a comment twice; see ``webhook``.
            self.sender.emit(self._outbound(*events.commented_body(self, ticket, actor, note)))

    def rewrite(self, ticket: SimTicket, note: SimNote, body: str) -> None:
        super().rewrite(ticket, note, body)
        # Twice, as a new one is, and with the comment's own stamp in both.
        for build in (events.edited_body, events.edited_issue_body):
            self.sender.emit(self._outbound(*build(self, ticket, self.store.bot, note)))

    def _outbound(self, name: str, ticket: SimTicket, payload: dict[str, Any]) -> OutboundEvent:
        body = json.dumps(payload, ensure_ascii=False).encode()
        # By its content, so that the retry of an event names the same delivery and another event never does.
        delivery = hashlib.sha256(body).hexdigest()[:32]
        sign = events.signer(self.sender.target, body, delivery)
        return OutboundEvent(delivery, name, ticket.id, body, sign)

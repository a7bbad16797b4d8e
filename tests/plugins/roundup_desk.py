"""The hands of the contract suite on a real Roundup: people who sign in, and the tracker's own journal."""

from __future__ import annotations

import ast
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.plugins.roundup_server import RoundupServer
from tests.support.product import until

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.contract import DeskContext, TicketingToolPlugin, WebhookRequest
from deskhand.plugins.errors import DeskError, DeskValidationError
from deskhand.plugins.registry import PluginManager
from deskhand.plugins.signatures import standard_headers
from deskhand.simulators.base import Fault, FaultyProxy, run_in_process
from deskhand.simulators.base.desk import EventKind
from deskhand.simulators.testing import DeskHarness, Vocabulary

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WORDS = Vocabulary(
    working_status="in-progress", technician="ines@corp.test", group="Network", missing_id="4711", tag="VPN"
)
PATIENCE = 2.0  # seconds a plugin waits for an answer: a real server on a busy machine, unlike a simulator, may be slow
HTTP = HttpClientFactory(allow_private=True, read_timeout=PATIENCE)
EVENTS = {"created": "issue.created", "updated": "issue.updated", "note": "issue.message_added"}


@dataclass
class Receiver:
    """Where the tracker's detector delivers to."""

    deliveries: list[WebhookRequest] = field(default_factory=list)
    refuses: str = ""
    """Title of the issue whose next delivery is refused; by title, as a delivery of another test may still come."""

    def build(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        self.deliveries.append(WebhookRequest(headers=dict(request.headers), body=body))
        if self.refuses and json.loads(body)["issue"]["title"] == self.refuses:
            self.refuses = ""
            return Response(status_code=503)
        return Response(status_code=202)

    def about(self, ticket_id: str, event: str, *, by_us: bool) -> list[WebhookRequest]:
        found = []
        for delivery in self.deliveries:
            body = json.loads(delivery.body)
            ours = body["actor"]["username"] == "deskhand"
            if (body["issue"]["id"], body["event"], ours) == (ticket_id, event, by_us):
                found.append(delivery)
        return found


@dataclass
class RunningTracker:
    """A served tracker, a proxy that can fail in front of it, and its webhooks' receiver."""

    server: RoundupServer
    proxy: FaultyProxy
    proxy_url: str
    receiver: Receiver

    def plugin(self, **changes: Any) -> TicketingToolPlugin:
        """A plugin as an installation gets it: by discovery."""
        plugins = PluginManager()
        plugins.discover()
        found = plugins.get_plugin("roundup")
        fields = self.server.fields(roundup_url=self.proxy_url, roundup_web_url=self.server.url, **changes)
        return found(found.config_model.model_validate(fields), DeskContext(http=HTTP))

    def empty(self) -> None:
        """Retire every issue, as Roundup does it; ids are not used again."""
        with closing(self.database()) as db, db:
            db.execute("UPDATE _issue SET __retired__ = id")

    def database(self) -> sqlite3.Connection:
        """The tracker's own tables."""
        return sqlite3.connect(self.server.home / "db" / "db")

    def person(self, name: str) -> httpx2.AsyncClient:
        """Somebody signed in to the REST interface, past the proxy."""
        client = HttpClientFactory(allow_private=True).client(
            f"{self.server.url}/rest/data/", headers={"X-Requested-With": "tests", "Origin": self.server.url}
        )
        client.auth = httpx2.BasicAuth(name, f"{name}-password")
        return client


@asynccontextmanager
async def running_tracker(home: Path) -> AsyncIterator[RunningTracker]:
    """A tracker of its own for a test module."""
    receiver = Receiver()
    server = RoundupServer(home)
    async with run_in_process(receiver.build()) as hooks:
        server.start(webhook_url=f"{hooks.url}/hook", secret=SECRET)
        try:
            proxy = FaultyProxy(server.url, render=_vendor_body)
            async with run_in_process(proxy.build()) as front:
                yield RunningTracker(server, proxy, front.url, receiver)
        finally:
            server.stop()


def _vendor_body(fault: Fault, _request: Request) -> Response:
    return JSONResponse({"error": {"status": fault.status, "msg": "simulated"}}, fault.status)


class RoundupHarness(DeskHarness):
    """Runs the contract against the tracker."""

    words = WORDS
    secret = SECRET

    def __init__(self, tracker: RunningTracker, plugin: TicketingToolPlugin) -> None:
        self.tracker = tracker
        self.plugin = plugin

    async def create_ticket(self, subject: str, description: str = "") -> str:
        async with self.tracker.person("requester") as requester:
            values: dict[str, Any] = {"title": subject}
            if description:
                message = {"content": description, "author": "requester", "date": "."}
                values["messages"] = [(await _made(requester, "msg", message))]
            return await _made(requester, "issue", values)

    async def edit_elsewhere(self, ticket_id: str) -> None:
        receiver = self.tracker.receiver
        before = len(receiver.about(ticket_id, "issue.updated", by_us=False))
        async with self.tracker.person("ines") as ines:
            nosy = (await _read(ines, ticket_id))["attributes"]["nosy"]
            await _changed(
                ines, ticket_id, {"nosy": ["ines" if [person["id"] for person in nosy] == ["1"] else "admin"]}
            )

        async def told() -> bool:
            return len(receiver.about(ticket_id, "issue.updated", by_us=False)) > before

        await until(told)

    async def put_fault(self, fault: Fault) -> None:
        slow = fault.kind == "slow"
        self.tracker.proxy.faults.add(fault.model_copy(update={"delay": 2 * PATIENCE}) if slow else fault)

    async def heal(self) -> None:
        self.tracker.proxy.faults.clear()

    async def effects(self, ticket_id: str) -> tuple[int, int]:
        """From the tracker's tables, not through its REST interface.

        A message that carries the ticket's mark counts although it is not yet linked: it is half of a note, and a
        repeated try must take it up instead of writing another.
        """
        with closing(self.tracker.database()) as db:
            ours = "SELECT id FROM _msg WHERE _messageid LIKE ?"
            notes = {row[0] for row in db.execute(ours, (f"%.issue{ticket_id}@%",))}
            journal = "SELECT params FROM issue__journal WHERE nodeid = ? AND action = 'set' ORDER BY date"
            changes = [ast.literal_eval(row[0]) for row in db.execute(journal, (ticket_id,))]
        linked = {int(item) for change in changes for _, ids in change.get("messages", ()) for item in ids}
        return len(notes | linked), sum("messages" not in change for change in changes)

    async def webhook(self, ticket_id: str, kind: EventKind, *, now: datetime, by_us: bool = False) -> WebhookRequest:
        """The newest delivery of that kind, made to happen if there is none yet; signed again for ``now``."""
        event, receiver = EVENTS[kind], self.tracker.receiver
        if kind != "created" and not receiver.about(ticket_id, event, by_us=by_us):
            await self._cause(ticket_id, kind, "deskhand" if by_us else "ines")

        async def arrived() -> list[WebhookRequest]:
            return receiver.about(ticket_id, event, by_us=by_us)

        delivery = (await until(arrived))[-1]
        headers = standard_headers(SECRET, delivery.body, message_id=delivery.headers["webhook-id"], now=now)
        return WebhookRequest(headers={"content-type": "application/json", **headers}, body=delivery.body)

    def expected_error(self, _operation: str, failure: str, default: type[DeskError]) -> type[DeskError]:
        # Roundup answers 409 to a value that the schema refuses; a write that comes too late gets 412.
        return DeskValidationError if failure == "409" else default

    async def _cause(self, ticket_id: str, kind: EventKind, who: str) -> None:
        async with self.tracker.person(who) as person:
            values: dict[str, Any] = {"nosy": ["admin"]}
            if kind == "note":
                values = {"messages": [await _made(person, "msg", {"content": "me too", "author": who, "date": "."})]}
            await _changed(person, ticket_id, values)


async def _made(client: httpx2.AsyncClient, kind: str, values: dict[str, Any]) -> str:
    answer = await client.post(kind, json=values)
    assert answer.is_success, answer.text
    return str(answer.json()["data"]["id"])


async def _read(client: httpx2.AsyncClient, ticket_id: str) -> dict[str, Any]:
    answer = await client.get(f"issue/{ticket_id}")
    assert answer.is_success, answer.text
    return dict(answer.json()["data"])


async def _changed(client: httpx2.AsyncClient, ticket_id: str, values: dict[str, Any]) -> None:
    etag = (await _read(client, ticket_id))["@etag"]
    answer = await client.put(f"issue/{ticket_id}", json=values, headers={"If-Match": etag})
    assert answer.is_success, answer.text

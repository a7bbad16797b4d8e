"""The simulator kit over real sockets: control endpoints, faults, webhooks, pages."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.plugins.sdp import API_KEY, RunningDesk, new_simulator

from deskhand.plugins.contract import NoteDraft, TicketQuery, WebhookRequest
from deskhand.plugins.errors import DeskUnavailableError
from deskhand.plugins.servicedesk_plus import ServiceDeskPlusPlugin
from deskhand.plugins.servicedesk_plus.config import Dialect
from deskhand.simulators.base import Fault, FaultyProxy, RunningServer, SimClock, run_in_process
from deskhand.simulators.base.faults import FaultList
from deskhand.simulators.testing import TEST_HTTP

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MARK = "dh-0123456789abcdef0123"


@pytest.fixture
async def desk() -> AsyncIterator[RunningDesk]:
    simulator = new_simulator(Dialect.ON_PREMISES)
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)


@pytest.fixture
async def control(desk: RunningDesk) -> AsyncIterator[httpx2.AsyncClient]:
    async with TEST_HTTP.client(desk.server.url) as client:
        yield client


class Receiver:
    """A webhook receiver on a real socket that answers what it is told to."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.requests: list[WebhookRequest] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def _hook(self, request: Request) -> Response:
        body = await request.body()
        await self.gate.wait()
        self.requests.append(WebhookRequest(headers=dict(request.headers), body=body))
        return Response(status_code=self.answers.pop(0) if self.answers else 202)

    def build(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self._hook, methods=["POST"])])


@pytest.fixture
async def receiver(desk: RunningDesk) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with run_in_process(receiver.build()) as server:
        await aim(desk, url=f"{server.url}/hook")
        yield receiver


async def aim(desk: RunningDesk, **target: Any) -> None:
    old = desk.simulator.sender.target
    wanted = {"url": old.url, "secret": SECRET, "retry_delays": [0.01, 0.01], **target}
    async with TEST_HTTP.client(desk.server.url) as client:
        assert (await client.put("/_sim/webhooks", json=wanted)).status_code == 204


async def file_ticket(control: httpx2.AsyncClient, subject: str = "Printer jams") -> str:
    answer = await control.post("/_sim/tickets", json={"subject": subject, "description": "On **floor 3**"})
    assert answer.status_code == 200
    return str(answer.json()["id"])


async def test_effects_count_what_took_effect(desk: RunningDesk, control: httpx2.AsyncClient) -> None:
    ticket_id = await file_ticket(control)
    async with desk.plugin() as plugin:
        await plugin.add_note(ticket_id, NoteDraft(body="one", mark=MARK))
        await control.post("/_sim/faults", json={"status": 500, "count": 1, "writes_only": True})
        with pytest.raises(DeskUnavailableError):
            await plugin.add_note(ticket_id, NoteDraft(body="two", mark=MARK))
        await control.post("/_sim/faults", json={"kind": "outage", "count": 1, "after_effect": True})
        with pytest.raises(DeskUnavailableError):
            await plugin.add_note(ticket_id, NoteDraft(body="three", mark=MARK))
    effects = (await control.get("/_sim/effects")).json()
    assert effects["notes"] == 2
    counted = {"notes": 2, "updates": 0, "created": 0, "removed": 0, "edited": 0, "logged": 0, "marks": {MARK: 2}}
    assert effects["tickets"][ticket_id] == counted
    assert (await control.get(f"/_sim/effects/{ticket_id}")).json()["notes"] == 2
    calls = (await control.get("/_sim/calls")).json()
    assert [call["status"] for call in calls if call["method"] == "POST"] == [201, 500, 0]
    assert (await control.get("/_sim/faults")).json() == []


async def test_control_refuses_what_it_does_not_know(control: httpx2.AsyncClient) -> None:
    assert (await control.post("/_sim/faults", json={"statsu": 500})).status_code == 422
    assert (await control.post("/_sim/faults", content=b"{")).status_code == 422
    assert (await control.get("/_sim/tickets/nope")).status_code == 404
    assert (await control.get("/_sim/")).json()["product"] == "ServiceDesk Plus"


async def test_reset_forgets_all_but_the_webhook_target(desk: RunningDesk, control: httpx2.AsyncClient) -> None:
    await aim(desk, url="http://127.0.0.1:9/hook", retry_delays=[])
    await file_ticket(control)
    await desk.simulator.sender.drain()
    await control.post("/_sim/faults", json={"status": 500})
    await control.post("/_sim/reset")
    assert (await control.get("/_sim/tickets")).json() == []
    assert (await control.get("/_sim/faults")).json() == []
    hooks = (await control.get("/_sim/webhooks")).json()
    assert hooks["target"]["url"] == "http://127.0.0.1:9/hook"
    assert hooks["deliveries"] == []
    assert SECRET not in str(hooks)


async def test_clock_stands_moves_and_never_repeats_a_stamp(control: httpx2.AsyncClient) -> None:
    await control.post("/_sim/clock", json={"now": "2026-11-21T10:00:00+00:00"})
    first, second = await file_ticket(control), await file_ticket(control)
    await control.post("/_sim/clock", json={"advance": 3600})
    third = await file_ticket(control)
    stamps = [(await control.get(f"/_sim/tickets/{i}")).json()["created_at"] for i in (first, second, third)]
    assert stamps[0] == "2026-11-21T10:00:00+00:00"
    assert stamps[0] < stamps[1] < stamps[2]
    assert stamps[2].startswith("2026-11-21T11:00")


def test_seed_makes_ids_reproducible() -> None:
    ids = [new_simulator(Dialect.CLOUD, seed=seed).new_ticket_id() for seed in (7, 7, 8)]
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) == 18


def test_faults_end_by_count_by_time_and_match_by_path() -> None:
    clock = SimClock(datetime(2026, 11, 21, tzinfo=UTC))
    faults = FaultList(clock, spared="^/oauth")
    faults.add(Fault(status=429, count=2, method="POST", path="/notes$"))
    assert faults.take("GET", "/requests/1/notes") is None
    assert [faults.take("POST", "/requests/1/notes") is None for _ in range(3)] == [False, False, True]
    faults.add(Fault(status=503, seconds=60))
    assert faults.take("POST", "/oauth/v2/token") is None
    assert faults.take("GET", "/requests") is not None
    clock.advance(61)
    assert faults.take("GET", "/requests") is None


async def test_search_lags_behind_but_reading_does_not(desk: RunningDesk, control: httpx2.AsyncClient) -> None:
    await control.post("/_sim/clock", json={"now": "2026-11-21T10:00:00+00:00"})
    await control.post("/_sim/index-lag", json={"seconds": 30})
    ticket_id = await file_ticket(control)
    async with desk.plugin() as plugin:
        assert (await plugin.search_tickets(TicketQuery(text="printer"))).tickets == ()
        assert (await plugin.get_ticket(ticket_id)).subject == "Printer jams"
        await control.post("/_sim/clock", json={"advance": 31})
        assert len((await plugin.search_tickets(TicketQuery(text="printer"))).tickets) == 1


async def test_stopped_server_is_an_outage_and_comes_back_on_its_port(desk: RunningDesk) -> None:
    async with desk.plugin() as plugin:
        assert (await plugin.test_connection()).ok
        port = desk.server.port
        await desk.server.stop()
        report = await plugin.test_connection()
        assert not report.ok
        assert "cannot be reached" in report.checks[0][2]
        await desk.server.start()
        assert desk.server.port == port
        assert (await plugin.test_connection()).ok


async def test_events_are_signed_and_sent_again_until_taken(
    desk: RunningDesk, control: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.answers = [503, 503, 202]
    ticket_id = await file_ticket(control)
    await desk.simulator.sender.drain()
    (delivery,) = (await control.get("/_sim/webhooks")).json()["deliveries"]
    assert delivery["attempts"] == [503, 503, 202]
    verified = [
        ServiceDeskPlusPlugin.validate_webhook(request, secrets=[SECRET], now=datetime.now(UTC))
        for request in receiver.requests
    ]
    assert {item.delivery_id for item in verified} == {delivery["id"]}
    event = ServiceDeskPlusPlugin.extract_metadata(receiver.requests[0])
    assert event.event == "request.created"
    assert ticket_id in receiver.requests[0].body.decode()


async def test_a_slow_receiver_does_not_hold_up_the_desk(
    desk: RunningDesk, control: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.gate.clear()
    await file_ticket(control)
    await file_ticket(control)
    assert receiver.requests == []
    receiver.gate.set()
    await desk.simulator.sender.drain()
    assert len(receiver.requests) == 2


async def test_duplicates_and_wrong_order(desk: RunningDesk, control: httpx2.AsyncClient, receiver: Receiver) -> None:
    await aim(desk, copies=3)
    await file_ticket(control)
    await desk.simulator.sender.drain()
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len(receiver.requests) == 3
    receiver.requests.clear()
    await aim(desk, hold=100)
    ticket_id = await file_ticket(control)
    await control.post(f"/_sim/tickets/{ticket_id}/notes", json={"body": "any news?"})
    await control.patch(f"/_sim/tickets/{ticket_id}", json={"status": "Resolved"})
    assert receiver.requests == []
    assert (await control.post("/_sim/webhooks/flush")).json() == {"sent": 3}
    await desk.simulator.sender.drain()
    events = [delivery.event.event for delivery in desk.simulator.sender.deliveries[-3:]]
    assert events == ["request.resolved", "request.note_added", "request.created"]
    assert len(receiver.requests) == 3


async def test_page_lists_shows_and_creates(desk: RunningDesk, control: httpx2.AsyncClient) -> None:
    assert "No tickets yet" in (await control.get("/")).text
    form = {
        "subject": "<b>Printer</b>",
        "description": "It *jams* <script>alert(1)</script>",
        "requester": "a@corp.test",
    }
    created = await control.post("/ui/tickets", data=form)
    assert created.status_code == 303
    (ticket,) = desk.simulator.store.tickets.values()
    desk.simulator.write_note(ticket, "<p>seen</p><script>x</script>", public=False, author=desk.simulator.store.bot)
    page = (await control.get(created.headers["location"])).text
    assert "&lt;b&gt;Printer&lt;/b&gt;" in page
    assert "<em>jams</em>" in page
    assert "internal note" in page
    assert "<script" not in page
    assert ticket.id in (await control.get("/")).text
    assert (await control.get("/ui/tickets/nope")).status_code == 404
    assert (await control.post("/ui/tickets", data={"subject": " "})).status_code == 422


async def test_proxy_makes_a_real_server_fail(desk: RunningDesk, control: httpx2.AsyncClient) -> None:
    ticket_id = await file_ticket(control)
    proxy = FaultyProxy(desk.server.url)
    async with run_in_process(proxy.build()) as front:
        through = RunningDesk(desk.simulator, RunningServer(proxy.build(), port=front.port))
        async with through.plugin() as plugin:
            assert (await plugin.get_ticket(ticket_id)).subject == "Printer jams"
            await plugin.add_note(ticket_id, NoteDraft(body="hello", mark=MARK))
            proxy.faults.add(Fault(kind="outage", count=1, after_effect=True))
            with pytest.raises(DeskUnavailableError):
                await plugin.add_note(ticket_id, NoteDraft(body="hello", mark=MARK))
    assert (await control.get(f"/_sim/effects/{ticket_id}")).json()["notes"] == 2
    assert API_KEY not in (await control.get("/_sim/calls")).text


async def test_an_answer_of_two_pieces_is_sent_at_once() -> None:
    """Nagle's algorithm would hold the second one back until the client's delayed acknowledgement, some 40 ms."""
    at_once: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        connections = list(server._server.server_state.connections)  # type: ignore[union-attr]
        at_once.extend(
            one.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for one in connections
        )
        await Response("ok")(scope, receive, send)

    async with run_in_process(app) as server, TEST_HTTP.client(server.url) as client:
        await client.get("/")
    assert at_once == [1]

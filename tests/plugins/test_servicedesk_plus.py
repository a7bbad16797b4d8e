"""What is ServiceDesk Plus's own: dialects, envelopes, error codes, tokens, the script we ship."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError
from tests.plugins.sdp import RunningDesk, new_simulator

from deskhand.plugins.contract import Ignored, NoteDraft, TicketChanges, TicketEvent, TicketQuery, WebhookRequest
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskUnavailableError,
    DeskUnsupportedError,
    DeskValidationError,
    NotAVendorPayloadError,
)
from deskhand.plugins.servicedesk_plus import ServiceDeskPlusPlugin, mapping
from deskhand.plugins.servicedesk_plus.client import read_answer
from deskhand.plugins.servicedesk_plus.config import Dialect, ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.manifest import EVENTS, IGNORED_EVENTS
from deskhand.simulators.base import run_in_process

BOTH = pytest.mark.parametrize("desk", list(Dialect), indirect=True)


@pytest.fixture
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[RunningDesk]:
    simulator = new_simulator(getattr(request, "param", Dialect.ON_PREMISES), seed=id(request))
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)


def file_ticket(desk: RunningDesk, **fields: Any) -> str:
    requester = desk.simulator.store.person("requester@corp.test")
    return desk.simulator.file_ticket(subject="Printer jams", requester=requester, **fields).id


# -- errors ----------------------------------------------------------------------------------------

CODES = [
    (4001, 400, DeskValidationError),
    (4002, 403, DeskPermissionError),
    (4004, 500, DeskUnavailableError),
    (4005, 400, DeskValidationError),
    (4007, 404, DeskNotFoundError),
    (4012, 400, DeskValidationError),
    (4014, 400, DeskValidationError),
    (4015, 429, DeskRateLimitedError),
    (4016, 400, DeskValidationError),
    (4021, 400, DeskValidationError),
    (4022, 401, DeskAuthError),
    (7001, 400, DeskPermissionError),
]


def answer(status: int, body: object, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json=body, headers=headers)


@pytest.mark.parametrize(("code", "http", "kind"), CODES)
@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize("as_list", [True, False])
def test_every_documented_code(code: int, http: int, kind: type[DeskError], outside: bool, as_list: bool) -> None:
    status: dict[str, Any] = {"status_code": code if outside else 4000, "status": "failed"}
    if not outside:
        status["messages"] = [{"status_code": code, "type": "failed", "fields": ["urgency", "category"]}]
    body = {"response_status": [status] if as_list else status}
    with pytest.raises(kind) as caught:
        read_answer(answer(http, body, **{"Retry-After": "3"}))
    assert type(caught.value) is kind
    assert caught.value.vendor_code == str(code)
    assert caught.value.retry_after == 3.0
    assert caught.value.fields == (() if outside else ("urgency", "category"))


@pytest.mark.parametrize("code", [2000, 200])
def test_both_codes_of_success(code: int) -> None:
    body = {"response_status": {"status_code": code, "status": "success"}, "request": {"id": "1"}}
    assert read_answer(answer(200, body)) == body


def test_answers_that_are_not_the_contract() -> None:
    for body in ({}, {"response_status": []}, {"response_status": "ok"}, []):
        with pytest.raises(DeskProtocolError):
            read_answer(answer(200, body))
    with pytest.raises(DeskUnavailableError):
        read_answer(httpx2.Response(502, text="<html>Bad gateway</html>"))


async def test_build_that_says_200(desk: RunningDesk) -> None:
    desk.simulator._success = 200
    async with desk.plugin() as plugin:
        assert (await plugin.test_connection()).ok


@BOTH
async def test_closed_ticket_refuses_and_is_not_a_token_problem(desk: RunningDesk) -> None:
    ticket_id = file_ticket(desk, status="Closed")
    async with desk.plugin() as plugin:
        with pytest.raises(DeskPermissionError, match="closed"):
            await plugin.add_note(ticket_id, NoteDraft(body="too late"))
        assert sum("notes" in call["path"] for call in desk.simulator.calls) == 1


async def test_refused_values_are_named(desk: RunningDesk) -> None:
    ticket_id = file_ticket(desk)
    async with desk.plugin() as plugin:
        for changes, field in (
            (TicketChanges(priority="Whatever"), "priority"),
            (TicketChanges(group="No such group"), "group"),
            (TicketChanges(assignee_email="nobody@desk.test"), "technician"),
            (TicketChanges(custom={"display_id": "7"}), "display_id"),
        ):
            with pytest.raises(DeskValidationError) as caught:
                await plugin.update_ticket(ticket_id, changes)
            assert caught.value.fields == (field,)
        with pytest.raises(DeskUnsupportedError):
            await plugin.update_ticket(ticket_id, TicketChanges(add_tags=("x",)))


async def test_wrong_key_is_refused(desk: RunningDesk) -> None:
    async with desk.plugin(servicedesk_api_key="wrong") as plugin:
        with pytest.raises(DeskAuthError):
            await plugin.search_tickets(TicketQuery())
        report = await plugin.test_connection()
        assert not report.ok
        assert "4022" in report.checks[0][2]


async def test_custom_fields_are_written(desk: RunningDesk) -> None:
    ticket_id = file_ticket(desk)
    async with desk.plugin() as plugin:
        await plugin.update_ticket(ticket_id, TicketChanges(custom={"udf_sline_1": "x-17"}))
        assert (await plugin.get_ticket(ticket_id)).custom["udf_fields"]["udf_sline_1"] == "x-17"


async def test_many_notes_are_read_page_by_page(desk: RunningDesk) -> None:
    ticket_id = file_ticket(desk)
    ticket = desk.simulator.store.tickets[ticket_id]
    for number in range(230):
        desk.simulator.write_note(ticket, f"<p>{number}</p>", public=False, author=desk.simulator.store.bot)
    async with desk.plugin() as plugin:
        notes = (await plugin.get_ticket(ticket_id)).notes
    assert [note.body for note in notes] == [str(number) for number in range(230)]


# -- tokens ----------------------------------------------------------------------------------------


def refreshes(desk: RunningDesk) -> int:
    return sum(call["path"] == "/oauth/v2/token" for call in desk.simulator.calls)


@pytest.mark.parametrize("desk", [Dialect.CLOUD], indirect=True)
async def test_expired_token_is_renewed_once_for_all(desk: RunningDesk) -> None:
    file_ticket(desk)
    async with desk.plugin() as plugin, desk.plugin() as another:
        await plugin.search_tickets(TicketQuery())
        await another.search_tickets(TicketQuery())
        assert refreshes(desk) == 1
        desk.simulator.expire_tokens()
        pages = [plugin.search_tickets(TicketQuery()) for _ in range(8)]
        await asyncio.gather(*pages, another.search_tickets(TicketQuery()))
        assert refreshes(desk) == 2


@pytest.mark.parametrize("desk", [Dialect.CLOUD], indirect=True)
async def test_refused_and_throttled_refresh(desk: RunningDesk) -> None:
    async with desk.plugin(servicedesk_api_key="revoked") as plugin:
        for _ in range(10):
            with pytest.raises(DeskAuthError, match="invalid_code"):
                await plugin.search_tickets(TicketQuery())
            desk.simulator._refreshes.pop()
        desk.simulator._refreshes += [datetime.now(UTC)] * 10
        with pytest.raises(DeskRateLimitedError, match="too many requests"):
            await plugin.search_tickets(TicketQuery())


# -- configuration and mapping -----------------------------------------------------------------------


def test_configuration_is_checked() -> None:
    good = {"servicedesk_url": "https://desk.corp.test:8443/", "servicedesk_api_key": "k"}
    config = ServiceDeskPlusConfig.model_validate(good)
    assert config.api_url == "https://desk.corp.test:8443/api/v3/"
    assert "k" not in repr(config.servicedesk_api_key)
    portal = ServiceDeskPlusConfig.model_validate({**good, "servicedesk_portal": "itdesk"})
    assert portal.api_url == "https://desk.corp.test:8443/app/itdesk/api/v3/"
    for bad in (
        {"servicedesk_url": "desk.corp.test"},
        {"servicedesk_api_key": " "},
        {"servicedesk_dialect": "cloud"},
        {"servicedesk_apikey": "typo"},
    ):
        with pytest.raises(ValidationError):
            ServiceDeskPlusConfig.model_validate({**good, **bad})


def test_priorities_follow_the_tenant() -> None:
    stock = mapping.priority_map({})
    assert [stock.to_desk(word) for word in ("critical", "HIGH", "medium", "low", "P0")] == [
        *("Urgent", "High", "Normal", "Low", "P0")
    ]
    assert [stock.from_desk(word) for word in ("Urgent", "Medium", "odd", None)] == ["critical", "medium", None, None]
    tenant = mapping.priority_map({"critical": "P1"})
    assert (tenant.to_desk("critical"), tenant.from_desk("p1")) == ("P1", "critical")


@pytest.mark.parametrize("value", [None, "", "soon", {"value": None}, {"value": "-1"}, True, []])
def test_odd_times_are_no_times(value: object) -> None:
    assert mapping.read_time(value) is None


# -- webhooks --------------------------------------------------------------------------------------


def extract(payload: object) -> TicketEvent | Ignored:
    return ServiceDeskPlusPlugin.extract_metadata(WebhookRequest(headers={}, body=json.dumps(payload).encode()))


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_handled_events(event: str) -> None:
    payload = {
        "event": event,
        "request_id": "17",
        "subject": "x",
        "updated_time": "1795255260000",
        "updated_by": "Ines",
    }
    found = extract(payload)
    assert isinstance(found, TicketEvent)
    assert found.ticket.updated_at == datetime.fromtimestamp(1795255260, UTC)
    assert found.actor.name == "Ines"


@pytest.mark.parametrize("event", [*sorted(IGNORED_EVENTS), "request.sla_escalated"])
def test_other_events_are_ignored_with_a_reason(event: str) -> None:
    found = extract({"event": event, "request_id": "17"})
    assert isinstance(found, Ignored)
    assert found.reason


@pytest.mark.parametrize("request_id", ["../../users/5", "17?x", "", None, "a", "1" * 21])
def test_an_id_that_is_no_id_is_refused(request_id: str | None) -> None:
    with pytest.raises(NotAVendorPayloadError):
        extract({"event": "request.created", "request_id": request_id})


def test_marks_in_an_event_are_reported() -> None:
    note = {"id": "9", "description": "Ref: dh-0123456789abcdef0123"}
    found = extract({"event": "request.note_added", "request_id": "1", "note": note})
    assert isinstance(found, TicketEvent)
    assert (found.note_id, found.marks) == ("9", ("dh-0123456789abcdef0123",))

"""The desk's own address without an agent, and events at an agent's address: both ring for the history."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.conftest import DatabaseUrls
from tests.support.product import Customer, Product, running_product

from deskhand.intake.freshness import NO_AGENT, Report, report_of
from deskhand.intake.inbox import REFUSED
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Ignored, TicketEvent, TicketMetadata

SECRET = "sb3Pzq0vJ8mYwT5uK1nRf7dC2xG9hLaE"
OTHER = "qT9wXe4RzU7iOp2AsD5fGh8JkL1yCvBn"


@pytest.fixture
async def product(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Product]:
    async with running_product(clean_db, database_urls.app_url) as running:
        platform = await running.platform()
        for tenant_id, secret in (("acme", SECRET), ("globex", OTHER)):
            body = {"tenant_id": tenant_id, "name": tenant_id, "webhook_signing_secret": secret}
            answer = await platform.post("/api/v1/tenants", json={**body, **running.desk.tenant()})
            assert answer.is_success, answer.text
        yield running


def event(name: str = "request.resolved", ticket_id: str = "7") -> bytes:
    return json.dumps({"event": name, "request_id": ticket_id, "subject": "VPN drops"}).encode()


async def send(
    product: Product, body: bytes, *, token: str = SECRET, path: str = "acme/servicedesk_plus"
) -> httpx2.Response:
    url = f"{product.api.url}/webhooks/{path}"
    return await product.webhooks.post(url, content=body, headers={"x-itsm-token": token})


async def waiting(product: Product) -> list[tuple[Any, ...]]:
    rows = await product.rows(
        "SELECT tenant_id, tool_type, ticket_id, asks FROM history_refreshes ORDER BY tenant_id, ticket_id"
    )
    return [tuple(row) for row in rows]


async def test_a_desk_without_an_agent_is_heard_by_its_own_secret_alone(product: Product) -> None:
    answer = await send(product, event())
    assert answer.status_code == 202
    assert answer.json() == {"deliveries": [{"status": "ignored", "execution_id": None, "reason": NO_AGENT}]}
    assert await waiting(product) == [("acme", "servicedesk_plus", "7", 1)]
    strangers = [
        await send(product, event(), token="wrong"),
        await send(product, event(), token=OTHER),
        await send(product, event(), token=SECRET, path="globex/servicedesk_plus"),
        await send(product, event(), path="nobody/servicedesk_plus"),
        await send(product, event(), path="acme/nothing"),
        await send(product, event(), path=f"{'x' * 300}/servicedesk_plus"),
    ]
    assert {answer.status_code for answer in strangers} == {401}
    assert {answer.json()["detail"] for answer in strangers} == {REFUSED}
    assert await waiting(product) == [("acme", "servicedesk_plus", "7", 1)]


async def test_reports_of_one_ticket_are_one_look(product: Product) -> None:
    for _ in range(3):
        assert (await send(product, event())).status_code == 202
    assert (await send(product, event(ticket_id="8"))).status_code == 202
    assert await waiting(product) == [
        ("acme", "servicedesk_plus", "7", 3),
        ("acme", "servicedesk_plus", "8", 1),
    ]


async def test_an_event_of_a_ticket_nobody_keeps_rings_for_nothing(product: Product) -> None:
    assert (await send(product, event("request.created"))).status_code == 202
    assert (await send(product, event("request.note_added"))).status_code == 202
    assert await waiting(product) == []


async def test_a_body_that_this_desk_does_not_send_is_refused(product: Product) -> None:
    for body in (b"{", b"[]", b"null", b'{"hello": 1}', b'{"event": "request.resolved"}'):
        assert (await send(product, body)).status_code == 400, body
    assert await waiting(product) == []


async def test_the_tenants_rate_bounds_the_desks_address_too(product: Product) -> None:
    await product.set_limits("acme", webhooks_per_minute=2)
    codes = [(await send(product, event())).status_code for _ in range(4)]
    assert codes[:2] == [202, 202]
    assert 429 in codes[2:]
    assert (await send(product, event(), token=OTHER, path="globex/servicedesk_plus")).status_code == 202


async def test_a_tenant_that_is_off_is_not_there(product: Product) -> None:
    platform = await product.platform()
    assert (await platform.post("/api/v1/tenants/acme/deactivate")).is_success
    assert (await send(product, event())).status_code == 401


async def test_an_agents_address_rings_as_well_whether_it_is_on_or_off(product: Product) -> None:
    on: Customer = await product.customer("initech")
    off: Customer = await product.customer("umbrella", active=False)
    for number, customer in enumerate((on, off)):
        answer = await product.deliver(
            customer, "", delivery_id=f"d{number}", body=event(ticket_id=str(number)), event="request.resolved"
        )
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "ignored"
    assert await waiting(product) == [
        ("initech", "servicedesk_plus", "0", 1),
        ("umbrella", "servicedesk_plus", "1", 1),
    ]


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("Resolved", True),
        ("resolved", True),
        ("Closed", True),
        ("Done", True),
        ("solved", True),
        ("Completed", True),
        ("Canceled", True),
        ("Cancelled", True),
        ("Open", False),
        ("In progress", False),
        ("Reopened", False),
        ("pending", False),
        ("", False),
        (None, False),
    ],
)
def test_a_status_is_a_hint_that_it_is_over(status: str | None, ended: bool) -> None:
    ticket = TicketMetadata(tool_type="jira", ticket_id="10001", status=status)
    assert report_of(TicketEvent(event="e", ticket=ticket), "acme", "jira") == Report("acme", "jira", "10001", ended)


def test_a_report_is_what_the_database_reads() -> None:
    gone = Ignored(event="e", reason="r", ticket_id="7", ended=True)
    report = report_of(gone, "acme", "zendesk")
    assert report is not None
    assert report.as_row() == {"tenant": "acme", "tool": "zendesk", "ticket": "7", "ended": True}
    assert report_of(Ignored(event="e", reason="r"), "acme", "zendesk") is None

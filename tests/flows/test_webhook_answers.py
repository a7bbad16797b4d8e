"""What a sender gets for each kind of delivery, and what is stored for it (design, section 7)."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from tests.support.product import Product, event_body

DELIVERIES = "SELECT count(*) FROM webhook_deliveries WHERE outcome = $1"
EXECUTIONS = "SELECT count(*) FROM agent_executions"


def problem(answer: httpx2.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).rsplit("/", 1)[-1].rsplit(":", 1)[-1]


async def test_a_signed_event_is_accepted_once(product: Product) -> None:
    customer = await product.customer()
    first = await product.deliver(customer, "1001", delivery_id="d1")
    again = await product.deliver(customer, "1001", delivery_id="d1")

    assert first.status_code == again.status_code == 202
    assert first.json()["status"] == "accepted"
    assert first.json() == again.json()
    assert await product.count(EXECUTIONS) == 1
    assert await product.count(DELIVERIES, "accepted") == 1
    assert await product.count("SELECT count(*) FROM pgqueuer") == 1


async def test_a_burst_on_one_ticket_becomes_one_run(product: Product) -> None:
    customer = await product.customer()
    first = await product.deliver(customer, "1001", delivery_id="d1")
    second = await product.deliver(customer, "1001", delivery_id="d2", event="request.updated")
    other = await product.deliver(customer, "1002", delivery_id="d3")

    assert second.json()["status"] == "coalesced"
    assert second.json()["execution_id"] == first.json()["execution_id"]
    assert other.json()["execution_id"] != first.json()["execution_id"]
    assert await product.count(EXECUTIONS) == 2
    newest = "SELECT count(*) FROM agent_executions WHERE input_payload ->> 'event' = 'request.updated'"
    assert await product.count(newest) == 1


async def test_a_wrong_signature_is_refused_and_recorded_without_its_body(product: Product) -> None:
    customer = await product.customer()
    answer = await product.deliver(customer, "1001", secret="whsec_" + "A" * 43 + "=")

    assert answer.status_code == 401
    assert problem(answer) == "invalid-signature"
    assert await product.count(EXECUTIONS) == 0
    assert await product.count(DELIVERIES, "rejected") == 1
    assert await product.count("SELECT count(*) FROM webhook_deliveries WHERE reason LIKE '%signature%'") == 1


async def test_a_stale_timestamp_is_refused(product: Product) -> None:
    customer = await product.customer()
    answer = await product.deliver(customer, "1001", at=datetime.now(UTC) - timedelta(minutes=6))

    assert answer.status_code == 401
    assert await product.count(EXECUTIONS) == 0


async def test_an_unsigned_delivery_is_refused(product: Product) -> None:
    customer = await product.customer()
    answer = await product.webhooks.post(
        f"{product.api.url}/agents/{customer.agent_id}/webhook", content=event_body("1001")
    )
    assert answer.status_code == 401


async def test_an_unknown_agent_is_not_found_and_nothing_is_stored(product: Product) -> None:
    customer = await product.customer()
    customer.agent_id = str(uuid.uuid4())
    answer = await product.deliver(customer, "1001")

    assert answer.status_code == 404
    assert await product.count("SELECT count(*) FROM webhook_deliveries") == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
async def test_a_body_that_is_no_json_object_is_a_bad_request(product: Product, body: bytes) -> None:
    customer = await product.customer()
    answer = await product.deliver(customer, "", body=body)

    assert answer.status_code in (400, 401)  # bytes that are no text cannot be signed in the first place
    assert await product.count(EXECUTIONS) == 0


async def test_what_postgresql_cannot_hold_spoils_nobody_elses_event(product: Product) -> None:
    """Sent at the same moment, so that they share a commit: one with U+0000, one with half a character, one plain."""
    customer = await product.customer()
    bodies = {
        "1001": event_body("1001").replace(b"VPN", b"V\\u0000PN"),
        "1002": event_body("1002").replace(b"VPN", b"V\\ud800PN"),
        "1003": event_body("1003"),
    }
    answers = await asyncio.gather(
        *(product.deliver(customer, ticket, delivery_id=ticket, body=body) for ticket, body in bodies.items())
    )

    assert [answer.status_code for answer in answers] == [202, 400, 202]
    assert problem(answers[1]) == "bad-request"
    subjects = await product.rows("SELECT input_payload ->> 'subject' AS subject FROM agent_executions")
    assert {row["subject"] for row in subjects} == {"VPN drops"}


async def test_json_that_no_desk_sends_is_a_bad_request(product: Product) -> None:
    customer = await product.customer()
    answer = await product.deliver(customer, "", body=b'{"hello": "world"}')

    assert answer.status_code == 400
    assert problem(answer) == "not-a-vendor-payload"


async def test_a_two_mebibyte_body_is_too_large(product: Product) -> None:
    customer = await product.customer()
    body = json.dumps({"event": "request.created", "request_id": "1", "x": "y" * 2 * 1024 * 1024}).encode()
    answer = await product.deliver(customer, "1", body=body)

    assert answer.status_code == 413
    assert await product.count("SELECT count(*) FROM webhook_deliveries") == 0


async def test_a_chunked_body_is_cut_at_the_limit_too(product: Product) -> None:
    customer = await product.customer()

    async def endless():  # type: ignore[no-untyped-def]  # an async generator of bytes
        for _ in range(40):
            yield b"x" * 65536

    answer = await product.webhooks.post(f"{product.api.url}/agents/{customer.agent_id}/webhook", content=endless())
    assert answer.status_code == 413


async def test_a_draft_or_suspended_agent_records_and_ignores(product: Product) -> None:
    draft = await product.customer("drafty", active=False)
    answer = await product.deliver(draft, "1001", delivery_id="d1")
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert "draft" in answer.json()["reason"]

    customer = await product.customer()
    accepted = await product.deliver(customer, "1001", delivery_id="d1")
    assert accepted.json()["status"] == "accepted"
    suspended = await customer.client.post(f"/api/v1/agents/{customer.agent_id}/suspend")
    assert suspended.is_success
    answer = await product.deliver(customer, "1002", delivery_id="d2")
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert await product.count(DELIVERIES, "ignored") == 2


async def test_a_payload_schema_names_each_fault_by_pointer(product: Product) -> None:
    schema = {
        "type": "object",
        "properties": {"ticket_id": {"type": "string"}, "action": {"type": "string"}},
        "required": ["ticket_id"],
    }
    customer = await product.customer(triggers=[{"trigger_type": "webhook", "payload_schema": schema}])
    bad = await product.deliver(customer, "", delivery_id="d1", body=b'{"ticket_id": 7}')
    good = await product.deliver(customer, "", delivery_id="d2", body=b'{"ticket_id": "7", "action": "look"}')

    assert bad.status_code == 422
    assert bad.json()["errors"][0]["pointer"] == "/ticket_id"
    assert good.status_code == 202
    assert await product.count("SELECT count(*) FROM agent_executions WHERE ticket_ref = '7'") == 1


async def test_the_tenants_rate_limit_answers_429_with_retry_after(product: Product) -> None:
    customer = await product.customer()
    changed = await customer.client.patch(
        f"/api/v1/tenants/{customer.tenant_id}", json={"rate_limits": {"webhooks_per_minute": 2}}
    )
    assert changed.is_success, changed.text
    answers = [await product.deliver(customer, "1001", delivery_id=f"d{i}") for i in range(4)]

    assert [answer.status_code for answer in answers] == [202, 202, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_the_desks_own_address_reaches_every_agent_of_the_tenant(product: Product) -> None:
    customer = await product.customer(tenant_id="acme")
    body = event_body("1001")
    answer = await product.webhooks.post(
        f"{product.api.url}/webhooks/{customer.tenant_id}/servicedesk_plus",
        content=body,
        headers={"x-itsm-token": "wrong"},
    )
    assert answer.status_code == 401
    unknown = await product.webhooks.post(f"{product.api.url}/webhooks/nobody/servicedesk_plus", content=body)
    assert unknown.status_code == 404

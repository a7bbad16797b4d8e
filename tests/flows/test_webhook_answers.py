"""What a sender gets for each kind of delivery, and what is stored for it (design, section 7)."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from tests.support.product import Product, event_body

from deskhand.plugins.signatures import hub_headers

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


@pytest.mark.parametrize("headers", [{}, {"x-itsm-token": "wrong"}, {"x-hub-signature-256": "sha256=00"}], ids=str)
async def test_a_stranger_does_not_learn_which_addresses_exist(product: Product, headers: dict[str, str]) -> None:
    customer = await product.customer()
    known = f"/agents/{customer.agent_id}/webhook", f"/webhooks/{customer.tenant_id}/servicedesk_plus"
    unknown = f"/agents/{uuid.uuid4()}/webhook", "/webhooks/nobody/servicedesk_plus", "/webhooks/nobody/none"
    answers = [
        await product.webhooks.post(product.api.url + path, content=event_body("1"), headers=headers)
        for path in (*known, *unknown)
    ]

    told = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in answers]
    assert all(document == told[0] for document in told), told
    assert await product.count(DELIVERIES, "rejected") == len(known)


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

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    subjects = await product.rows("SELECT input_payload ->> 'subject' AS subject FROM agent_executions")
    assert {row["subject"] for row in subjects} == {"VPN drops", "V\ufffdPN drops"}


async def test_json_that_no_desk_sends_is_a_bad_request(product: Product) -> None:
    customer = await product.customer()
    answer = await product.deliver(customer, "", body=b'{"hello": "world"}')

    assert answer.status_code == 400
    assert problem(answer) == "not-a-vendor-payload"


@pytest.mark.parametrize("depth", [90, 250, 900, 5000])
async def test_an_accepted_event_can_be_read_again_or_is_refused(product: Product, depth: int) -> None:
    customer = await product.customer()
    body = event_body("1001").replace(b'"VPN drops"', b"[" * depth + b'"\\u0000"' + b"]" * depth)
    answer = await product.deliver(customer, "1001", body=body)

    if answer.status_code == 202:
        read = await customer.client.get(f"/api/v1/executions/{answer.json()['execution_id']}")
        assert read.status_code == 200
    else:
        assert answer.status_code == 400
        assert "nested" in answer.json()["detail"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
async def test_a_rightly_signed_body_in_another_encoding_is_not_called_wrongly_signed(
    product: Product, encoding: str
) -> None:
    customer = await product.customer()
    body = event_body("1001").decode().replace("VPN", "Müller").encode(encoding)
    assert (await product.deliver(customer, "1001", body=body)).status_code == 202


async def test_every_delivery_leaves_a_record_that_the_api_shows(product: Product) -> None:
    customer = await product.customer(
        triggers=[
            {
                "trigger_type": "webhook",
                "payload_schema": {"required": ["event"], "properties": {"x": {"type": "string"}}},
            }
        ]
    )
    other = await product.customer("globex")
    large = json.dumps({"event": ["z" * 400_000], "x": ["z" * 400_000]}).encode()
    sent = {
        "accepted": (event_body("1001"), 202),
        "closed": (event_body("1002", "request.closed"), 202),
        "not-json": (b'{"event": "request.created", "subject": "19" monitor"}', 400),
        "foreign": (b'{"event": "x"}', 400),
        "schema": (b'{"request_id": "1"}', 422),
        "echo": (large, 422),
        "too-large": (b'{"a": "' + b"x" * 1_100_000 + b'"}', 413),
        "forged": (event_body("1003"), 401),
    }
    for name, (body, status) in sent.items():
        secret = other.secret if name == "forged" else None
        answer = await product.deliver(customer, "", delivery_id=name, body=body, secret=secret)
        assert answer.status_code == status, (name, answer.text[:300])
        assert len(answer.content) < 4000, name  # a refusal does not send the body back

    page = (await customer.client.get("/api/v1/deliveries", params={"limit": 5})).json()
    rest = (await customer.client.get("/api/v1/deliveries", params={"cursor": page["next_cursor"]})).json()
    records = [*page["items"], *rest["items"]][::-1]
    assert [record["http_status"] for record in records] == [status for _, status in sent.values()]
    assert [record["delivery_id"] for record in records[:6]] == list(sent)[:6]
    assert all(record["reason"] for record in records[1:])
    assert all(record["agent_id"] == customer.agent_id for record in records)
    listed = await customer.client.get("/api/v1/deliveries", params={"outcome": "rejected"})
    assert len(listed.json()["items"]) == 6
    assert (await other.client.get("/api/v1/deliveries")).json()["items"] == []
    foreign = await other.client.get("/api/v1/deliveries", params={"agent_id": customer.agent_id})
    assert foreign.json()["items"] == []


async def test_a_captured_request_under_another_id_is_the_same_event(product: Product) -> None:
    customer = await product.customer()
    body = event_body("1001")
    url = f"{product.api.url}/agents/{customer.agent_id}/webhook"
    unsigned = ("x-github-delivery", "x-atlassian-webhook-identifier", "x-request-id", "idempotency-key")
    answers = []
    for number, name in enumerate(("", *unsigned, *unsigned)):
        headers = {**hub_headers(customer.secret, body), **({name: str(number)} if name else {})}
        answers.append((await product.webhooks.post(url, content=body, headers=headers)).json())

    assert all(answer == answers[0] for answer in answers)
    assert await product.count(EXECUTIONS) == 1


async def test_a_two_mebibyte_body_is_too_large(product: Product) -> None:
    customer = await product.customer()
    body = json.dumps({"event": "request.created", "request_id": "1", "x": "y" * 2 * 1024 * 1024}).encode()
    answer = await product.deliver(customer, "1", body=body)

    assert answer.status_code == 413
    assert await product.count("SELECT count(*) FROM webhook_deliveries WHERE http_status = 413") == 1


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
    await product.set_limits(customer.tenant_id, webhooks_per_minute=2)
    answers = [await product.deliver(customer, "1001", delivery_id=f"d{i}") for i in range(4)]

    assert [answer.status_code for answer in answers] == [202, 202, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_the_desks_own_address_reaches_every_agent_of_the_tenant(product: Product) -> None:
    """Also those that come after one whose own schema refuses the event."""
    strict = {"triggers": [{"trigger_type": "webhook", "payload_schema": {"required": ["badge"]}}]}
    customer = await product.customer(tenant_id="acme", **strict)
    secret = "sb3Pzq0vJ8mYwT5uK1nRf7dC2xG9hLaE"
    changed = await customer.client.patch("/api/v1/tenants/acme", json={"webhook_signing_secret": secret})
    assert changed.is_success, changed.text

    second = await customer.client.post("/api/v1/agents", json={
        "name": "Second look", "system_prompt": "You prepare technicians.", "llm_config": {"model": "gpt-4"},
        "triggers": [{"trigger_type": "webhook"}], "tool_ids": ["servicedesk_plus"],
    })  # fmt: skip
    await customer.client.post(f"/api/v1/agents/{second.json()['id']}/activate")

    async def deliver(body: bytes, token: str) -> httpx2.Response:
        url = f"{product.api.url}/webhooks/acme/servicedesk_plus"
        return await product.webhooks.post(url, content=body, headers={"x-itsm-token": token})

    together = await deliver(event_body("1001"), secret)
    assert together.status_code == 202
    assert sorted(one["status"] for one in together.json()["deliveries"]) == ["accepted", "rejected"]
    assert (await deliver(b'{"hello": 1}', secret)).status_code in (400, 422)
    assert (await deliver(event_body("1001"), "wrong")).status_code == 401


async def test_an_event_that_would_take_minutes_to_check_holds_nobody_up(product: Product) -> None:
    schema = {"properties": {"x": {"uniqueItems": True}}}
    customer = await product.customer(triggers=[{"trigger_type": "webhook", "payload_schema": schema}])
    body = json.dumps({"ticket_id": "7", "x": [10**30 + at for at in range(20_000)]}).encode()
    heavy = asyncio.create_task(product.deliver(customer, "", delivery_id="d1", body=body))
    meanwhile = 0
    while not heavy.done():
        assert (await product.webhooks.get(f"{product.api.url}/healthz")).is_success
        meanwhile += not heavy.done()

    assert (heavy.result().status_code, meanwhile > 5) == (422, True)
    assert "too long" in heavy.result().json()["detail"]

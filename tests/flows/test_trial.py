"""An agent tried out, end to end: a draft on a past ticket, an old version on a pasted event, two beside each other."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from tests.flows.test_boundaries import bound
from tests.flows.test_budget import PRICE, priced
from tests.flows.test_first_light import with_history
from tests.support.product import Customer, Product

READS = {"GET"}
BUDGET = {"scope": "tenant", "period": "month", "amount_usd": "5.00"}


async def tried(product: Product, customer: Customer, **wanted: Any) -> dict[str, Any]:
    """The run of a try, once it has ended."""
    answer = await customer.client.post(f"/api/v1/agents/{customer.agent_id}/try", json=wanted)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/v1/executions/{answer.json()['id']}"
    return await product.ended(customer, answer.json()["id"])


async def calls_of_the_desk(product: Product) -> set[str]:
    """Methods with which the desk was called."""
    return {str(call["method"]) for call in (await product.desk.client.get("/_sim/calls")).json()}


async def test_a_draft_is_tried_on_a_past_ticket_and_is_no_first_look(product: Product) -> None:
    customer = await product.customer(active=False)
    await with_history(product, customer)
    assert (await customer.client.post("/api/v1/budgets", json=BUDGET)).status_code == 201
    product.model.script = priced(product)
    ticket = await product.desk.file_ticket(subject="VPN drops after the update")
    before = await product.desk.effects(ticket)
    await product.start_worker()

    run = await tried(product, customer, ticket_ref=ticket)

    assert (run["status"], run["mode"], run["agent_version"], run["ticket_ref"]) == ("completed", "dry_run", 1, ticket)
    assert (run["trigger_id"], run["replay_of"], run["retry_of"]) == (None, None, None)
    assert run["subject"] == "VPN drops after the update"
    assert "INV-1001" in run["note"]["markdown"]
    assert run["note"]["note_id"] is None
    [would] = [step for step in run["steps"] if step["name"] == "add_note"]
    assert (would["kind"], would["output"]["intent"]) == ("compute", "add_note")
    assert would["input"] == {"body": run["note"]["markdown"], "public": False}, "a note without a verdict's link"
    assert await product.desk.effects(ticket) == before
    assert await calls_of_the_desk(product) <= READS
    assert await product.count("SELECT count(*) FROM enhancement_history") == 0
    assert await product.count("SELECT count(*) FROM agent_executions WHERE lane IS NOT NULL") == 0
    # It is paid for as every run.
    use = (await customer.client.get("/api/v1/budgets")).json()[0]["use"]
    assert Decimal(use["used_usd"]) == len(product.model.chats) * PRICE > 0
    assert Decimal(run["cost_usd"]) == len(product.model.chats) * PRICE
    assert (await customer.client.get(f"/api/v1/agents/{customer.agent_id}")).json()["status"] == "draft"
    [entry] = await product.rows("SELECT actor, resource_id FROM audit_log WHERE operation = 'execution.try'")
    assert entry["resource_id"] == run["id"]

    # The ticket's first real look finds everything as if there had been no try.
    assert (await customer.client.post(f"/api/v1/agents/{customer.agent_id}/activate")).is_success
    answer = await product.deliver(customer, ticket)
    real = await product.ended(customer, answer.json()["execution_id"])
    assert (real["status"], real["mode"], real["same_as"]) == ("completed", "live", None)
    assert (await product.desk.effects(ticket))["notes"] == 1


async def test_an_old_version_is_tried_on_a_pasted_event_and_no_event_starts_a_draft(product: Product) -> None:
    customer = await product.customer(active=False)
    await with_history(product, customer)
    changed = {"system_prompt": "Answer in one line, and cite what you used."}
    assert (await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json=changed)).is_success
    ticket = await product.desk.file_ticket(subject="VPN drops after the update")
    await product.start_worker()
    event = {"event": "request.created", "request_id": ticket, "subject": "VPN drops after the update"}

    ignored = await product.deliver(customer, ticket)
    old = await tried(product, customer, payload=event, agent_version=1)
    chats = len(product.model.chats)
    new = await tried(product, customer, payload=event)

    assert ignored.json()["status"] == "ignored"
    assert (old["agent_version"], new["agent_version"]) == (1, 2)
    assert (old["ticket_ref"], old["input_payload"]) == (ticket, event)
    assert "Answer in one line" not in str(product.model.chats[:chats])
    assert "Answer in one line" in str(product.model.chats[chats:])
    assert old["note"]
    assert new["note"]
    assert await calls_of_the_desk(product) <= READS

    listed = (await customer.client.get("/api/v1/executions", params={"mode": "dry_run"})).json()["items"]
    assert [one["id"] for one in listed] == [new["id"], old["id"]]
    assert (await customer.client.get("/api/v1/executions", params={"mode": "live"})).json()["items"] == []
    # A dry replay of a try is one more, of a draft as well; a real one is not.
    replay = f"/api/v1/executions/{old['id']}/replay"
    assert (await customer.client.post(replay, json={"agent_version": 2})).status_code == 202
    live = await customer.client.post(replay, json={"mode": "live"})
    assert (live.status_code, "'draft'" in live.json()["detail"]) == (409, True)


async def test_what_the_desk_does_not_show_is_said_before_anything_starts(product: Product) -> None:
    customer = await product.customer(active=False)
    url = f"/api/v1/agents/{customer.agent_id}/try"
    unknown = await customer.client.post(url, json={"ticket_ref": "999999999999"})
    assert unknown.status_code == 422
    [fault] = unknown.json()["errors"]
    assert fault["pointer"] == "/ticket_ref"
    assert "ServiceDesk Plus shows no ticket 999999999999" in fault["detail"]

    ticket = await product.desk.file_ticket()
    await bound(customer, {"name": "Board", "desk": ["servicedesk_plus"]})
    away = await customer.client.post(url, json={"ticket_ref": ticket})
    pasted = await customer.client.post(url, json={"payload": {"event": "request.created", "request_id": ticket}})
    assert [one.status_code for one in (away, pasted)] == [409, 409]
    assert "The tenant's rule 'Board' is about this ticket: nothing was started." in away.json()["detail"]
    assert await product.count("SELECT count(*) FROM agent_executions") == 0


async def test_an_agent_of_the_clock_is_tried_as_its_schedule_starts_it(product: Product) -> None:
    schedule = {"trigger_type": "schedule", "schedule_cron": "0 9 * * 1", "schedule_timezone": "Europe/Berlin"}
    customer = await product.customer(active=False, triggers=[{"trigger_type": "webhook"}, schedule])
    await product.start_worker()
    run = await tried(product, customer)
    assert (run["status"], run["mode"], run["ticket_ref"]) == ("completed", "dry_run", None)
    assert re.search(r"Scheduled run for \w+day .*Europe/Berlin", str(product.model.chats))
    assert run["output_result"]["report"]

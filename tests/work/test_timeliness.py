"""A note helps while its ticket is open and its age is what the agent's author allows; otherwise the run says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.product import Customer, Product

from deskhand.simulators.models import Reply, obliging
from deskhand.work import due, timeliness

GRANTS = {"servicedesk_plus": ["get_ticket", "add_note", "reply", "resolve"]}
SOLVED = "A person solved the ticket meanwhile; nothing was written."


async def delivered(product: Product, customer: Customer, ticket_id: str) -> str:
    answer = await product.deliver(customer, ticket_id)
    return str(answer.json()["execution_id"])


async def solve(product: Product, ticket_id: str) -> None:
    changed = await product.desk.client.patch(f"/_sim/tickets/{ticket_id}", json={"status": "Resolved"})
    changed.raise_for_status()


def solving(product: Product, ticket_id: str, first: Reply | None = None) -> Callable[[Mapping[str, Any]], Reply]:
    """A model while whose first call a technician solves the ticket."""
    calls = 0

    def script(body: Mapping[str, Any]) -> Reply:
        nonlocal calls
        calls += 1
        if calls == 1:
            simulator = product.desk.simulator
            ticket, technician = simulator.store.tickets[ticket_id], simulator.store.person("ines@desk.test")
            simulator.change(ticket, simulator.closing_fields("Resolved"), by=technician)
        return first if first is not None and calls == 1 else obliging(body)

    return script


@pytest.mark.parametrize("kind", ["note", "reply"])
async def test_solved_while_the_model_took_its_time_the_ticket_gets_nothing(
    product: Product, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(timeliness, "SECONDS_OF_A_LOOK", 0.0)
    customer = await product.customer(tool_operations=GRANTS, outcome={"kind": kind})
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    product.model.script = solving(product, ticket_id)
    run = await product.ended(customer, await delivered(product, customer, ticket_id))
    assert (run["status"], run["degraded"], run["not_written"]) == ("completed", False, SOLVED)
    assert (await product.desk.effects(ticket_id))["notes"] == 0


async def test_a_ticket_that_goes_where_agents_are_kept_out_while_the_model_works_gets_nothing(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeliness, "SECONDS_OF_A_LOOK", 0.0)
    customer = await product.customer(tool_operations=GRANTS)
    body = {"enhancement_preferences": {"boundaries": [{"name": "HR", "words": ["HR"]}]}}
    assert (await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=body)).is_success
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()

    def script(asked: Mapping[str, Any]) -> Reply:
        simulator = product.desk.simulator
        ticket, technician = simulator.store.tickets[ticket_id], simulator.store.person("ines@desk.test")
        simulator.change(ticket, {"group": "HR Operations"}, by=technician)
        return obliging(asked)

    product.model.script = script
    run = await product.ended(customer, await delivered(product, customer, ticket_id))
    assert (run["status"], run["not_written_code"]) == ("completed", "kept_out")
    assert run["not_written"] == "The tenant's rule 'HR' is about this ticket: nothing was done."
    assert (await product.desk.effects(ticket_id))["notes"] == 0


async def test_solved_between_two_attempts_the_model_is_not_asked_again(product: Product) -> None:
    customer = await product.customer(tool_operations=GRANTS)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    product.model.script = solving(product, ticket_id, Reply(status=503, error={"message": "overloaded"}))
    run = await product.ended(customer, await delivered(product, customer, ticket_id))
    assert (run["status"], run["not_written"]) == ("completed", SOLVED), run
    assert (await product.desk.effects(ticket_id))["notes"] == 0
    assert len(product.model.chats) == 1


async def test_a_ticket_that_was_solved_long_after_its_event_and_before_the_run_gets_nothing(product: Product) -> None:
    customer = await product.customer(tool_operations=GRANTS)
    ticket_id = await product.desk.file_ticket()
    execution_id = await delivered(product, customer, ticket_id)
    product.desk.simulator.store.clock.advance(3600)
    await solve(product, ticket_id)
    await product.start_worker()
    run = await product.ended(customer, execution_id)
    assert (run["status"], run["not_written"]) == ("completed", SOLVED)
    assert product.model.chats == []
    # What a dry run shows is what would be written, whatever has become of the ticket.
    answer = await customer.client.post(f"/api/v1/executions/{execution_id}/replay", json={"mode": "dry_run"})
    dry = await product.ended(customer, answer.json()["id"])
    assert dry["note"]["markdown"]


async def test_an_event_about_a_solved_ticket_brings_a_note_only_where_a_person_asks(product: Product) -> None:
    customer = await product.customer(tool_operations=GRANTS)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    await solve(product, ticket_id)
    run = await product.ended(customer, await delivered(product, customer, ticket_id))
    assert (run["status"], run["not_written"]) == ("completed", due.SOLVED)
    assert ((await product.desk.effects(ticket_id))["notes"], product.model.chats) == (0, [])
    answer = await customer.client.post(f"/api/v1/executions/{run['id']}/replay", json={"mode": "live"})
    asked = await product.ended(customer, answer.json()["id"])
    assert (asked["status"], asked["not_written"]) == ("completed", None)
    assert (await product.desk.effects(ticket_id))["notes"] == 1


async def test_what_the_run_resolved_itself_was_solved_by_no_person(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeliness, "SECONDS_OF_A_LOOK", 0.0)
    customer = await product.customer(tool_operations=GRANTS)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()

    def script(body: Mapping[str, Any]) -> Reply:
        told = any(message["role"] == "tool" for message in body["messages"])
        return obliging(body) if told else Reply(tool_calls=(("resolve", {"resolution": "It was the cable."}),))

    product.model.script = script
    run = await product.ended(customer, await delivered(product, customer, ticket_id))
    assert (run["status"], run["not_written"]) == ("completed", None), run
    assert (await product.desk.effects(ticket_id))["notes"] == 1


@pytest.mark.parametrize(("minutes", "written"), [(60, 0), (120, 1), (None, 1)])
async def test_later_than_its_agents_limit_a_note_is_not_written(
    product: Product, minutes: int | None, written: int
) -> None:
    outcome = {"kind": "note", **({"max_age_minutes": minutes} if minutes else {})}
    customer = await product.customer(tool_operations=GRANTS, outcome=outcome)
    shown = (await customer.client.get(f"/api/v1/agents/{customer.agent_id}")).json()["outcome"]
    assert shown.get("max_age_minutes") == minutes
    ticket_id = await product.desk.file_ticket()
    execution_id = await delivered(product, customer, ticket_id)
    async with product.platform_pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE deskhand_platform")
        await connection.execute(
            "UPDATE agent_executions SET queued_at = queued_at - $1::interval", timedelta(hours=1.5)
        )
    await product.start_worker()
    run = await product.ended(customer, execution_id)
    assert run["status"] == "completed", run
    assert (await product.desk.effects(ticket_id))["notes"] == written
    assert ("60 minutes" in (run["not_written"] or "")) is (written == 0)


async def test_what_is_late_is_not_written_unless_somebody_asks_or_the_tenant_wants_it(product: Product) -> None:
    customer = await product.customer(tool_operations=GRANTS, outcome={"kind": "note", "nothing_found": "say"})
    await product.start_worker()
    now = datetime.now(UTC)
    old, late = await product.desk.file_ticket(), await product.desk.file_ticket()
    product.desk.simulator.store.tickets[old].created_at = now - timedelta(days=731)

    async def run(ticket_id: str, name: str, at: datetime) -> dict[str, Any]:
        stamp = str(round(at.timestamp() * 1000))
        body = json.dumps({"event": "request.updated", "request_id": ticket_id, "updated_time": stamp}).encode()
        answer = await product.deliver(customer, ticket_id, delivery_id=name, body=body)
        return await product.ended(customer, answer.json()["execution_id"])

    first = await run(old, "old", now)
    assert first["not_written"] == "The ticket was filed more than 730 days ago; nothing was written."
    second = await run(late, "late", now - timedelta(hours=25))
    assert second["not_written"] == "The event is more than 24 hours old; nothing was written."
    assert product.model.chats == []
    replay = await customer.client.post(f"/api/v1/executions/{first['id']}/replay", json={"mode": "live"})
    assert (await product.ended(customer, replay.json()["id"]))["note"]
    rules = {"notes": {"latest_event_hours": None, "oldest_ticket_days": 3_650}}
    await customer.client.patch("/api/v1/tenants/acme", json={"enhancement_preferences": rules})
    assert (await run(late, "late-again", now - timedelta(hours=25)))["note"]

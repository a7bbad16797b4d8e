"""A client who is kept out, and tickets that want care, from the tenant's rule to the desk; above what an agent may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.flows.test_companies import FOREIGN, OWN, SUBJECT, TEXT, know
from tests.support.desks import DESKS
from tests.support.product import Customer, Desk, Product, until
from tests.support.upkeep import reach_of

from deskhand.knowledge.boundaries import boundaries_of
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.upkeep.exclusions import TABLES
from deskhand.knowledge.upkeep.keeper import KnowledgeKeeper

OUT = {"name": "Suedwerk opted out", "company": ["Suedwerk"]}


async def bound(customer: Customer, *rules: dict[str, Any]) -> None:
    body = {"enhancement_preferences": {"boundaries": list(rules)}}
    answer = await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=body)
    assert answer.is_success, answer.text


async def set_up(product: Product, tool: str, **agent: Any) -> tuple[Customer, Desk]:
    desk = product.desk if tool == "servicedesk_plus" else await product.open_desk(tool)
    customer = await product.customer(tool.replace("_", "-"), desk=desk, **agent)
    # Of Zendesk's two kinds the one whose events name the organisation; after the other's, the run decides.
    await product.point_desk_at(customer, **({"scheme": "events"} if tool == "zendesk" else {}))
    return customer, desk


async def deliveries(product: Product, ticket_id: str) -> list[tuple[str, str]]:
    query = "SELECT outcome, reason FROM webhook_deliveries WHERE ticket_ref = $1 ORDER BY received_at"
    return [(str(row["outcome"]), str(row["reason"])) for row in await product.rows(query, ticket_id)]


@pytest.mark.parametrize("tool", DESKS)
async def test_of_a_client_who_is_kept_out_nothing_is_known_asked_or_written(
    product: Product, tool: str, tmp_path: Path
) -> None:
    customer, desk = await set_up(product, tool)
    await know(product, customer.tenant_id, tmp_path)
    # The desk has named the client before, on a ticket that nobody kept out.
    before = await desk.file_ticket("Before", company="Suedwerk")
    await product.start_worker()
    (first, *_) = await until(lambda: deliveries(product, before))
    assert first[0] == "accepted"
    await until(lambda: product.rows("SELECT 1 FROM desk_companies"))
    await until(lambda: product.rows("SELECT 1 FROM agent_executions WHERE status = 'completed'"))

    await bound(customer, OUT)
    await until(lambda: taken_out(product))
    for table, column in zip(TABLES, ("description", "body", "role"), strict=True):
        rows = await product.rows(f"SELECT {column} AS words FROM {table}")
        words = " ".join(row["words"] for row in rows)
        assert OWN in words
        assert FOREIGN not in words

    await until(lambda: stopped_at_the_door(product, desk))
    asked, chats = len(desk.simulator.calls), len(product.model.chats)
    ticket_id = await desk.file_ticket(SUBJECT, f"{TEXT} {FOREIGN}", company="Suedwerk")
    (outcome, reason), *_ = await until(lambda: deliveries(product, ticket_id))
    assert (outcome, reason) == (
        "ignored",
        "The tenant's rule 'Suedwerk opted out' is about this ticket: nothing was done.",
    )
    told = await product.rows("SELECT facts FROM webhook_deliveries WHERE ticket_ref = $1", ticket_id)
    assert {row["facts"] for row in told} == {None}
    assert (len(desk.simulator.calls), len(product.model.chats)) == (asked, chats)
    assert await product.count("SELECT count(*) FROM agent_executions WHERE ticket_ref = $1", ticket_id) == 0


async def stopped_at_the_door(product: Product, desk: Desk) -> bool:
    """Whether the door, which keeps what it knows for a moment, has read the rule; nothing is under way then."""
    ticket_id = await desk.file_ticket("Probe", company="Suedwerk")
    (first, *_) = await until(lambda: deliveries(product, ticket_id))
    await until(lambda: at_rest(product))
    return first[0] == "ignored"


async def at_rest(product: Product) -> bool:
    return await product.count("SELECT count(*) FROM agent_executions WHERE completed_at IS NULL") == 0


async def taken_out(product: Product) -> bool:
    """Let the upkeep work until the job has ended that takes out what is kept out."""
    keeper = KnowledgeKeeper(product.pool, reach_of(product.db, product.keys[0], LexicalOnly()))
    await keeper.tend()
    while await keeper.work() == 0.0:
        pass
    return bool(await product.rows("SELECT 1 FROM knowledge_jobs WHERE kind = 'exclusions' AND state = 'done'"))


async def run_on(product: Product, customer: Customer, ticket_id: str, name: str) -> dict[str, Any]:
    """The run of an event that says nothing but which ticket it is about."""
    answer = await product.deliver(
        customer,
        ticket_id,
        delivery_id=name,
        body=json.dumps({"event": "request.created", "request_id": ticket_id}).encode(),
    )
    assert answer.json()["status"] == "accepted", answer.text
    return await product.ended(customer, answer.json()["execution_id"])


async def test_where_the_event_does_not_tell_the_run_does_before_it_keeps_or_asks_anything(product: Product) -> None:
    customer = await product.customer()
    await bound(customer, {"name": "HR", "group": ["Identity"]})
    await product.start_worker()
    ticket_id = await product.desk.file_ticket(SUBJECT, f"{TEXT} {FOREIGN}", group="Identity")
    run = await run_on(product, customer, ticket_id, "one")
    assert run["not_written"] == "The tenant's rule 'HR' is about this ticket: nothing was done."
    assert (run["status"], run["not_written_code"]) == ("completed", "kept_out")
    assert product.model.chats == []
    assert await product.desk.notes(ticket_id) == []
    (asked,) = [call for call in product.desk.simulator.calls if ticket_id in call["path"]]
    assert asked["method"] == "GET"
    kept = await product.rows("SELECT output::text AS words FROM execution_steps")
    assert FOREIGN not in " ".join(row["words"] or "" for row in kept)
    # Nor does a person's word lead past the rule, which stands above every agent and every repetition.
    replay = await customer.client.post(f"/api/v1/executions/{run['id']}/replay", json={"mode": "live"})
    again = await product.ended(customer, replay.json()["id"])
    assert again["not_written"] == run["not_written"]
    assert product.model.chats == []


async def test_a_sensitive_ticket_parks_each_write_and_keeps_models_outside_away(product: Product) -> None:
    customer = await product.customer(outcome={"kind": "note", "nothing_found": "say"})
    await bound(
        customer,
        {"name": "VIPs", "effect": "approve", "vip": True},
        {"name": "Legal", "effect": "local", "custom": {"udf_sline_1": ["legal hold"]}},
    )
    await product.start_worker()
    product.desk.simulator.store.person("alice@acme.test").is_vip = True
    vip = await product.desk.file_ticket()
    run = await run_on(product, customer, vip, "vip")
    assert (run["status"], len(product.model.chats)) == ("waiting", 1)
    (asked,) = (await customer.client.get("/api/v1/approvals")).json()["items"]
    assert asked["operation"] == "add_note"
    assert await product.desk.notes(vip) == []

    legal = await product.desk.file_ticket(requester="bo@acme.test")
    product.desk.simulator.store.tickets[legal].custom["udf_fields"] = {"udf_sline_1": "Legal hold"}
    run = await run_on(product, customer, legal, "legal")
    assert len(product.model.chats) == 1, "no model outside read it"
    assert run["note"]
    assert run["degraded"] is True
    assert "no model but a local one may read it" in run["output_result"]["degraded_reason"]


async def test_what_the_rows_do_not_tell_the_desk_is_asked_and_files_bring_nothing_back(
    product: Product, tmp_path: Path
) -> None:
    customer = await product.customer()
    simulator = product.desk.simulator
    for group, number in (("Identity", "1001"), ("Network", "1002")):
        simulator.store.add(
            number, subject=f"Of {group}", requester=simulator.store.person("bo@acme.test"), description="<p>x</p>",
            group=group, **simulator.closing_fields("Resolved"), resolution="<p>Cleaned it.</p>",
        )  # fmt: skip

    async def kept() -> set[str]:
        return {row["subject"] for row in await product.rows("SELECT subject FROM ticket_history")}

    keeper = KnowledgeKeeper(product.pool, reach_of(product.db, product.keys[0], LexicalOnly()))
    await keeper.tend()
    while await keeper.work() == 0.0:
        pass
    assert await kept() == {"Of Identity", "Of Network"}
    await bound(customer, {"name": "HR", "effect": "local", "group": ["Identity"]}, OUT)
    assert await taken_out(product)
    assert await kept() == {"Of Network"}
    assert await product.count("SELECT sum(removed) FROM knowledge_jobs WHERE kind = 'reconcile'") == 1
    # The rules as they are were applied: another night asks for no other job.
    assert await taken_out(product)
    assert await product.count("SELECT count(*) FROM knowledge_jobs WHERE kind = 'exclusions'") == 1
    await know(product, customer.tenant_id, tmp_path)
    words = await product.rows(
        "SELECT description AS words FROM ticket_history UNION ALL SELECT body FROM knowledge_articles"
    )
    assert FOREIGN not in " ".join(row["words"] for row in words)
    async with product.db.tenant_session(customer.tenant_id) as session:
        assert [rule.name for rule in (await boundaries_of(session)).rules] == ["HR", OUT["name"]]


async def test_rules_are_part_of_the_tenants_file_and_of_its_audit_log(product: Product) -> None:
    customer = await product.customer()
    await bound(customer, OUT)
    (entry,) = await product.rows("SELECT details FROM audit_log WHERE operation = 'tenant.update'")
    assert entry["details"]["before"]["enhancement_preferences"] == {}
    assert entry["details"]["after"]["enhancement_preferences"] == {"boundaries": [OUT]}
    refused = await customer.client.patch(
        f"/api/v1/tenants/{customer.tenant_id}", json={"enhancement_preferences": {"boundaries": [{"name": "all"}]}}
    )
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"].startswith("/enhancement_preferences/boundaries/0")

"""What is written inside stays inside: an agent whose note is shown is paused; none writes after a refused trial."""

from __future__ import annotations

from typing import Any

from tests.support.desks import DESKS, Desk
from tests.support.product import Customer, Product, until

from deskhand.simulators.base.rules import NoteRules


async def connected(product: Product, tool: str, rules: NoteRules) -> tuple[Customer, Desk]:
    """A tenant with an active agent, whose desk has rules for notes."""
    desk = product.desk if tool == "servicedesk_plus" else await product.open_desk(tool)
    customer = await product.customer(tool.replace("_", "-"), desk=desk)
    await product.point_desk_at(customer)
    desk.simulator.store.rules = rules
    return customer, desk


async def run_on(product: Product, customer: Customer, desk: Desk, *, runs: int = 1) -> tuple[str, dict[str, Any]]:
    """A new ticket, and what became of the run that it started."""
    ticket = await desk.file_ticket()

    async def started() -> list[dict[str, Any]]:
        items = (await customer.client.get("/api/v1/executions")).json()["items"]
        return list(items) if len(items) == runs else []

    newest = (await until(started))[0]
    return ticket, await product.ended(customer, str(newest["id"]))


async def pauses(customer: Customer) -> list[dict[str, Any]]:
    return list((await customer.client.get("/api/v1/pauses")).json())


async def facts(product: Product, customer: Customer) -> list[tuple[str, str]]:
    query = "SELECT subject_id, ticket FROM notification_facts WHERE kind = 'published' AND tenant_id = $1"
    return [(str(row["subject_id"]), str(row["ticket"])) for row in await product.rows(query, customer.tenant_id)]


async def test_an_agent_whose_note_is_shown_is_paused_on_every_desk_and_no_other(product: Product) -> None:
    await product.start_worker()
    for tool in DESKS:
        customer, desk = await connected(product, tool, NoteRules(mail_requester=True, answer=True))
        _, run = await run_on(product, customer, desk)
        # Mails are what a trial is for: the answer to a write tells nothing of them.
        assert (tool, run["status"], run["became_public"]) == (tool, "completed", None)
        assert (await pauses(customer), await facts(product, customer)) == ([], [])

        desk.simulator.store.rules = NoteRules(publish=True)
        ticket, run = await run_on(product, customer, desk, runs=2)
        assert "showed the requester" in run["became_public"], tool
        assert [note["public"] for note in await desk.notes(ticket)] == [True], tool
        (pause,) = await pauses(customer)
        assert (pause["scope"], pause["agent_id"], pause["paused_by"]) == ("agent", customer.agent_id, "deskhand")
        assert f"the requester of ticket {ticket} an internal note" in pause["reason"]
        assert await facts(product, customer) == [(run["id"], ticket)]
        page = await customer.client.get(f"/api/v1/executions/{run['id']}")
        assert page.json()["became_public"] == run["became_public"]


async def test_where_a_trial_was_refused_nothing_is_written_until_one_passes(product: Product) -> None:
    await product.start_worker()
    customer, desk = await product.customer(), product.desk
    tried = desk.simulator.store
    tried.rules = NoteRules(publish=True)
    path = f"/api/v1/tenants/{customer.tenant_id}/connections/servicedesk_plus/note-trial"
    trial = await desk.file_ticket("A ticket to try on")
    answer = await customer.client.post(path, json={"ticket": tried.tickets[trial].display_id})
    assert (answer.status_code, answer.json()["verdict"]) == (200, "refused"), answer.text

    await product.point_desk_at(customer)
    ticket, run = await run_on(product, customer, desk)
    assert (run["status"], await desk.notes(ticket)) == ("completed", [])
    assert "The trial of a note on ManageEngine ServiceDesk Plus was refused" in run["not_written"]
    assert "Notification Rules" in run["not_written"]
    assert [step["kind"] for step in run["steps"]] == [], "neither the desk nor a model was asked"

    agent = f"/api/v1/agents/{customer.agent_id}"
    # One that is on may be changed, and is not switched on again.
    assert (await customer.client.patch(agent, json={"name": "Renamed"})).is_success
    assert (await customer.client.post(f"{agent}/suspend")).is_success
    refused = await customer.client.post(f"{agent}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "agent-not-ready")
    assert "shows our internal note to the requester" in refused.json()["detail"]
    reads = {"tool_operations": {"servicedesk_plus": ["get_ticket"]}}
    made = await customer.client.post(
        "/api/v1/agents",
        json={
            "name": "Reader",
            "system_prompt": "You read tickets and report on them.",
            "llm_config": {"model": "gpt-4", "temperature": 0.0},
            "triggers": [{"trigger_type": "webhook"}],
            "tool_ids": ["servicedesk_plus"],
            "status": "active",
            **reads,
        },
    )
    assert made.status_code == 201, "an agent that only reads shows nobody anything"

    tried.rules = NoteRules()
    again = await customer.client.post(path, json={"ticket": ticket})
    assert again.json()["verdict"] == "ok", again.text
    assert (await customer.client.post(f"{agent}/resume")).is_success
    repeated = await customer.client.post(f"/api/v1/executions/{run['id']}/replay", json={"mode": "live"})
    assert repeated.is_success, repeated.text
    ended = await product.ended(customer, repeated.json()["id"])
    assert (ended["status"], ended["not_written"]) == ("completed", None)
    assert [note["public"] for note in await desk.notes(ticket)] == [False, False]

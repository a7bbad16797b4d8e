"""Work logs: under a grant of their own, measured, not billable, and a person's word where one approves them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.approvals import answer, asking, calling, completed, question
from tests.support.desks import DESKS
from tests.support.product import Customer, Product, until
from tests.support.undo import effects_of, started
from tests.support.writes import begin

TEXT = "Read the ticket and three **logs**."
LOGGING = [tool for tool in DESKS if tool != "zendesk"]


async def agent(product: Product, tool: str, *calls: Any, **granted: Any) -> Customer:
    """A tenant whose agent makes these calls, and the worker that lets it."""
    desk = await product.open_desk(tool)
    product.model.script = calling(*calls)
    grants = {tool: {"get_ticket": {}, **granted}}
    customer = await product.customer(desk=desk, tool_operations=grants, outcome={"kind": "none"})
    await product.start_worker()
    return customer


async def deliveries(product: Product, ticket_id: str, *, at_least: int) -> list[Any]:
    query = "SELECT outcome, reason FROM webhook_deliveries WHERE ticket_ref = $1 ORDER BY received_at"
    rows = await product.rows(query, ticket_id)
    return rows if len(rows) >= at_least else []


def logs(customer: Customer, ticket_id: str) -> list[Any]:
    assert customer.desk is not None
    return list(customer.desk.simulator.store.tickets[ticket_id].work_logs)


@pytest.mark.parametrize("tool", LOGGING)
async def test_what_a_run_took_is_written_down_once_at_no_cost_and_its_event_starts_nothing(
    product: Product, tool: str
) -> None:
    customer = await agent(product, tool, ("log_time", {"text": TEXT}), log_time={})
    assert customer.desk is not None
    await product.point_desk_at(customer)
    ticket_id = await customer.desk.file_ticket("Printer jams")
    run = await product.ended(customer, await started(customer))
    assert run["status"] == "completed", run
    (log,) = logs(customer, ticket_id)
    # A run of seconds is one minute: no desk takes less, and nobody has said another figure.
    assert (log.seconds, log.author.email) == (60, customer.desk.simulator.store.bot.email)
    assert "three" in log.text
    assert log.cost == ("0" if tool == "servicedesk_plus" else None)
    (step,) = (step for step in run["steps"] if step["kind"] == "write")
    assert step["name"] == "log_time"
    assert step["input"] == {"text": TEXT, "minutes": 1, "billable": False}
    measured = next(step["output"] for step in run["steps"] if step["name"] == "measure_time")
    assert 0 < measured["seconds"] < 60
    trail = (await customer.client.get("/api/v1/audit", params={"operation": "desk.log_time"})).json()["items"]
    assert [entry["resource_id"] for entry in trail] == [ticket_id]
    ticket = customer.desk.simulator.store.tickets[ticket_id]
    assert (ticket.notes, ticket.mails, ticket.responded_at) == ([], [], None)
    if tool == "jira":  # which tells of it as of a change of the ticket
        told = await until(lambda: deliveries(product, ticket_id, at_least=2))
        assert [one["outcome"] for one in told] == ["accepted", "ignored"], told
    assert len((await customer.client.get("/api/v1/executions")).json()["items"]) == 1


async def test_without_the_grant_nothing_is_written_and_no_minutes_but_the_measured_ones(product: Product) -> None:
    customer = await agent(product, "servicedesk_plus", ("log_time", {"text": TEXT}))
    ticket_id, _ = await begin(product, customer, "No grant")
    run = await product.ended(customer, await started(customer))
    assert not [step for step in run["steps"] if step["kind"] == "write"]
    changed: Any = {"tool_operations": {"servicedesk_plus": {"get_ticket": {}, "log_time": {}}}}
    assert (await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json=changed)).is_success
    product.model.script = calling(("log_time", {"text": TEXT, "minutes": 480, "billable": True}))
    sent = await product.deliver(customer, ticket_id, delivery_id="again")
    run = await product.ended(customer, sent.json()["execution_id"])
    assert not [step for step in run["steps"] if step["kind"] == "write"], run
    assert logs(customer, ticket_id) == []


async def test_a_desk_that_keeps_no_time_does_not_offer_it(product: Product) -> None:
    desk = await product.open_desk("zendesk")
    customer = await product.customer(desk=desk, active=False)
    refused = await customer.client.patch(
        f"/api/v1/agents/{customer.agent_id}", json={"tool_operations": {"zendesk": {"get_ticket": {}, "log_time": {}}}}
    )
    assert refused.status_code == 422
    assert "log_time" in refused.text


async def test_who_approves_a_work_log_says_whose_minutes_and_what_is_charged(product: Product) -> None:
    customer = await asking(product, ("log_time", {"text": TEXT}))
    await product.start_worker()
    ticket_id = await product.desk.file_ticket("Printer jams")
    sent = await product.deliver(customer, ticket_id)
    run = await product.ended(customer, sent.json()["execution_id"])
    asked = await question(customer, run["id"])
    assert asked["operation"] == "log_time"
    # What would be written is seen as a whole before anybody says yes.
    shown = {one["field"]: one["after"] for one in asked["differences"]}
    assert shown == {"text": TEXT, "minutes": "1", "billable": "false"}
    assert logs(customer, ticket_id) == []
    said = {"text": "Ines: replaced the fuser.", "minutes": 35, "billable": True}
    changed = await answer(customer.client, asked, "change", arguments=said)
    assert changed.status_code == 200, changed.text
    assert (await answer(customer.client, changed.json(), "approve")).status_code == 200
    run = await completed(product, customer, run["id"])
    (log,) = logs(customer, ticket_id)
    assert (log.seconds, "fuser" in log.text) == (35 * 60, True)
    # The desk computes it from what an hour costs; we said nothing.
    assert log.cost is None


async def test_a_dry_run_writes_nothing_down(product: Product) -> None:
    customer = await agent(product, "servicedesk_plus", ("log_time", {"text": TEXT}), log_time={})
    ticket_id, run_id = await begin(product, customer, "Printer jams")
    await product.ended(customer, run_id)
    replayed = await customer.client.post(f"/api/v1/executions/{run_id}/replay", json={"mode": "dry_run"})
    assert replayed.is_success, replayed.text
    dry = await product.ended(customer, replayed.json()["id"])
    (would,) = [step for step in dry["steps"] if step["name"] == "log_time"]
    assert (would["kind"], would["input"]["minutes"]) == ("compute", 1)
    assert len(logs(customer, ticket_id)) == 1


@pytest.mark.parametrize("tool", LOGGING)
async def test_a_work_log_is_taken_back(product: Product, tool: str) -> None:
    customer = await agent(product, tool, ("log_time", {"text": TEXT}), log_time={})
    ticket_id, run_id = await begin(product, customer, "Printer jams")
    await product.ended(customer, run_id)
    assert len(logs(customer, ticket_id)) == 1
    path = f"/api/v1/executions/{run_id}/undo"
    seen = (await customer.client.post(f"{path}/preview", json={})).json()
    assert effects_of(seen["items"]) == {"log_time": "withdraw_time"}
    begun = await customer.client.post(path, json={"digest": seen["digest"]})
    assert begun.status_code == 202, begun.text
    undone = await product.ended(customer, begun.json()["execution_id"])
    assert undone["status"] == "completed", undone
    assert logs(customer, ticket_id) == []
    again = (await customer.client.post(f"{path}/preview", json={})).json()
    assert not again["possible"], again

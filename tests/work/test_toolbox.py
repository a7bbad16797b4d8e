"""The one road of a write: granted, marked, journaled, audited; in a dry run an intent, and nothing at the desk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.product import Customer, Product

from deskhand.executions.console import timeline
from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.plugins.contract import Operation
from deskhand.plugins.operations import Access
from deskhand.simulators.models import Reply, obliging
from deskhand.work import toolbox

OPERATIONS = ["get_ticket", "add_note", "update_ticket"]
SOLVED = "subject,description,resolution,ticket_id\nVPN drops,It drops.,Restart the VPN client on the laptop.,1\n"


def updating(*changes: Mapping[str, Any]) -> Any:
    """A model that asks for these changes one after the other, then answers."""

    def script(body: Mapping[str, Any]) -> Reply:
        told = sum(message["role"] == "tool" for message in body["messages"])
        offered = any(tool["function"]["name"] == "update_ticket" for tool in body.get("tools", []))
        if offered and told < len(changes):
            return Reply(tool_calls=(("update_ticket", changes[told]),))
        return obliging(body)

    return script


async def customer_with_history(product: Product, tmp_path: Any, **agent: Any) -> Customer:
    customer = await product.customer(**agent)
    (tmp_path / "solved.csv").write_text(SOLVED)
    await knowledge.import_tickets(product.db, customer.tenant_id, tmp_path / "solved.csv", embedder=LexicalOnly())
    return customer


async def run_on(product: Product, customer: Customer, ticket_id: str) -> dict[str, Any]:
    answer = await product.deliver(customer, ticket_id, delivery_id=f"msg-{ticket_id}")
    return await product.ended(customer, answer.json()["execution_id"])


async def test_every_write_of_a_run_carries_the_mark_that_its_step_and_the_audit_log_keep(
    product: Product, tmp_path: Any
) -> None:
    customer = await customer_with_history(product, tmp_path, tool_operations={"servicedesk_plus": OPERATIONS})
    await product.start_worker()
    product.model.script = updating({"priority": "high"}, {"priority": "low"}, {"priority": "high"})
    ticket_id = await product.desk.file_ticket()
    run = await run_on(product, customer, ticket_id)

    assert run["status"] == "completed", run
    writes = [step for step in run["steps"] if step["kind"] == "write"]
    assert [step["name"] for step in writes] == ["update_ticket", "update_ticket", "update_ticket", "add_note"]
    marks = [step["mark"] for step in writes]
    assert all(marks)
    assert len(set(marks)) == 4
    effects = await product.desk.effects(ticket_id)
    assert effects["marks"] == dict.fromkeys(marks, 1)
    assert (effects["updates"], effects["notes"]) == (3, 1)
    for step in writes:
        assert step["output"]["mark"] == step["mark"]
        assert step["output"]["id"]
    audited = await product.rows("SELECT details FROM audit_log WHERE operation LIKE 'desk.%' ORDER BY sequence")
    assert [row["details"]["mark"] for row in audited] == marks


async def test_a_dry_run_takes_the_same_road_under_the_same_names_and_stops_before_the_desk(
    product: Product, tmp_path: Any
) -> None:
    customer = await customer_with_history(product, tmp_path, tool_operations={"servicedesk_plus": OPERATIONS})
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    live = await run_on(product, customer, ticket_id)
    product.model.script = updating({"priority": "high"})
    effects = await product.desk.effects(ticket_id)
    answer = await customer.client.post(f"/api/v1/executions/{live['id']}/replay", json={})
    dry = await product.ended(customer, answer.json()["id"])

    assert dry["status"] == "completed", dry
    intents = [step for step in dry["steps"] if step["name"] in ("update_ticket", "add_note")]
    assert [(step["name"], step["kind"], step["mark"]) for step in intents] == [
        ("update_ticket", "compute", None),
        ("add_note", "compute", None),
    ]
    assert intents[0]["input"] == {"priority": "high"}
    assert await product.desk.effects(ticket_id) == effects


async def test_what_the_desk_refuses_of_a_models_change_goes_back_to_the_model_and_the_note_is_written(
    product: Product, tmp_path: Any
) -> None:
    customer = await customer_with_history(product, tmp_path, tool_operations={"servicedesk_plus": OPERATIONS})
    await product.start_worker()
    product.model.script = updating({"category": "No such category"}, {"priority": "high"})
    ticket_id = await product.desk.file_ticket()
    run = await run_on(product, customer, ticket_id)

    assert run["status"] == "completed", run
    states = [(step["name"], step["state"]) for step in run["steps"] if step["kind"] == "write"]
    assert states == [("update_ticket", "failed"), ("update_ticket", "finished"), ("add_note", "finished")]
    assert (await product.desk.effects(ticket_id))["notes"] == 1


def test_the_names_of_writes_are_the_contracts() -> None:
    assert {operation.value for operation in Operation if operation.access is Access.WRITE} == timeline.WRITES


@pytest.mark.parametrize("changes", [{"priority": "high"}, {"category": "Network", "group": "Hardware"}])
def test_the_trace_shows_what_is_set_and_nothing_else(changes: dict[str, str]) -> None:
    assert toolbox.shown(toolbox.TicketChanges(**changes)) == changes

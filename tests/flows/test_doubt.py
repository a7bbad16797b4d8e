"""A write that nobody can tell about but a person: the run waits, is answered, and ends with exactly one note."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.product import Customer, Product

from deskhand.plugins.simulation.faults import Fault

NOTES = r"/notes$"


async def run_in_doubt(product: Product, *, written: bool) -> tuple[Customer, str, dict[str, Any]]:
    """A run whose note went out and was never confirmed, on a desk that then refuses to list its notes."""
    faults = product.desk.simulator.faults
    faults.add(Fault(kind="outage", after_effect=written, writes_only=True, count=1))
    faults.add(Fault(kind="status", status=403, method="GET", path=NOTES))
    customer = await product.customer()
    ticket_id = await product.desk.file_ticket()
    await product.start_worker()
    answer = await product.deliver(customer, ticket_id)
    return customer, ticket_id, await product.ended(customer, answer.json()["execution_id"])


@pytest.mark.parametrize("written", [True, False], ids=["it-was-done", "it-was-not-done"])
async def test_a_doubt_is_answered_and_the_ticket_has_one_note(product: Product, written: bool) -> None:
    customer, ticket_id, waiting = await run_in_doubt(product, written=written)
    question = waiting["question"]
    assert (waiting["status"], waiting["error_code"]) == ("waiting", "in-doubt")
    assert question["operation"] == "add_note"
    assert "No similar" in question["text"]
    assert question["mark"] in waiting["error_message"]
    notes = await product.desk.notes(ticket_id)
    assert [question["mark"] in str(note["body"]) for note in notes] == [True] * written

    url = f"/api/v1/executions/{waiting['id']}/answer"
    body = {"step_key": question["step_key"], "done": written, "receipt_id": "4711" if written else None}
    answered = await customer.client.post(url, json=body)
    assert answered.status_code == 200, answered.text
    assert answered.json()["status"] == "queued"
    done = await product.ended(customer, waiting["id"])

    assert done["status"] == "completed", done
    assert done["question"] is None
    assert (await product.desk.effects(ticket_id))["notes"] == 1
    assert (await product.desk.notes(ticket_id))[0]["body"].count(question["mark"]) == 1
    [step] = [step for step in done["steps"] if step["name"] == "add_note"]
    assert step["state"] == "finished"
    if written:
        assert (step["output"]["id"], done["note"]["note_id"]) == ("4711", "4711")
        assert step["output"]["given_by"].startswith("api-key:")
    assert await product.count("SELECT count(*) FROM enhancement_history") == 1
    [entry] = await product.rows("SELECT actor, details FROM audit_log WHERE operation = 'execution.answer'")
    assert entry["details"]["done"] is written
    assert (await customer.client.post(url, json=body)).status_code == 409

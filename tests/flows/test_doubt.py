"""A write that nobody can tell about but a person: the run waits, is answered, and ends with exactly one note."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.product import Customer, Product

from deskhand.simulators.base.faults import Fault


async def run_in_doubt(product: Product, customer: Customer, *, written: bool) -> tuple[str, dict[str, Any]]:
    """A run whose note went out and was never confirmed, on a desk that then refuses to list its notes."""
    ticket_id = await product.desk.file_ticket()
    faults, notes = product.desk.simulator.faults, f"/{ticket_id}/notes$"
    faults.add(Fault(kind="outage", after_effect=written, writes_only=True, path=notes, count=1))
    faults.add(Fault(kind="status", status=403, method="GET", path=notes))
    answer = await product.deliver(customer, ticket_id, delivery_id=ticket_id)
    return ticket_id, await product.ended(customer, answer.json()["execution_id"])


async def test_a_doubt_is_answered_either_way_and_each_ticket_has_one_note(product: Product) -> None:
    customer = await product.customer()
    await product.start_worker()

    async def waits_and_is_answered(*, written: bool) -> None:
        ticket_id, waiting = await run_in_doubt(product, customer, written=written)
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

        assert (done["status"], done["question"]) == ("completed", None), done
        assert (await product.desk.effects(ticket_id))["notes"] == 1
        assert (await product.desk.notes(ticket_id))[0]["body"].count(question["mark"]) == 1
        [step] = [step for step in done["steps"] if step["name"] == "add_note"]
        assert step["state"] == "finished"
        if written:
            assert (step["output"]["id"], done["note"]["note_id"]) == ("4711", "4711")
            assert step["output"]["given_by"].startswith("api-key:")
        assert (await customer.client.post(url, json=body)).status_code == 409

    await asyncio.gather(waits_and_is_answered(written=True), waits_and_is_answered(written=False))
    assert await product.count("SELECT count(*) FROM enhancement_history") == 2
    entries = await product.rows("SELECT details FROM audit_log WHERE operation = 'execution.answer'")
    assert sorted(entry["details"]["done"] for entry in entries) == [False, True]

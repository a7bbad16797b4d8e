"""``kill -9`` while a person looks, and between the yes and the write: asked once, written once."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.support.approvals import answer, asking, completed, move, parked, question
from tests.support.product import Product, until

pytestmark = pytest.mark.chaos

CALLS: dict[str, dict[str, Any]] = {"update_ticket": {"priority": "high"}, "add_note": {"body": "Look at the cable."}}
BOUNDARIES = {
    "before-intent": {"statement": "begin_step", "when": "before"},
    "after-intent": {"statement": "begin_step", "when": "after"},
    "after-effect": {"statement": "end_step", "when": "before"},
    "after-result": {"statement": "end_step", "when": "after"},
}


@pytest.mark.parametrize("operation", CALLS)
async def test_killed_at_each_boundary_of_an_approved_write_it_is_written_once(
    product: Product, worker_process: StartProcess, operation: str
) -> None:
    customer = await asking(product, (operation, CALLS[operation]))
    await product.start_worker(stale_after=STALE_AFTER)
    asked = {}
    for name in BOUNDARIES:
        ticket_id = await product.desk.file_ticket(name, priority="Low")
        asked[name] = (ticket_id, await parked(product, customer, ticket_id, delivery_id=name))
    await product.stop_workers()
    model_calls = len(product.model.chats)
    for name, moment in BOUNDARIES.items():
        execution_id = asked[name][1]["execution_id"]
        victim = await worker_process(stale_after=60.0, **moment, step=f"{operation}:", execution=execution_id)
        assert (await answer(customer.client, asked[name][1], "approve")).status_code == 200
        assert await victim.wait() == -signal.SIGKILL
    await product.start_worker(stale_after=STALE_AFTER)
    for name, (ticket_id, one) in asked.items():
        run = await completed(product, customer, one["execution_id"])
        writes = [(step["name"], step["state"]) for step in run["steps"] if step["kind"] == "write"]
        assert writes == [(operation, "finished")], name
        effects = await product.desk.effects(ticket_id)
        assert (effects["notes"], effects["updates"]) == ((1, 0) if operation == "add_note" else (0, 1)), name
    # The call itself was read back from the journal: each run asked the model once more, for its end.
    assert len(product.model.chats) == model_calls + len(BOUNDARIES)
    assert await product.count("SELECT count(*) FROM approvals WHERE state = 'approved'") == len(BOUNDARIES)


@pytest.mark.parametrize("moment", [
    {"statement": "begin_step", "when": "after", "step": "ask_approval:"},
    {"statement": "finish_execution", "when": "before"},
    {"statement": "INSERT INTO approvals"},
], ids=["before the question", "after the question", "in the question"])  # fmt: skip
async def test_killed_over_the_question_the_run_asks_once(
    product: Product, worker_process: StartProcess, moment: dict[str, str]
) -> None:
    customer = await asking(product, ("update_ticket", CALLS["update_ticket"]))
    victim = await worker_process(stale_after=60.0, **moment)
    ticket_id = await product.desk.file_ticket(priority="Low")
    sent = await product.deliver(customer, ticket_id)
    assert await victim.wait() == -signal.SIGKILL
    await product.start_worker(stale_after=STALE_AFTER)
    execution_id = sent.json()["execution_id"]

    async def waits() -> bool:
        return (await product.execution(customer, execution_id))["status"] == "waiting"

    await until(waits)
    asked = await question(customer, execution_id)
    assert await product.count("SELECT count(*) FROM audit_log WHERE operation = 'approval.ask'") == 1
    assert (await answer(customer.client, asked, "approve")).status_code == 200
    await completed(product, customer, execution_id)
    assert (await product.desk.effects(ticket_id))["updates"] == 1


async def test_a_worker_that_died_between_the_yes_and_the_write_does_not_write_on_a_ticket_that_moved(
    product: Product, worker_process: StartProcess
) -> None:
    customer = await asking(product, ("add_note", CALLS["add_note"]))
    await product.start_worker(stale_after=STALE_AFTER)
    ticket_id = await product.desk.file_ticket()
    asked = await parked(product, customer, ticket_id)
    await product.stop_workers()
    victim = await worker_process(
        stale_after=60.0, statement="begin_step", when="after", step="add_note:", execution=asked["execution_id"]
    )
    assert (await answer(customer.client, asked, "approve")).status_code == 200
    assert await victim.wait() == -signal.SIGKILL
    await move(product.desk, ticket_id)
    await product.start_worker(stale_after=STALE_AFTER)
    run = await completed(product, customer, asked["execution_id"])
    assert [one["state"] for one in run["not_approved"]] == ["void"]
    assert (await product.desk.effects(ticket_id))["notes"] == 0

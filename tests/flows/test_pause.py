"""An agent, a tenant or everything is paused: what comes in is accepted, waits, and runs once when the pause ends."""

from __future__ import annotations

import httpx2
import pytest
from tests.support.product import Customer, Product, until

from deskhand.engine.claims import sweep

REASON = "The desk moves to another building."


async def begin(product: Product, customer: Customer, what: str) -> tuple[httpx2.AsyncClient, str]:
    """Pause; whoever may end it, and the pause."""
    caller = await product.platform() if what == "everything" else customer.client
    of_agent = {"agent_id": customer.agent_id} if what == "agent" else {}
    answer = await caller.post("/api/v1/pauses", json={"reason": REASON, **of_agent})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["scope"], answer.json()["reason"]) == (what, REASON)
    return caller, answer.json()["id"]


@pytest.mark.parametrize("what", ["agent", "tenant", "everything"])
async def test_what_was_accepted_waits_and_runs_once_afterwards(product: Product, what: str) -> None:
    paused, other = await product.customer(), await product.customer("globex")
    await product.start_worker()
    caller, pause_id = await begin(product, paused, what)

    tickets = [await product.desk.file_ticket() for _ in range(3)]
    answers = [await product.deliver(paused, ticket, delivery_id=f"d-{ticket}") for ticket in tickets]
    again = await product.deliver(paused, tickets[0], delivery_id=f"d-{tickets[0]}")
    assert [answer.status_code for answer in (*answers, again)] == [202] * 4
    runs = [answer.json()["execution_id"] for answer in answers]

    # Somebody else's run goes through between two lives of the worker, so there was time enough to start these.
    await product.stop_workers()
    await product.start_worker()
    if what != "everything":
        free = await product.desk.file_ticket()
        ran = (await product.deliver(other, free)).json()["execution_id"]
        assert (await product.ended(other, ran))["status"] == "completed"
    await sweep(product.pool, stale_after=5.0)
    waiting = await product.rows(
        "SELECT status, parked, attempt FROM agent_executions WHERE tenant_id = 'acme' ORDER BY queued_at"
    )
    assert [tuple(row) for row in waiting] == [("queued", True, 0)] * 3
    assert [await product.desk.notes(ticket) for ticket in tickets] == [[], [], []]

    assert (await caller.delete(f"/api/v1/pauses/{pause_id}")).status_code == 204
    ended = [await product.ended(paused, run) for run in runs]
    assert [(run["status"], run["attempt"]) for run in ended] == [("completed", 1)] * 3
    assert [(await product.desk.effects(ticket))["notes"] for ticket in tickets] == [1, 1, 1]
    assert await product.count("SELECT count(*) FROM agent_executions WHERE tenant_id = 'acme'") == 3


async def test_what_a_worker_was_handed_already_waits_too(product: Product) -> None:
    """The job lies in PgQueuer when the pause begins: the start is what asks, and not the queue."""
    customer = await product.customer()
    ticket = await product.desk.file_ticket()
    run = (await product.deliver(customer, ticket)).json()["execution_id"]
    assert await product.count("SELECT count(*) FROM pgqueuer WHERE status = 'queued'") == 1
    caller, pause_id = await begin(product, customer, "tenant")
    await product.start_worker()
    await until(lambda: product.count("SELECT count(*) FROM agent_executions WHERE parked"))
    assert (await product.execution(customer, run))["attempt"] == 0
    assert (await caller.delete(f"/api/v1/pauses/{pause_id}")).status_code == 204
    assert (await product.ended(customer, run))["attempt"] == 1


async def test_two_pauses_hold_until_both_are_over(product: Product) -> None:
    customer = await product.customer()
    _, everything = await begin(product, customer, "everything")
    _, tenant = await begin(product, customer, "tenant")
    platform = await product.platform()
    run = (await product.deliver(customer, await product.desk.file_ticket())).json()["execution_id"]
    await product.start_worker()
    assert (await platform.delete(f"/api/v1/pauses/{everything}")).status_code == 204
    await sweep(product.pool, stale_after=5.0)
    assert (await product.execution(customer, run))["attempt"] == 0
    assert (await customer.client.delete(f"/api/v1/pauses/{tenant}")).status_code == 204
    assert (await product.ended(customer, run))["status"] == "completed"

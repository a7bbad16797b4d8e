"""A ticket kept from a try, run again by the lab, end to end: as it was kept, whatever became of it since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from tests.support.lab import FILED, lab_at_work, lab_run
from tests.support.lab_rows import kept_ticket
from tests.support.product import Product, until

from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.simulators.models import Reply

SINCE = "zanzibar"


def answer(_body: Mapping[str, Any]) -> Reply:
    """A model that always says the same."""
    said = {"priority": "high", "category": "Network", "group": None, "reason": "It is the network."}
    return Reply(tool_calls=(("give_answer", said),))


async def test_a_kept_ticket_is_run_as_it_was_kept(product: Product) -> None:
    customer = await product.customer(
        active=False,
        tool_operations={"servicedesk_plus": ["get_ticket", "update_ticket"]},
        outcome={"kind": "fields"},
    )
    product.model.script = answer
    await product.start_worker()
    ticket = await product.desk.file_ticket(subject="VPN drops after the update")
    base = f"/api/v1/agents/{customer.agent_id}"
    tried = (await customer.client.post(f"{base}/try", json={"ticket_ref": ticket})).json()
    await product.ended(customer, tried["id"])
    wanted = {"execution_id": tried["id"], "name": "VPN", "expected": {"category": "network", "priority": "low"}}
    kept = await customer.client.post(f"{base}/test-cases", json=wanted)
    assert kept.status_code == 201, kept.text

    sim = product.desk.simulator
    stored = sim.store.tickets[ticket]
    sim.write_note(stored, f"It was the {SINCE} note.", public=True, author=sim.store.person("t@desk.test"))
    sim.change(stored, {"subject": f"{SINCE} subject", "category": SINCE}, by=sim.store.bot)
    product.model.seen.clear()
    before = await product.desk.effects(ticket)

    async with lab_at_work(product):
        begun = await customer.client.post(f"{base}/lab-runs", json={"tickets": 0})
        assert begun.status_code == 202, begun.text
        run = await lab_run(customer, begun.json()["id"])

    [case] = (await customer.client.get(f"/api/v1/lab-runs/{run['id']}/cases")).json()["items"]
    assert (run["state"], case["verdicts"]) == ("completed", {"category": "right", "priority": "wrong"})
    [chat] = product.model.chats
    assert "VPN drops after the update" in json.dumps(chat.body)
    assert SINCE not in json.dumps(chat.body)
    # A dry run, as any other: seen in the list, paid for, and nothing written.
    shown = await product.execution(customer, case["execution_id"])
    assert (shown["mode"], shown["status"], shown["ticket_ref"]) == ("dry_run", "completed", ticket)
    assert await product.desk.effects(ticket) == before


async def test_what_a_killed_worker_left_is_taken_over_and_the_run_ends(product: Product) -> None:
    customer = await product.customer(
        active=False,
        tool_operations={"servicedesk_plus": ["get_ticket", "update_ticket"]},
        outcome={"kind": "fields"},
    )
    product.model.script = answer
    for number in ("1", "2"):
        await kept_ticket(product.db, customer.tenant_id, customer.agent_id, subject=f"VPN drops {number}")
    url = f"/api/v1/agents/{customer.agent_id}/lab-runs"
    begun = (await customer.client.post(url, json={"tickets": 0, "parallel": 1})).json()

    async def at_work() -> int:
        return await product.count("SELECT count(*) FROM agent_executions WHERE status = 'queued'")

    async with lab_at_work(product):
        assert await until(at_work) == 1
    # Its worker had taken it, and read its ticket, when it was killed; what kept the lab going is gone with it.
    async with product.db.tenant_session(customer.tenant_id) as session:
        run_id = await session.scalar(select(AgentExecution.id))
        dead = {"status": "running", "attempt": 1, "worker_id": "dead", "heartbeat_at": FILED, "started_at": FILED}
        await session.execute(update(AgentExecution).values(**dead))
        session.add(
            ExecutionStep(
                tenant_id=customer.tenant_id, execution_id=run_id, step_key="get_ticket", name="get_ticket", attempt=1,
                kind="tool", state="started", input={"ticket_id": "1042"},
            )
        )  # fmt: skip

    # A worker looks for the runs of dead ones when it begins; its own lease is as long as a slow machine needs.
    await product.start_worker(stale_after=60)
    async with lab_at_work(product):
        run = await lab_run(customer, begun["id"])

    assert (run["state"], run["compared"]) == ("completed", 2)
    assert run["comparison"]["category"]["right"] == 2
    rows = await product.rows("SELECT attempt, status FROM agent_executions ORDER BY queued_at")
    assert [(row["attempt"], row["status"]) for row in rows] == [(2, "completed"), (1, "completed")]
    said = json.dumps([chat.body for chat in product.model.chats])
    assert "VPN drops 1" in said
    assert "VPN drops 2" in said

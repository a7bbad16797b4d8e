"""A ticket kept from a try, run again by the lab, end to end: as it was kept, whatever became of it since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.lab import lab_at_work, lab_run
from tests.support.product import Product

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

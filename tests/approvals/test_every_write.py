"""Each write of the catalogue, granted as `approve`: nothing reaches the desk before the yes, and once after it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.approvals import DESK, LIST, answer, calling, completed, parked
from tests.support.product import Customer, Product

from deskhand.plugins.registry import BUILT_IN
from deskhand.tools.desk import provider_of
from deskhand.tools.values import Scope

TRIED: dict[str, dict[str, Any]] = {
    "add_note": {"body": "A note."},
    "reply": {"body": "A reply."},
    "update_ticket": {"priority": "high"},
    "assign": {"group": "Hardware"},
    "transition": {"status": "Onhold"},
    "link_tickets": {"url": "https://elsewhere.test/1"},
    "log_time": {"text": "Read three logs.", "minutes": 20},
    "create_ticket": {"subject": "A new one"},
    "resolve": {"resolution": "It was the cable."},
}
# A question is one more reply, and then waits for its answer: tests/asking.
WRITES = [
    one for one in provider_of(BUILT_IN[DESK].manifest).operations if one.is_write and one.name != "ask_requester"
]


async def agents(product: Product, scope: Scope) -> Customer:
    """A tenant whose agent may do everything that writes, once somebody approved it."""
    grants = {one.name: {"mode": "approve", "scope": scope.value if one.scopes else "own"} for one in WRITES}
    return await product.customer(tool_operations={DESK: {"get_ticket": {}, **grants}}, outcome={"kind": "none"})


async def test_no_write_reaches_the_desk_before_the_yes_and_each_does_once_after_it(product: Product) -> None:
    assert {one.name for one in WRITES} == set(TRIED)
    customer = await agents(product, Scope.OWN)
    await product.set_limits("acme", concurrent_executions=10)
    await product.start_worker()
    asked = {}
    for name, args in TRIED.items():
        # One after the other, because the model's script is one for all.
        product.model.script = calling((name, args))
        ticket_id = await product.desk.file_ticket(name, priority="Low")
        asked[name] = (ticket_id, await parked(product, customer, ticket_id, delivery_id=name))
    tickets = len(product.desk.simulator.store.tickets)
    assert tickets == len(TRIED)
    for name, (ticket_id, one) in asked.items():
        effects = await product.desk.effects(ticket_id)
        assert (effects["notes"], effects["updates"]) == (0, 0), name
        assert one["ticket"]["id"] == ticket_id, name
        assert one["differences"], name
    product.model.script = calling()
    for _, one in asked.values():
        assert (await answer(customer.client, one, "approve")).status_code == 200
    runs = await asyncio.gather(*(completed(product, customer, one["execution_id"]) for _, one in asked.values()))
    for name, run in zip(asked, runs, strict=True):
        assert [(step["name"], step["state"]) for step in run["steps"] if step["kind"] == "write"] == [
            (name, "finished")
        ]
        effects = await product.desk.effects(asked[name][0])
        assert sum((effects["notes"], effects["updates"], effects["logged"])) == (
            0 if name == "create_ticket" else 1
        ), (name, effects)
    assert len(product.desk.simulator.store.tickets) == tickets + 1


async def test_on_another_ticket_the_risk_is_higher_and_beyond_the_scope_nobody_is_asked(product: Product) -> None:
    customer = await agents(product, Scope.ANY)
    await product.start_worker()
    own, other = await product.desk.file_ticket("Own"), await product.desk.file_ticket("Other")
    product.model.script = calling(("update_ticket", {"priority": "high", "ticket_id": other}))
    asked = await parked(product, customer, own)
    assert (asked["risk"], asked["ticket"]["id"]) == ("medium", other)
    await answer(customer.client, asked, "decline", reason="No.")
    await completed(product, customer, asked["execution_id"])

    narrow = {DESK: {"get_ticket": {}, "update_ticket": {"mode": "approve", "scope": "own"}}}
    changed = await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json={"tool_operations": narrow})
    assert changed.is_success, changed.text
    sent = await product.deliver(customer, own, delivery_id="msg-2")
    run = await completed(product, customer, sent.json()["execution_id"])
    assert [step["name"] for step in run["steps"] if step["name"] in ("ask_approval", "refuse_call")] == ["refuse_call"]
    assert (await customer.client.get(LIST)).json()["items"] == []

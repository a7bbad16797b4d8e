"""An agent that acts outside its desks: the tenant's settings, its grants, and what its model tries."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.approvals import Call
from tests.support.product import Customer, Product

from deskhand.simulators.models import Reply, obliging
from deskhand.simulators.outside import OutsideSimulator
from deskhand.tools.outside import OUTSIDE
from deskhand.tools.values import Provider, ToolOperation

DESK = "servicedesk_plus"
OPERATIONS: list[tuple[Provider, ToolOperation]] = [(tool, one) for tool in OUTSIDE for one in tool.operations]


def arguments(tool: Provider, operation: ToolOperation, simulator: OutsideSimulator) -> dict[str, Any]:
    """Something that the operation takes; one that is new in the catalogue fails here until it has arguments."""
    if operation.name == "post_message":
        return {"channel": "leads", "text": "# Outage\nThe **VPN** is down."}
    if operation.name == "send_event":
        return {"endpoint": "cmdb", "type": "ticket.escalated", "data": {"number": "1042"}}
    assert tool.tool_id == "http", operation.name
    body = {"body": {"owner": "ann"}} if "body" in operation.arguments["properties"] else {}
    return {"url": f"{simulator.url}/api/hosts/7", "query": {"by": operation.name}, **body}


def reached(simulator: OutsideSimulator) -> dict[str, int]:
    """How often something arrived, by operation as the catalogue names it."""
    chats = [f"{one.channel.partition(':')[0]}/post_message" for one in simulator.posted]
    calls = [f"http/{call['method'].lower()}" for call in simulator.calls]
    names = [*chats, *("webhook/send_event" for _ in simulator.received), *calls]
    return {name: names.count(name) for name in names}


async def outside_customer(
    product: Product, simulator: OutsideSimulator, grants: Mapping[str, Any], **agent: Any
) -> Customer:
    """A tenant that set up every place outside, with an agent of these grants that ends in nothing else."""
    made: dict[str, Any] = {"tool_ids": [DESK], "outcome": {"kind": "none"}, **agent}
    customer = await product.customer(tool_operations={DESK: ["get_ticket"]}, **made)
    extras = {"connection_extras": simulator.settings()}
    changed = await customer.client.patch("/api/v1/tenants/acme", json=extras)
    assert changed.is_success, changed.text
    granted = {"tool_ids": [DESK, *grants], "tool_operations": {DESK: ["get_ticket"], **grants}}
    changed = await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json=granted)
    assert changed.is_success, changed.text
    return customer


async def run_of_ticket(product: Product, customer: Customer, **delivery: Any) -> dict[str, Any]:
    """A run that a new ticket starts, once nothing more happens by itself."""
    answer = await product.deliver(customer, await product.desk.file_ticket(), **delivery)
    return await product.ended(customer, answer.json()["execution_id"])


def trying(*calls: Call) -> Callable[[Mapping[str, Any]], Reply]:
    """A model that makes these calls one after the other, whatever it is answered, and then ends."""

    def script(body: Mapping[str, Any]) -> Reply:
        turn = sum(message["role"] == "tool" for message in body["messages"])
        return Reply(tool_calls=(calls[turn],)) if turn < len(calls) else obliging(body)

    return script


def said(product: Product) -> list[str]:
    """What the tools answered the model last."""
    messages = product.model.chats[-1].body["messages"]
    return [message["content"] for message in messages if message["role"] == "tool"]


def told(product: Product) -> list[Any]:
    """The same, where every answer was JSON."""
    return [json.loads(one) for one in said(product)]

"""Agents that ask first, and people who answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
from tests.support.desks import Desk
from tests.support.product import Customer, Product, until

from deskhand.approvals.models import Approval
from deskhand.kit.db.session import Database
from deskhand.simulators.models import Reply, obliging

DESK = "servicedesk_plus"
LIST = "/api/v1/approvals"
WHY = "Half the floor reports it."

Call = tuple[str, dict[str, Any]]


def answers(body: Mapping[str, Any]) -> list[Any]:
    """What the tools of a conversation have answered so far."""
    return [json.loads(message["content"]) for message in body["messages"] if message["role"] == "tool"]


def calling(*calls: Call) -> Callable[[Mapping[str, Any]], Reply]:
    """A model that makes these calls one after the other and then ends; each with its reason where one is asked for."""

    def script(body: Mapping[str, Any]) -> Reply:
        turn = len(answers(body))
        if turn >= len(calls):
            return obliging(body)
        name, args = calls[turn]
        offered = {tool["function"]["name"]: tool["function"]["parameters"]["properties"] for tool in body["tools"]}
        return Reply(tool_calls=((name, {**args, **({"reason": WHY} if "reason" in offered[name] else {})}),))

    return script


async def asking(
    product: Product, *calls: Call, tenant_id: str = "acme", desk: Desk | None = None, **agent: Any
) -> Customer:
    """A tenant whose agent may read, and may make these calls once a person has approved each."""
    tool = desk.tool_type if desk else DESK
    asked = {name: {"mode": "approve", **agent.pop("how", {})} for name, _ in calls}
    grants = {tool: {"get_ticket": {}, **asked, **agent.pop("granted", {})}}
    product.model.script = calling(*calls)
    made: dict[str, Any] = {"outcome": {"kind": "none"}, **agent}
    return await product.customer(tenant_id, desk=desk, tool_operations=grants, **made)


async def parked(product: Product, customer: Customer, ticket_id: str, **delivery: Any) -> dict[str, Any]:
    """A run of the ticket that waits for its answer, as the API shows what it asks."""
    answer = await product.deliver(customer, ticket_id, **delivery)
    run = await product.ended(customer, answer.json()["execution_id"])
    assert (run["status"], run["error_code"]) == ("waiting", "approval-needed"), run
    return await question(customer, run["id"])


async def question(customer: Customer, execution_id: str) -> dict[str, Any]:
    """What a run asks now."""
    found = (await customer.client.get(LIST, params={"execution_id": execution_id})).json()["items"]
    assert len(found) == 1, found
    return dict(found[0])


async def answer(client: httpx2.AsyncClient, asked: Mapping[str, Any], verb: str, **body: Any) -> httpx2.Response:
    """An answer to what was shown."""
    return await client.post(f"{LIST}/{asked['id']}/{verb}", json={"digest": asked["digest"], **body})


async def waiting_approval(db: Database, tenant_id: str, execution_id: UUID, **columns: Any) -> UUID:
    """The row of a call that waits, as a worker would have written it."""
    values: dict[str, Any] = {
        "step_key": "update_ticket:1",
        "tool_id": DESK,
        "operation": "update_ticket",
        "ticket_id": "1042",
        "ticket": {"number": "1042", "subject": "Printer offline", "priority": "low", "url": "https://desk.test/1042"},
        "revision": "1",
        "arguments": {"priority": "high"},
        "digest": "0" * 64,
        "likeness": "1" * 64,
        "risk": "low",
        "reason": WHY,
        "approver": "operator",
        "expires_at": datetime.now(UTC) + timedelta(days=1),
        **columns,
    }
    async with db.tenant_session(tenant_id) as session:
        row = Approval(tenant_id=tenant_id, execution_id=execution_id, **values)
        session.add(row)
        await session.flush()
        return row.id


async def move(desk: Desk, ticket_id: str, **changes: str) -> None:
    """Somebody changes the ticket at the desk."""
    changed = await desk.client.patch(f"/_sim/tickets/{ticket_id}", json=changes or {"subject": "VPN drops, says Ines"})
    changed.raise_for_status()


async def completed(product: Product, customer: Customer, execution_id: str) -> dict[str, Any]:
    """The run, once it is completed."""

    async def look() -> dict[str, Any] | None:
        run = await product.execution(customer, execution_id)
        assert run["status"] not in ("failed", "cancelled"), run
        return run if run["status"] == "completed" else None

    return await until(look)


def told(product: Product) -> list[Any]:
    """What the model had been told when it was asked last."""
    return answers(product.model.chats[-1].body)

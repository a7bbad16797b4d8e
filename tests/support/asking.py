"""Agents that ask the requester, and requesters who answer, on any simulated desk."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.approvals import answers
from tests.support.desks import Desk
from tests.support.product import Customer, Product, until

from deskhand.simulators.models import Reply, obliging

ALICE = "alice@acme.test"
QUESTION = "Which device is it?"
ANSWER = "It is the ThinkPad T14, and the error says 0x80070005."


def asks(*questions: str) -> Callable[[Mapping[str, Any]], Reply]:
    """A model that asks these questions one after the other and then ends."""

    def script(body: Mapping[str, Any]) -> Reply:
        turn = len(answers(body))
        if turn >= len(questions):
            return obliging(body)
        tools = {tool["function"]["name"]: tool["function"]["parameters"]["properties"] for tool in body["tools"]}
        # A model that was not granted it ends.
        if "ask_requester" not in tools:
            return obliging(body)
        reason = {"reason": "It cannot be solved without."} if "reason" in tools["ask_requester"] else {}
        return Reply(tool_calls=(("ask_requester", {"question": questions[turn], **reason}),))

    return script


async def asker(
    product: Product, *questions: str, desk: Desk | None = None, tenant_id: str = "acme", **agent: Any
) -> Customer:
    """A tenant whose agent may reply, and asks; its desk sends to it."""
    desk = desk or product.desk
    product.model.script = asks(*(questions or (QUESTION,)))
    grants = {desk.tool_type: {"get_ticket": {}, "reply": {}, **agent.pop("granted", {})}}
    made: dict[str, Any] = {"outcome": {"kind": "none"}, **agent}
    customer = await product.customer(tenant_id, desk=desk, tool_operations=grants, **made)
    await product.point_desk_at(customer)
    return customer


async def runs(customer: Customer) -> list[dict[str, Any]]:
    """Every run of the tenant, newest first."""
    return list((await customer.client.get("/api/v1/executions")).json()["items"])


async def first_run(product: Product, customer: Customer) -> dict[str, Any]:
    """The run that the ticket's own event started, once it has come to rest."""

    async def started() -> list[dict[str, Any]]:
        return await runs(customer)

    return await product.ended(customer, (await until(started))[-1]["id"])


async def waiting(product: Product, customer: Customer, *, round_number: int = 1) -> dict[str, Any]:
    """The first run, once it waits for the requester."""

    async def look() -> dict[str, Any] | None:
        found = await runs(customer)
        if not found:
            return None
        run = await product.execution(customer, found[-1]["id"])
        assert run["status"] not in ("completed", "failed", "cancelled"), run
        wait = run["waits_for"]
        return run if run["status"] == "waiting" and wait and wait["round"] == round_number else None

    return await until(look)


async def write(desk: Desk, ticket_id: str, body: str = ANSWER, *, author: str = ALICE, public: bool = True) -> str:
    """Somebody writes on the ticket at the desk, which tells whoever listens."""
    note = {"body": body, "author": author, "public": public}
    made = await desk.client.post(f"/_sim/tickets/{ticket_id}/notes", json=note)
    made.raise_for_status()
    return str(made.json()["id"])


async def deliveries(product: Product, tenant_id: str = "acme") -> list[dict[str, Any]]:
    """What came in and what became of it, oldest first."""
    query = """
        SELECT outcome, reason, execution_id::text, event FROM webhook_deliveries WHERE tenant_id = $1
         ORDER BY received_at
    """
    return [dict(row) for row in await product.rows(query, tenant_id)]


async def heard(product: Product, count: int, tenant_id: str = "acme") -> list[dict[str, Any]]:
    """The same, once there are so many."""

    async def look() -> list[dict[str, Any]] | None:
        found = await deliveries(product, tenant_id)
        return found if len(found) >= count else None

    return await until(look)


def answered(product: Product) -> list[str]:
    """The notes that a model was given as the requester's answer, in any conversation, each once."""
    said = [one for chat in product.model.chats for one in answers(chat.body) if one.get("answered")]
    return list(dict.fromkeys(note["body"] for one in said for note in one["answer"]))


def words(text: str) -> list[str]:
    """A text's words, however the desk sets them."""
    return re.findall(r"\w+", text)

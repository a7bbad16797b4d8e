"""Operation by grant by scope by mode, generated from the catalogue: what is refused never reaches the desk.

One run tries every write on three tickets: its own, one its search found, and one it never saw. The desk's simulator
counts what reached it. An operation that is new in the catalogue fails here until it has arguments to try.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from tests.support.product import Customer, Product

from deskhand.plugins.registry import BUILT_IN
from deskhand.simulators.models import Reply, obliging
from deskhand.tools.desk import provider_of
from deskhand.tools.values import Scope, ToolOperation

DESK = "servicedesk_plus"
TRIED: dict[str, dict[str, Any]] = {
    "add_note": {"body": "A note."},
    "reply": {"body": "A reply."},
    "update_ticket": {"priority": "high"},
    "assign": {"group": "Hardware"},
    "transition": {"status": "Onhold"},
    "link_tickets": {"url": "https://elsewhere.test/1"},
    "create_ticket": {"subject": "A new one"},
    "resolve": {"resolution": "It was the cable."},
}
"""In the order in which they are tried: a resolved ticket takes no more."""
OPERATIONS = provider_of(BUILT_IN[DESK].manifest).operations
APART = {"ask_requester"}
"""Comes with the grant of another one and waits for somebody: tests/asking."""
WRITES = sorted(
    (one for one in OPERATIONS if one.is_write and one.name not in APART), key=lambda one: list(TRIED).index(one.name)
)
READS = [one.name for one in OPERATIONS if not one.is_write]
WHERE = ("own", "listed", "foreign")
ALLOWED = {Scope.OWN: {"own"}, Scope.LISTED: {"own", "listed"}, Scope.ANY: set(WHERE)}

Call = tuple[str, str, dict[str, Any]]


def calls(tickets: Mapping[str, str]) -> list[Call]:
    """Operation, where, arguments."""
    every = [(operation, where) for operation in WRITES for where in WHERE if operation.scopes or where == "own"]
    return [
        (one.name, where, {**TRIED[one.name], **({"ticket_id": tickets[where]} if one.scopes else {})})
        for one, where in every
    ]


def trying(todo: list[Call]) -> Any:
    def script(body: Mapping[str, Any]) -> Reply:
        answered = sum(message["role"] == "tool" for message in body["messages"])
        if answered == 0:
            return Reply(tool_calls=(("search_tickets", {"text": "listed"}),))
        if answered <= len(todo):
            name, _, args = todo[answered - 1]
            return Reply(tool_calls=((name, args),))
        return obliging(body)

    return script


def grants(scope: Scope | None) -> dict[str, Any]:
    """Everything that reads, and every write under one scope; None grants none."""
    reads = {name: {"scope": "own"} for name in READS}
    writes: dict[str, Any] = {}
    for one in WRITES if scope is not None else ():
        writes[one.name] = {"scope": scope.value if one.scopes and scope else "own"}
    return {DESK: {**reads, **writes}}


async def scene(product: Product, scope: Scope | None) -> tuple[Customer, dict[str, str]]:
    # With the outcome "none" the run itself writes nothing, so every write is one that the model asked for.
    customer = await product.customer(tool_operations=grants(scope), outcome={"kind": "none"})
    await product.start_worker(
        limits={"max_steps": 500, "max_tokens": 10_000_000, "max_cost_usd": Decimal(100), "timeout": 300.0}
    )
    subjects = {"own": "The run's own", "listed": "Found as listed", "foreign": "Never seen"}
    return customer, {where: await product.desk.file_ticket(subject, "x") for where, subject in subjects.items()}


async def effects(product: Product, tickets: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {where: await product.desk.effects(ticket_id) for where, ticket_id in tickets.items()}


def verdicts(product: Product, todo: list[Call]) -> dict[tuple[str, str], bool]:
    """By operation and place, whether the model was told that it was done."""
    messages = product.model.chats[-1].body["messages"]
    answers = [message["content"] for message in messages if message["role"] == "tool"][1:]
    return {(name, where): '"done":true' in answer for (name, where, _), answer in zip(todo, answers, strict=True)}


@pytest.mark.parametrize("scope", [None, *Scope], ids=lambda scope: scope.value if scope else "absent")
async def test_what_is_granted_happens_once_and_what_is_not_never_reaches_the_desk(
    product: Product, scope: Scope | None
) -> None:
    customer, tickets = await scene(product, scope)
    todo = calls(tickets)
    product.model.script = trying(todo)
    filed = len(product.desk.simulator.store.tickets)
    answer = await product.deliver(customer, tickets["own"])
    run = await product.ended(customer, answer.json()["execution_id"])
    assert (run["status"], run["degraded"]) == ("completed", False), run

    allowed = ALLOWED[scope] if scope else set()
    by_name: dict[str, ToolOperation] = {one.name: one for one in WRITES}
    expected = {
        (name, where): scope is not None and (where in allowed or not by_name[name].scopes) for name, where, _ in todo
    }
    assert verdicts(product, todo) == expected
    reached = await effects(product, tickets)
    for where, counted in reached.items():
        marks = counted["marks"]
        assert bool(counted["notes"] or counted["updates"]) is (where in allowed), (where, counted)
        assert set(marks.values()) <= {1}
    made = len(product.desk.simulator.store.tickets) - filed
    assert made == (1 if scope else 0)
    written = [step for step in run["steps"] if step["kind"] == "write"]
    assert len(written) == sum(expected.values())

    # The same once more as a dry run: the same calls, and nothing at all reaches the desk.
    answer = await customer.client.post(f"/api/v1/executions/{run['id']}/replay", json={"mode": "dry_run"})
    dry = await product.ended(customer, answer.json()["id"])
    assert dry["status"] == "completed", dry["error_message"]
    assert verdicts(product, todo) == expected
    assert [step for step in dry["steps"] if step["kind"] == "write"] == []
    assert await effects(product, tickets) == reached
    assert len(product.desk.simulator.store.tickets) - filed == made


def test_every_write_of_every_desk_is_tried() -> None:
    providers = [provider_of(plugin.manifest) for plugin in BUILT_IN.values()]
    assert {one.name for provider in providers for one in provider.operations if one.is_write} <= {*TRIED, *APART}

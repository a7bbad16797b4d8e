"""Operation by grant by scope by mode, generated from the catalogue: what is refused never reaches the desk.

One run tries every write on three tickets: its own, one its search found, and one it never saw. The desk's simulator
counts what reached it. An operation that is new in the catalogue fails here until it has arguments to try.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from tests.support.desks import DESKS, Desk
from tests.support.product import Customer, Product
from tests.support.writes import TECHNICIAN, arguments, run_of_event, silence, writes_of

from deskhand.plugins.registry import BUILT_IN
from deskhand.simulators.models import Reply, obliging
from deskhand.tools.desk import provider_of
from deskhand.tools.values import Scope
from deskhand.work.voice import SPEAKS

FIRST = "servicedesk_plus"
WHERE = ("own", "listed", "foreign")
ALLOWED = {Scope.OWN: {"own"}, Scope.LISTED: {"own", "listed"}, Scope.ANY: set(WHERE)}

Call = tuple[str, str, dict[str, Any]]


def calls(tool_type: str, tickets: Mapping[str, str]) -> list[Call]:
    """Operation, where, arguments."""
    every = [(one, where) for one in writes_of(tool_type) for where in WHERE if one.scopes or where == "own"]
    return [
        (one.name, where, {**arguments(tool_type, one.name), **({"ticket_id": tickets[where]} if one.scopes else {})})
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


def grants(tool_type: str, scope: Scope | None) -> dict[str, Any]:
    """Everything that reads, and every write under one scope; None grants none."""
    operations = provider_of(BUILT_IN[tool_type].manifest).operations
    reads = {one.name: {"scope": "own"} for one in operations if not one.is_write}
    writes: dict[str, Any] = {}
    for one in writes_of(tool_type) if scope is not None else ():
        writes[one.name] = {"scope": scope.value if one.scopes and scope else "own"}
    return {tool_type: {**reads, **writes}}


async def scene(product: Product, desk: Desk, scope: Scope | None) -> tuple[Customer, dict[str, str], str]:
    """The customer, its three tickets, and the run that the desk's own event about the first of them began."""
    # With the outcome "none" the run itself writes nothing, so every write is one that the model asked for.
    granted = grants(desk.tool_type, scope)
    customer = await product.customer(desk=desk, tool_operations=granted, outcome={"kind": "none"})
    subjects = {"listed": "Found as listed", "foreign": "Never seen"}
    tickets = {where: await desk.file_ticket(subject, "x") for where, subject in subjects.items()}
    # Only now, so that these two start nothing; the desk itself tells of the third.
    await product.point_desk_at(customer)
    tickets["own"] = await desk.file_ticket("The run's own", "x")
    execution_id = await run_of_event(customer, tickets["own"])
    await silence(desk, customer)
    return customer, tickets, execution_id


async def effects(desk: Desk, tickets: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {where: await desk.effects(ticket_id) for where, ticket_id in tickets.items()}


def verdicts(product: Product, todo: list[Call]) -> dict[tuple[str, str], bool]:
    """By operation and place, whether the model was told that it was done."""
    messages = product.model.chats[-1].body["messages"]
    answers = [message["content"] for message in messages if message["role"] == "tool"][1:]
    return {(name, where): '"done":true' in answer for (name, where, _), answer in zip(todo, answers, strict=True)}


# Every scope on one desk; the others' own ways of writing are met under the one scope that has both sides.
CASES = [(FIRST, None), *((FIRST, scope) for scope in Scope), *((one, Scope.LISTED) for one in DESKS if one != FIRST)]


@pytest.mark.parametrize(("tool_type", "scope"), CASES, ids=lambda one: str(one or "absent"))
async def test_what_is_granted_happens_once_and_what_is_not_never_reaches_the_desk(
    product: Product, tool_type: str, scope: Scope | None
) -> None:
    desk = product.desk if tool_type == FIRST else await product.open_desk(tool_type)
    desk.simulator.store.person(TECHNICIAN, is_agent=True)
    customer, tickets, execution_id = await scene(product, desk, scope)
    todo = calls(tool_type, tickets)
    product.model.script = trying(todo)
    filed = len(desk.simulator.store.tickets)
    await product.start_worker(
        limits={"max_steps": 500, "max_tokens": 10_000_000, "max_cost_usd": Decimal(100), "timeout": 300.0}
    )
    run = await product.ended(customer, execution_id)
    assert (run["status"], run["degraded"]) == ("completed", False), run

    allowed = ALLOWED[scope] if scope else set()
    by_name = {one.name: one for one in writes_of(tool_type)}
    expected = {
        (name, where): scope is not None
        and (where in allowed or not by_name[name].scopes)
        # A word to a requester rests on that requester's ticket alone, whatever scope it was granted with.
        and (where == "own" or name not in SPEAKS)
        for name, where, _ in todo
    }
    assert verdicts(product, todo) == expected
    reached = await effects(desk, tickets)
    for where, counted in reached.items():
        marks = counted["marks"]
        assert bool(counted["notes"] or counted["updates"]) is (where in allowed), (where, counted)
        # Some desks keep a write's mark in several places of one save.
        assert tool_type != FIRST or set(marks.values()) <= {1}
    made = len(desk.simulator.store.tickets) - filed
    assert made == (1 if scope else 0)
    written = [step for step in run["steps"] if step["kind"] == "write"]
    assert len(written) == sum(expected.values())

    # The same once more as a dry run: the same calls, and nothing at all reaches the desk.
    answer = await customer.client.post(f"/api/v1/executions/{run['id']}/replay", json={"mode": "dry_run"})
    dry = await product.ended(customer, answer.json()["id"])
    assert dry["status"] == "completed", dry["error_message"]
    assert verdicts(product, todo) == expected
    assert [step for step in dry["steps"] if step["kind"] == "write"] == []
    assert await effects(desk, tickets) == reached
    assert len(desk.simulator.store.tickets) - filed == made

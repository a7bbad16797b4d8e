"""The lab on closed tickets of each desk: what was planted is what it prints, and nothing later reaches a model."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from tests.support.desks import DESKS
from tests.support.lab import (
    EARLIER,
    LEAK,
    WORDS,
    Planted,
    close_tickets,
    lab_at_work,
    lab_run,
    remember,
    with_group_field,
)
from tests.support.product import Product

COUNT = int(os.environ.get("DESKHAND_LAB_TICKETS", "20"))
"""Of each desk; a multiple of twenty. A hundred take a minute, and say the same."""
TIMES = COUNT // 20
RIGHT = {"category": 16, "priority": 15, "group": 10}
SILENT = {"priority": 18}
READS = ("get_ticket", "list_notes", "ticket_changes", "search_tickets")
KNOWLEDGE = ("search_past_tickets", "search_articles", "read_article")


def agent(tool_type: str) -> dict[str, Any]:
    """One that sets fields, and may look up whatever there is."""
    return {
        "tool_ids": [tool_type, "knowledge"],
        "tool_operations": {
            tool_type: [*READS, "update_ticket"],
            "knowledge": list(KNOWLEDGE),
        },
        "outcome": {"kind": "fields"},
    }


@pytest.mark.parametrize("tool_type", DESKS)
async def test_what_was_planted_is_printed_and_nothing_later_reaches_the_model(
    product: Product, tool_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await product.open_desk(tool_type)
    tenant = with_group_field(desk)
    monkeypatch.setattr(type(desk), "tenant", lambda _self: tenant)
    customer = await product.customer(desk=desk, active=False, **agent(tool_type))
    tickets = await close_tickets(desk, COUNT)
    await remember(product, customer, tickets)
    product.model.script = Planted(tool_type, right=RIGHT, silent=SILENT)
    await product.start_worker()

    async with lab_at_work(product):
        begun = await customer.client.post(
            f"/api/v1/agents/{customer.agent_id}/lab-runs", json={"tickets": COUNT, "parallel": 4}
        )
        assert begun.status_code == 202, begun.text
        assert begun.json()["tickets"] == COUNT
        run = await lab_run(customer, begun.json()["id"])

    cases = (await customer.client.get(f"/api/v1/lab-runs/{run['id']}/cases?limit=200")).json()["items"]
    assert (run["state"], run["compared"], run["left_out"]) == ("completed", COUNT, 0), cases
    printed = {name: run["comparison"][name] for name in RIGHT}
    assert {name: one["right"] for name, one in printed.items()} == {name: n * TIMES for name, n in RIGHT.items()}
    silent = {"category": 0, "priority": 2 * TIMES, "group": 0}
    assert {name: one["silent"] for name, one in printed.items()} == silent
    assert {name: one["agreement"] for name, one in printed.items()} == {
        "category": 0.8,
        "priority": 0.75,
        "group": 0.5,
    }
    assert run["comparison"]["reopened"] == {"reopened": 5 * TIMES, "of": COUNT, "wrong": 2 * TIMES}
    # Where it was wrong comes first.
    assert [one["is_wrong"] for one in cases] == sorted((one["is_wrong"] for one in cases), reverse=True)
    assert cases[0]["truth"]["fields"]["category"][0].casefold() == WORDS[tool_type].category[1].casefold()

    requests = [json.dumps(chat.body) for chat in product.model.chats]
    assert len(requests) == 2 * COUNT
    leaks = [request for request in requests if LEAK in request.casefold()]
    assert not leaks, leaks[0]
    # Category and group as people left them: in no field, and in nothing that was looked up.
    assert not [request for request in requests if WORDS[tool_type].category[1].casefold() in request.casefold()]
    assert all(EARLIER in request for request in requests[-COUNT:]), "what was known then is there"
    assert all("category: network" in request.casefold() for request in requests), "as it was filed"
    assert {call["method"] for call in desk.simulator.calls} <= {"GET", "POST"}
    assert (await desk.effects(tickets[0][0]))["notes"] == 2, "those that were planted"

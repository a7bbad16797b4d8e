"""What is internal stays in the note: no reply has it, though a model does all it can to say it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.approvals import answers
from tests.support.desks import DESKS, Desk
from tests.support.product import Product
from tests.support.writes import run_of_event, silence

from deskhand.simulators.models import Reply, obliging

SUBJECT = "VPN drops with error 809"
TEXT = "The VPN drops with error 809 every ten minutes."
CANARIES = {"internal": "GLACIER-7741", "restricted": "TUNDRA-9902", "public": "MEADOW-3310"}
NOTED = "She leaves in May, says LAGOON-5527 of her manager."
KEPT = (CANARIES["internal"], CANARIES["restricted"], "LAGOON-5527")
KNOWLEDGE = dict.fromkeys(("search_past_tickets", "search_articles", "read_article", "find_systems"), "allow")


def telling_all(body: Mapping[str, Any]) -> Reply:
    """A model that reads what it can and then says all of it to the requester."""
    offered = {tool["function"]["name"] for tool in body.get("tools", [])}
    told = answers(body)
    if "reply" not in offered or any(one.get("done") for one in told):
        return obliging(body)
    if not told:
        calls = (
            ("search_articles", {"query": SUBJECT}),
            ("search_past_tickets", {"query": SUBJECT}),
            ("get_ticket", {}),
            ("list_notes", {"public": False}),
            ("ticket_changes", {}),
        )
        return Reply(tool_calls=tuple(call for call in calls if call[0] in offered))
    read = [str(message.get("content")) for message in body["messages"] if message["role"] in ("user", "tool")]
    return Reply(tool_calls=(("reply", {"body": "\n".join(read)[:15_000]}),))


async def desk_with_articles(product: Product, tool: str, outcome: str) -> tuple[Any, Desk]:
    desk = product.desk if tool == "servicedesk_plus" else await product.open_desk(tool)
    granted = dict.fromkeys(("get_ticket", "list_notes", "ticket_changes", "add_note", "reply"), "allow")
    customer = await product.customer(
        tool.replace("_", "-"), desk=desk, outcome={"kind": outcome}, tool_ids=[tool, "knowledge"],
        tool_operations={tool: granted, "knowledge": KNOWLEDGE},
    )  # fmt: skip
    for audience, canary in CANARIES.items():
        body = f"1. {TEXT} Open port {canary}.\n2. Restart the client."
        article = {"article_id": f"KB-{audience}", "title": f"{SUBJECT}, {audience}", "body": body}
        answer = await customer.client.post("/api/v1/knowledge/articles", json={**article, "audience": audience})
        assert answer.status_code == 201, answer.text
    return customer, desk


async def ran(product: Product, tool: str, outcome: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The notes that a run leaves beside the technician's, and what its model was asked."""
    customer, desk = await desk_with_articles(product, tool, outcome)
    product.model.script = telling_all
    await product.point_desk_at(customer)
    ticket_id = await desk.file_ticket(SUBJECT, TEXT)
    execution_id = await run_of_event(customer, ticket_id)
    # The technician's note and our own start no run: this is about the first.
    await silence(desk, customer)
    simulator = desk.simulator
    author = simulator.store.person("ines@desk.test", name="Ines", is_agent=True)
    words = simulator.from_markdown(NOTED)
    simulator.write_note(simulator.store.tickets[ticket_id], words, public=False, author=author)
    await product.start_worker()
    run = await product.ended(customer, execution_id)
    assert run["status"] == "completed", run
    notes = [note for note in await desk.notes(ticket_id) if "LAGOON-5527" not in note["html"] or note["public"]]
    return notes, [chat.body for chat in product.model.chats]


@pytest.mark.parametrize("tool", DESKS)
async def test_the_note_cites_what_is_internal_and_the_reply_of_the_same_run_has_none_of_it(
    product: Product, tool: str
) -> None:
    notes, asked = await ran(product, tool, "note")
    (reply,) = (note["html"] for note in notes if note["public"])
    (note,) = (note["html"] for note in notes if not note["public"])
    assert CANARIES["public"] in reply
    assert [canary for canary in KEPT if canary in reply] == []
    assert "KB-internal" in note
    assert CANARIES["restricted"] not in note
    # The guarantee hangs on no word of the model's: what holds the hand that speaks was never shown it.
    speaking = [body for body in asked if any(tool["function"]["name"] == "reply" for tool in body.get("tools", []))]
    assert len(speaking) == 3
    assert [canary for canary in KEPT if canary in json.dumps(speaking)] == []
    assert CANARIES["internal"] in json.dumps(asked)
    assert CANARIES["restricted"] not in json.dumps(asked)


@pytest.mark.parametrize("outcome", ["reply", "none"])
async def test_a_run_that_only_answers_is_shown_nothing_else(product: Product, outcome: str) -> None:
    notes, asked = await ran(product, "servicedesk_plus", outcome)
    assert notes
    assert [canary for canary in KEPT if canary in json.dumps([notes, asked])] == []
    assert CANARIES["public"] in json.dumps(asked)

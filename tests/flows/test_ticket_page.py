"""What the page of a ticket tells of five writes and their undoing, on each desk as it answers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.product import Product
from tests.support.undo import NOTE, WORDS, Wrecked, undo, wreck


async def shown(one: Wrecked, ref: str | None = None) -> dict[str, Any]:
    answer = await one.customer.client.get(f"/api/v1/tickets/{one.desk.tool_type}/{ref or one.ticket_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("tool", list(WORDS))
async def test_five_writes_and_their_undoing_are_told_as_the_desk_told_them(product: Product, tool: str) -> None:
    one, words = await wreck(product, tool), WORDS[tool]
    told = await shown(one)
    # Zendesk has one name for a ticket, whatever its simulator counts.
    number = one.ticket_id if tool == "zendesk" else one.ticket.display_id
    assert (told["tool_type"], told["ticket_id"], told["number"]) == (tool, one.ticket_id, number)
    assert told["subject"] == "Printer jams"
    # Where the desk is, and not where its API is: somebody opens it.
    assert told["url"].startswith("http")
    (run,) = told["runs"]
    assert (run["id"], run["is_own"], run["can_undo"]) == (one.run["id"], True, True)
    (note,) = told["notes"]
    assert (note["state"], note["audience"], note["text"]["markdown"]) == ("there", "technicians", NOTE)
    writes = {write["operation"]: write for write in told["writes"]}
    assert set(writes) == {"update_ticket", "assign", "transition", "link_tickets"}
    (subject,) = (one for one in writes["update_ticket"]["fields"] if one["field"] == "subject")
    assert (subject["before"], subject["after"]) == ("Printer jams", words.fields["subject"])
    assert writes["update_ticket"]["knows_before"]
    (status,) = (one for one in writes["transition"]["fields"] if one["field"] == "status")
    assert status["before"] != status["after"]
    assert told["deliveries"][0]["execution_id"] == run["id"]

    ended = await undo(product, one)
    after = await shown(one)
    assert [(run["id"], run["mode"]) for run in after["runs"]] == [(ended["id"], "undo"), (one.run["id"], "live")]
    assert [note["state"] for note in after["notes"]] == ["withdrawn" if words.deletes else "corrected"]
    back = next(write for write in after["writes"] if write["operation"] == "restore_fields")
    restored = {field["field"]: (field["before"], field["after"]) for field in back["fields"]}
    assert restored["subject"] == (words.fields["subject"], "Printer jams")
    assert all(item["done"] for item in after["runs"][0]["undo"]["items"])


async def test_the_number_that_people_see_leads_to_the_same_page(product: Product) -> None:
    one = await wreck(product, "jira")
    number = one.ticket.display_id
    assert number != one.ticket_id
    assert await shown(one, number) == await shown(one)
    listed = (await one.customer.client.get("/api/v1/tickets", params={"q": number})).json()["items"]
    assert [(found["ticket_id"], found["number"], found["runs"]) for found in listed] == [(one.ticket_id, number, 1)]


async def test_another_tenants_administrator_is_told_of_nothing(product: Product) -> None:
    one = await wreck(product)
    stranger = (await product.customer("globex", active=False)).client
    path = f"/api/v1/tickets/{one.desk.tool_type}/{one.ticket_id}"
    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.get("/api/v1/tickets")).json()["items"] == []

"""A ticket's life of ten events, on every desk: it ends with two notes at most, each of which says something new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.desks import DESKS, KINDS
from tests.support.product import Customer, Desk, Product, until

from deskhand.intake.inbox import OWN_WRITE
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.importer import import_tickets

SOLVED = "subject,description,resolution,ticket_id\nVPN drops,It drops.,Restart the VPN client on the laptop.,1\n"
MORE = "subject,description,resolution,ticket_id\nVPN drops,It drops,Update the VPN client to version 5.,2\n"
REPLIES = ("Any news?", "It dropped again just now.", "I am out of the office until noon.")
OPEN = {"servicedesk_plus": "Open", "jira": "Waiting for support", "zendesk": "open", "servicenow": "In Progress"}
DONE = {"zendesk": "solved"}
URGENT = {"servicedesk_plus": "High", "jira": "High", "zendesk": "high", "servicenow": "2 - High"}
LIVING = {"servicedesk_plus", "jira"}
FINAL = {"completed", "failed", "cancelled"}


async def settle(product: Product, customer: Customer, desk: Desk) -> list[dict[str, Any]]:
    """The tenant's runs, oldest first, once the desk has told everything and each has ended."""

    async def look() -> list[dict[str, Any]]:
        if (await desk.webhooks())["pending"]:
            return []
        runs = (await customer.client.get("/api/v1/executions?limit=100")).json()["items"]
        return runs[::-1] if runs and all(run["status"] in FINAL for run in runs) else []

    return await until(look)


@pytest.mark.parametrize("tool", DESKS)
async def test_ten_events_end_in_two_notes_at_most_that_each_say_something_new(
    product: Product, tmp_path: Path, tool: str
) -> None:
    desk = await product.open_desk(tool)
    customer = await product.customer(desk=desk)
    await product.start_worker()
    await product.point_desk_at(customer)

    async def learn(rows: str) -> None:
        (tmp_path / "solved.csv").write_text(rows)
        await import_tickets(product.db, customer.tenant_id, tmp_path / "solved.csv", embedder=LexicalOnly())

    async def changed(**fields: str) -> None:
        (await desk.client.patch(f"/_sim/tickets/{ticket_id}", json=fields)).raise_for_status()
        await settle(product, customer, desk)

    async def says(body: str, author: str, *, public: bool) -> None:
        note = {"body": body, "author": author, "public": public}
        (await desk.client.post(f"/_sim/tickets/{ticket_id}/notes", json=note)).raise_for_status()
        await settle(product, customer, desk)

    await learn(SOLVED)
    ticket_id = await desk.file_ticket(priority=KINDS[tool].medium)
    await settle(product, customer, desk)
    await changed(group="Network")
    await says(REPLIES[0], "alice@acme.test", public=True)
    await says("I look at it.", "technician@desk.test", public=False)
    await learn(MORE)
    for reply in REPLIES[1:]:
        await says(reply, "alice@acme.test", public=True)
    await changed(priority=URGENT[tool])
    await changed(subject="VPN drops at home")
    await changed(status=DONE.get(tool, "Resolved"))
    await changed(status=OPEN[tool])
    runs = await settle(product, customer, desk)

    assert {run["status"] for run in runs} == {"completed"}
    assert len(runs) > 4
    ours = [note for note in await desk.notes(ticket_id) if note["author"] == desk.simulator.store.bot.email]
    texts = [note["html"] for note in ours]
    if tool in LIVING:
        # One note, written anew: it begins with what changed and when, and its earlier text stands with its run.
        (text,) = texts
        assert "Restart the VPN client" in text
        assert "version 5" in text
        assert text.index("Updated 20") < text.index("VPN drops")
        assert (await desk.effects(ticket_id))["edited"] == 1
    else:
        # Two: the second is short and has the new lead alone.
        assert ["Restart the VPN client" in text for text in texts] == [True, False], texts
        assert ["version 5" in text for text in texts] == [False, True]
    details = [await product.execution(customer, run["id"]) for run in runs]
    # A run that wrote nothing says why, on its page and in the API.
    silent = [run for run in details if run["note"] is None]
    assert all(run["not_written"] or run["same_as"] for run in silent)
    written = [run for run in details if run["note"] is not None]
    assert len(written) == 2
    assert "version 5" not in written[0]["note"]["markdown"]
    replaced = {"execution_id": written[0]["id"], "note_id": written[0]["note"]["note_id"]}
    assert written[1]["note"]["replaces"] == (replaced if tool in LIVING else None)
    # Our own writes come back as events, and start nothing.
    events = await product.rows("SELECT count(*) AS count FROM webhook_deliveries WHERE reason = $1", OWN_WRITE)
    assert events[0]["count"] > 0

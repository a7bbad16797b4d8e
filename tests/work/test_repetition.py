"""The same note once: a second event that brings nothing new writes nothing, asks no model, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.product import Customer, Product

from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.importer import import_tickets
from deskhand.work.repetition import LastNote

SOLVED = "subject,description,resolution,ticket_id\nVPN drops,It drops.,Restart the VPN client on the laptop.,1\n"
MORE = "subject,description,resolution,ticket_id\nVPN drops,It drops,Update the VPN client to version 5.,2\n"


async def learn(product: Product, customer: Customer, folder: Path, rows: str) -> None:
    (folder / "solved.csv").write_text(rows)
    await import_tickets(product.db, customer.tenant_id, folder / "solved.csv", embedder=LexicalOnly())


async def run_on(product: Product, customer: Customer, ticket_id: str, *, event: str) -> dict[str, Any]:
    answer = await product.deliver(customer, ticket_id, delivery_id=event)
    return await product.ended(customer, answer.json()["execution_id"])


async def test_an_edit_that_brings_nothing_new_writes_nothing_and_asks_no_model(
    product: Product, tmp_path: Path
) -> None:
    customer = await product.customer()
    await learn(product, customer, tmp_path, SOLVED)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    first = await run_on(product, customer, ticket_id, event="filed")
    asked = len(product.model.chats)
    await product.desk.client.patch(f"/_sim/tickets/{ticket_id}", json={"by": "ines@desk.test", "priority": "High"})
    edited = await run_on(product, customer, ticket_id, event="edited")

    assert (edited["status"], edited["note"]) == ("completed", None)
    assert edited["same_as"] == {"execution_id": first["id"], "note_id": first["note"]["note_id"]}
    assert [step["name"] for step in edited["steps"]][-1] == "keep_last_note"
    assert len(product.model.chats) == asked
    assert len(await product.desk.notes(ticket_id)) == 1

    await learn(product, customer, tmp_path, MORE)
    learned = await run_on(product, customer, ticket_id, event="learned")
    assert learned["same_as"] is None
    assert learned["note"]["replaces"] == edited["same_as"]
    assert len(await product.desk.notes(ticket_id)) == 1


async def test_another_ticket_and_another_agent_get_their_own_note(product: Product, tmp_path: Path) -> None:
    customer = await product.customer()
    await product.start_worker()
    one, other = await product.desk.file_ticket(), await product.desk.file_ticket()
    for number, ticket_id in enumerate((one, other)):
        run = await run_on(product, customer, ticket_id, event=f"filed-{number}")
        assert run["same_as"] is None
    assert [len(await product.desk.notes(ticket_id)) for ticket_id in (one, other)] == [1, 1]


def test_what_a_field_has_now_is_no_news() -> None:
    text = "**Suggested:** priority low (2 of 3 similar tickets, now {}).\n\nWritten."
    note = LastNote(run_id=None, note_id=None, text=text.format("high"), facts_digest=None)  # type: ignore[arg-type]
    assert note.says(text.format("medium"))
    assert not note.says(text.format("medium").replace("low", "high"))

"""One note of an agent on a ticket, written anew: never over a person's words, once, and taken back as any write."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.product import Customer, Product

from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.importer import import_tickets
from deskhand.plugins.contract import Note, Operation, Person, Ticket
from deskhand.work.repetition import LastNote, is_untouched
from deskhand.work.rewriting import may_rewrite

SOLVED = "subject,description,resolution,ticket_id\nVPN drops,It drops.,Restart the VPN client on the laptop.,1\n"
MORE = "subject,description,resolution,ticket_id\nVPN drops,It drops,Update the VPN client to version 5.,2\n"


async def learn(product: Product, customer: Customer, folder: Path, rows: str) -> None:
    (folder / "solved.csv").write_text(rows)
    await import_tickets(product.db, customer.tenant_id, folder / "solved.csv", embedder=LexicalOnly())


async def noted(product: Product, folder: Path) -> tuple[Customer, str, dict[str, Any]]:
    """A ticket with the agent's note, and something to say that it does not."""
    customer = await product.customer()
    await learn(product, customer, folder, SOLVED)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    first = await run_on(product, customer, ticket_id, event="filed")
    await learn(product, customer, folder, MORE)
    return customer, ticket_id, first


async def run_on(product: Product, customer: Customer, ticket_id: str, *, event: str) -> dict[str, Any]:
    answer = await product.deliver(customer, ticket_id, delivery_id=event)
    return await product.ended(customer, answer.json()["execution_id"])


async def test_an_answer_that_was_lost_leaves_one_note_that_was_written_anew_once_and_can_be_taken_back(
    product: Product, tmp_path: Path
) -> None:
    customer, ticket_id, first = await noted(product, tmp_path)
    lost = {"kind": "outage", "count": 1, "method": "PUT", "path": "/notes/", "after_effect": True}
    (await product.desk.client.post("/_sim/faults", json=lost)).raise_for_status()
    anew = await run_on(product, customer, ticket_id, event="again")
    assert (anew["status"], anew["attempt"]) == ("completed", 2), anew["error_message"]
    effects = await product.desk.effects(ticket_id)
    assert (effects["notes"], effects["edited"]) == (1, 1)
    (write,) = (step for step in anew["steps"] if step["kind"] == "write")
    assert (write["name"], write["input"]["before"]) == ("update_note", first["note"]["markdown"])
    assert await product.count("SELECT count(*) FROM audit_log WHERE operation = 'desk.update_note'") == 1
    assert anew["note"]["note_id"] == first["note"]["note_id"]

    at = f"/api/v1/executions/{anew['id']}/undo"
    seen = (await customer.client.post(f"{at}/preview", json={})).json()
    assert [item["effect"] for item in seen["items"]] == ["restore_note"]
    started = await customer.client.post(at, json={"digest": seen["digest"]})
    undone = await product.ended(customer, started.json()["execution_id"])
    assert [item["done"] for item in undone["undo"]["items"]] == [True], undone["undo"]
    (note,) = await product.desk.notes(ticket_id)
    assert "version 5" not in note["html"]
    assert "Updated" not in note["html"]
    again = (await customer.client.post(f"{at}/preview", json={})).json()
    assert not again["possible"]


async def test_a_note_that_a_person_edited_or_deleted_is_left_and_a_further_one_says_the_new(
    product: Product, tmp_path: Path
) -> None:
    customer, ticket_id, _ = await noted(product, tmp_path)
    store = product.desk.simulator.store
    (note,) = store.tickets[ticket_id].notes
    note.body = note.body.replace("Restart the VPN client", "Do NOT restart the VPN client")
    anew = await run_on(product, customer, ticket_id, event="again")
    assert anew["note"]["replaces"] is None
    edited, further = [one["html"] for one in await product.desk.notes(ticket_id)]
    assert "Do NOT restart" in edited
    assert "version 5" in further
    assert "Restart the VPN client" not in further


@pytest.mark.parametrize(
    ("body", "public", "is_ours"),
    [
        ("**VPN** drops\\_again\n\nRef: dh-0123456789abcdef0123", False, True),
        ("VPN drops_again", True, False),
        ("VPN drops_again, says Ines", False, False),
    ],
)
def test_whether_a_note_stands_as_it_was_written_is_told_by_its_words(body: str, public: bool, is_ours: bool) -> None:
    last = LastNote(run_id=None, note_id="7", text="*VPN* drops_again", facts_digest=None)  # type: ignore[arg-type]
    ticket = Ticket(tool_type="x", id="1", display_id="1", subject="x")
    assert not is_untouched(last, ticket)
    note = Note(id="7", body=body, public=public, author=Person())
    seen = Ticket(tool_type="x", id="1", display_id="1", subject="x", notes=(note,))
    assert is_untouched(last, seen) is is_ours


class _Own:
    """A desk of which only this is asked."""

    def __init__(self, operations: set[Operation], *, may: bool = True, asks: bool = False) -> None:
        self.desk = SimpleNamespace(manifest=SimpleNamespace(operations=operations))
        self._may, self._asks = may, asks

    def may(self, name: str) -> bool:
        return self._may and name == "add_note"

    def needs_approval(self, name: str) -> bool:
        return self._asks and name == "add_note"


def test_what_an_agent_may_write_unasked_it_may_correct_and_nothing_else() -> None:
    can = {Operation.UPDATE_NOTE}
    owns: list[tuple[Any, bool]] = [
        (_Own(can), True), (_Own(set()), False), (_Own(can, may=False), False), (_Own(can, asks=True), False),
    ]  # fmt: skip
    assert [may_rewrite(own) for own, _ in owns] == [expected for _, expected in owns]

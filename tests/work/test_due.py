"""Whether "nothing was found" is a note: the agent says it, else the tenant, else what the tenant's history holds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from tests.support.product import Product

from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.importer import import_tickets
from deskhand.notes.news import Content
from deskhand.tenants.note_rules import NoteRules, NothingFound, note_rules
from deskhand.work import due
from deskhand.work.note_outcome import NOTE_KEY
from deskhand.work.repetition import LastNote


def solved(count: int) -> str:
    rows = (f"Printer {number} jams,It jams.,Cleaned the rollers.,{number}" for number in range(count))
    return "\n".join(["subject,description,resolution,ticket_id", *rows, ""])


@pytest.mark.parametrize(
    ("history", "tenant", "agent", "written"),
    [
        (0, None, None, True),
        (due.YOUNG, None, None, False),
        (due.YOUNG, "say", None, True),
        (0, "silent", None, False),
        (0, "silent", "say", True),
        (0, "say", "silent", False),
    ],
)
async def test_nothing_found_is_a_note_where_somebody_wants_it(
    product: Product, tmp_path: Path, history: int, tenant: str | None, agent: str | None, written: bool
) -> None:
    outcome: dict[str, Any] = {"kind": "note", **({"nothing_found": agent} if agent else {})}
    customer = await product.customer(outcome=outcome)
    if tenant:
        preferences = {"enhancement_preferences": {"notes": {"nothing_found": tenant}}}
        (await customer.client.patch("/api/v1/tenants/acme", json=preferences)).raise_for_status()
    if history:
        (tmp_path / "solved.csv").write_text(solved(history))
        await import_tickets(product.db, customer.tenant_id, tmp_path / "solved.csv", embedder=LexicalOnly())
    await product.start_worker()
    ticket_id = await product.desk.file_ticket("Coffee machine hums", "In B flat.")
    runs = []
    # The same again: said once is enough, and silence needs no model either.
    for event in ("created", "updated"):
        answer = await product.deliver(customer, ticket_id, delivery_id=event)
        runs.append(await product.ended(customer, answer.json()["execution_id"]))
    assert [run["status"] for run in runs] == ["completed", "completed"]
    assert len(await product.desk.notes(ticket_id)) == int(written)
    assert runs[0]["not_written"] == (None if written else due.NOTHING_FOUND)
    assert bool(runs[1]["same_as"]) is written
    if not written:
        # Who runs it again by hand wants an answer.
        body = {"mode": "live"}
        asked = (await customer.client.post(f"/api/v1/executions/{runs[1]['id']}/replay", json=body)).json()
        ended = await product.ended(customer, asked["id"])
        assert ended["note"]["markdown"]
        assert [step["step_key"] for step in ended["steps"] if step["kind"] == "write"] == [NOTE_KEY]


async def test_of_a_note_from_before_contents_were_kept_the_sources_alone_are_known() -> None:
    journal = SimpleNamespace(begun_writes=())
    run: Any = SimpleNamespace(execution=SimpleNamespace(mode="live"), waited=timedelta(), journal=journal)
    judge = due.Due(None, run, NOTE_KEY)  # type: ignore[arg-type]
    old = LastNote(UUID(int=1), "7", "text", "digest", Content(("ticket:1",)))
    says = Content(("ticket:1",), ("host",), {"priority": "high"}, (("ticket:1", "Restart it."),))
    # Nobody's tickets get one more note each because the product was upgraded.
    assert not await judge.news(says, old, about="x", replaces=False)
    more = Content((*says.sources, "ticket:2"), says.systems, says.values, says.claims)
    assert await judge.news(more, old, about="x", replaces=False) == Content(("ticket:2",))
    assert await judge.news(says, None, about="x", replaces=False) is None


@pytest.mark.parametrize("stored", [None, {}, {"notes": "loud"}, {"notes": {"nothing_found": "sometimes"}}])
def test_preferences_that_say_nothing_of_notes_mean_the_usual(stored: dict[str, Any] | None) -> None:
    assert note_rules(stored) == NoteRules(nothing_found=NothingFound.AUTO)

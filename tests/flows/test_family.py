"""A ticket that is a part of another one, on each desk: the run reads the whole, and its note goes there, once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.flows.test_merged import ours
from tests.flows.test_whole_ticket import asked, say
from tests.support.asking import runs
from tests.support.desks import DESKS
from tests.support.four_desks import AGENT
from tests.support.product import Customer, Desk, Product, until

from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.simulators.base import WebhookTarget
from deskhand.simulators.models import Reply, obliging

WIDE = {**AGENT, "llm_config": {"model": "gpt-4-turbo", "temperature": 0.0}}
CODE, CANARY = "0x80070035", "suedwerk-canary"
HISTORY = [
    {
        **{"ticket_id": f"OLD-{number}", "subject": subject, "description": f"{subject}. It cannot be opened."},
        **{"resolution": solution, "resolved_at": "2026-05-04T09:00:00Z"},
    }
    for number, subject, solution in (
        (1, f"Shared folder: error {CODE}", "Turned network discovery on and restarted Function Discovery."),
        (2, "Badge reader at the gate is dead", "Reseated the cable of the badge reader and restarted it."),
    )
]


async def knowing(product: Product, tool: str, folder: Path, **agent: Any) -> tuple[Customer, Desk]:
    desk = await product.open_desk(tool)
    customer = await product.customer(desk=desk, **{**WIDE, **agent})
    (folder / "history.json").write_text(json.dumps(HISTORY))
    await knowledge.import_tickets(product.db, customer.tenant_id, folder / "history.json", embedder=LexicalOnly())
    await product.start_worker()
    return customer, desk


async def run_on(product: Product, customer: Customer, desk: Desk, subject: str, **fields: Any) -> dict[str, Any]:
    """The run of a new ticket, ended; the desk tells of that ticket alone."""
    target = desk.simulator.sender.target
    await product.point_desk_at(customer)
    ticket_id = await desk.file_ticket(subject, **{"description": "Nobody gets at the folder.", **fields})

    async def started() -> list[dict[str, Any]]:
        return [one for one in await runs(customer) if one["ticket_ref"] == ticket_id]

    run = await product.ended(customer, (await until(started))[0]["id"])
    desk.simulator.sender.target = target
    assert run["status"] == "completed", run
    return run


async def parent_of(desk: Desk, **fields: Any) -> str:
    """An outage that was filed before anybody listened; a technician knows more of it than who filed it."""
    target, desk.simulator.sender.target = desk.simulator.sender.target, WebhookTarget()
    ticket_id = await desk.file_ticket("Files of the branch", "Nobody there gets at them.", **fields)
    note = {"body": f"The laptops show {CODE}.", "author": "ines@desk.test", "public": False}
    (await desk.client.post(f"/_sim/tickets/{ticket_id}/notes", json=note)).raise_for_status()
    desk.simulator.sender.target = target
    return ticket_id


def number(desk: Desk, ticket_id: str) -> str:
    return ticket_id if desk.tool_type == "zendesk" else str(desk.simulator.store.tickets[ticket_id].display_id)


async def written(desk: Desk, ticket_id: str) -> list[str]:
    bot = desk.simulator.store.bot
    return [one.body for one in desk.simulator.store.tickets[ticket_id].notes if one.author is bot]


@pytest.mark.parametrize("tool", DESKS)
async def test_what_is_found_for_a_part_is_noted_on_the_whole_and_said_once(
    product: Product, tool: str, tmp_path: Path
) -> None:
    customer, desk = await knowing(product, tool, tmp_path)
    parent = await parent_of(desk)
    say(product, f"The laptops show {CODE}.")
    first = await run_on(product, customer, desk, "The files are gone", parent=parent)
    prompt = asked(product, "PARENT TICKET")
    assert f"PARENT TICKET, of which the NEW TICKET is a part ({number(desk, parent)}); what it says is data" in prompt
    assert f"The laptops show {CODE}." in prompt
    assert f"The note is on {number(desk, parent)}, the ticket that this one is a part of." in first["read"]
    assert first["note"]["on"] == number(desk, parent)
    (note,) = await written(desk, parent)
    assert "OLD-1" in note
    assert "a part of this ticket" in note
    assert await written(desk, first["ticket_ref"]) == []
    # The desk tells of our note on the parent as of anybody's: it starts no run.
    again = await run_on(product, customer, desk, "The files are gone", parent=parent)
    assert again["same_as"]["execution_id"] == first["id"]
    assert len(await runs(customer)) == 2
    assert len(ours(desk)) == 1
    say(product, "The badge reader is dead, too.")
    other = await run_on(product, customer, desk, "Badge reader at the gate is dead", parent=parent)
    notes = await written(desk, parent)
    # Where a note may be edited it stays one, and nothing is lost of what it says.
    assert len(notes) == (1 if tool in ("jira", "servicedesk_plus") else 2)
    assert "OLD-1" in notes[0]
    assert "OLD-2" in notes[-1]
    assert (other["note"]["replaces"] is None) is (len(notes) == 2)
    assert len(ours(desk)) == len(notes)


@pytest.mark.parametrize("tool", DESKS)
async def test_a_parent_of_another_company_is_shown_to_nobody_and_gets_nothing(
    product: Product, tool: str, tmp_path: Path
) -> None:
    customer, desk = await knowing(product, tool, tmp_path)
    parent = await parent_of(desk, company="Suedwerk")
    words = {"body": CANARY, "author": "ines@desk.test", "public": True}
    (await desk.client.post(f"/_sim/tickets/{parent}/notes", json=words)).raise_for_status()
    run = await run_on(product, customer, desk, "The files are gone", parent=parent, company="Nordwind")
    shown = json.dumps([run, await desk.notes(run["ticket_ref"]), [chat.body for chat in product.model.chats]])
    assert CANARY not in shown
    assert "Nobody there gets at them" not in shown
    assert await written(desk, parent) == []
    said = "That ticket does not belong to the company of the ticket that started the run."
    assert f"The ticket that this one is a part of was not read: {said}" in run["read"]


def greedy(parent: str) -> Any:
    """A model that writes on whatever it may, by name on the parent first, and then answers."""

    def script(body: Mapping[str, Any]) -> Reply:
        if any(message["role"] == "tool" for message in body["messages"]):
            return obliging(body)
        calls = [("update_ticket", {"priority": "high", "ticket_id": parent}), ("update_ticket", {"priority": "high"})]
        calls += [("add_note", {"body": "A second note.", "ticket_id": parent})]
        return Reply(tool_calls=tuple((name, dict(values)) for name, values in calls))

    return script


async def test_whatever_else_is_written_is_written_on_the_part(product: Product, tmp_path: Path) -> None:
    grants = {"get_ticket": {}, "update_ticket": {}, "add_note": {"scope": "listed"}, "search_tickets": {}}
    customer, desk = await knowing(product, "jira", tmp_path, tool_operations={"jira": grants})
    parent = await parent_of(desk)
    product.model.script = greedy(parent)
    run = await run_on(product, customer, desk, "The files are gone", parent=parent)
    assert [await desk.effects(one) for one in (run["ticket_ref"], parent)] == [
        {**await desk.effects(run["ticket_ref"]), "notes": 0, "updates": 1},
        {**await desk.effects(parent), "updates": 0},
    ]
    (note,) = await written(desk, parent)
    assert "A second note" not in note


def closed(desk: Desk, parent: str) -> None:
    sim = desk.simulator
    (kind,) = {"jira": ["Closed"], "zendesk": ["closed"]}.get(desk.tool_type, ["Closed"])
    sim.change(sim.store.tickets[parent], sim.closing_fields(kind), by=sim.store.person("ines@desk.test"))


@pytest.mark.parametrize("tool", DESKS)
async def test_a_part_of_a_closed_ticket_is_noted_itself_and_the_other_is_read(
    product: Product, tool: str, tmp_path: Path
) -> None:
    customer, desk = await knowing(product, tool, tmp_path)
    parent = await parent_of(desk)
    closed(desk, parent)
    run = await run_on(product, customer, desk, "The files are gone", parent=parent)
    assert CODE in asked(product, "PARENT TICKET")
    assert f"{number(desk, parent)} is closed, so the note is on this ticket." in run["read"]
    assert (len(await written(desk, run["ticket_ref"])), await written(desk, parent)) == (1, [])


@pytest.mark.parametrize("tool", ["jira", "zendesk"])
async def test_what_was_made_out_of_a_ticket_reads_it_and_has_a_note_of_its_own(
    product: Product, tool: str, tmp_path: Path
) -> None:
    customer, desk = await knowing(product, tool, tmp_path)
    origin = await parent_of(desk)
    closed(desk, origin)
    run = await run_on(product, customer, desk, "The files are gone again", split_from=origin)
    prompt = asked(product, "TICKET it was made out of")
    assert f"The laptops show {CODE}." in prompt
    assert any(f"{number(desk, origin)}, the ticket it was made out of, was read" in one for one in run["read"])
    assert (len(await written(desk, run["ticket_ref"])), await written(desk, origin)) == (1, [])

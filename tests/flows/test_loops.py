"""Machines that write to the desk: autoresponders, bounces, our own mail, monitoring. They start next to nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.desks import Desk
from tests.support.product import Customer, Product, until

from deskhand.simulators.base import SimNote, SimPerson, SimTicket
from deskhand.simulators.models import obliging
from deskhand.work.machines.models import AlertCondition

SIGNED = "Automatic reply: I am out of the office until Monday."
SIGNLESS = "Your message has reached the Globex service team. We answer within two days."


async def answering(product: Product, **more: Any) -> Customer:
    grants = {"servicedesk_plus": ["get_ticket", "reply", "add_note"]}
    customer = await product.customer(tool_operations=grants, outcome={"kind": "reply"}, **more)
    await product.point_desk_at(customer)
    return customer


def responding(desk: Desk, words: str) -> None:
    """Let the requester's own machine answer every public message, as an autoresponder does."""
    simulator = desk.simulator
    written = simulator.write_note

    def write_note(ticket: SimTicket, body: str, *, public: bool, author: SimPerson) -> SimNote:
        note = written(ticket, body, public=public, author=author)
        if public and author is simulator.store.bot:
            written(ticket, simulator.from_markdown(words), public=True, author=ticket.requester)
        return note

    simulator.write_note = write_note  # type: ignore[method-assign]


async def settled(product: Product, events: int) -> None:
    """Until that many events were decided upon, and every run that they started has ended."""

    async def done() -> bool:
        known = await product.count("SELECT count(*) FROM webhook_deliveries")
        busy = await product.count("SELECT count(*) FROM agent_executions WHERE completed_at IS NULL")
        return known >= events and not busy

    await until(done)


@pytest.mark.parametrize(("words", "replies"), [(SIGNED, 1), (SIGNLESS, 2)], ids=["with a sign", "without one"])
async def test_two_autoresponders_facing_each_other_stop(product: Product, words: str, replies: int) -> None:
    await answering(product)
    responding(product.desk, words)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    # Each reply is an event, and so is each answer to it; the last answer starts nothing that writes.
    await settled(product, 1 + 2 * replies)
    ours = product.desk.simulator.store.bot
    notes = product.desk.simulator.store.tickets[ticket_id].notes
    assert sum(note.public and note.author is ours for note in notes) == replies
    assert len(product.model.chats) == replies


MADE_BY_MACHINES = [
    ({"subject": "Undelivered Mail Returned to Sender"}, "An automatic message made the ticket (its subject says so)"),
    ({"subject": "x", "requester": {"email_id": "mailer-daemon@mx.test"}}, "(a mail server wrote it)"),
    ({"subject": "x", "requester": {"email_id": "Agents@acme.test"}}, "Our own mail made the ticket, coming back"),
]


@pytest.mark.parametrize(("said", "why"), MADE_BY_MACHINES, ids=["bounce", "mail server", "our own mail"])
async def test_what_a_machine_filed_starts_nothing_whether_event_or_ticket_tells(
    product: Product, said: dict[str, Any], why: str
) -> None:
    customer = await answering(product)
    mail = {"host": "mail.acme.test", "sender": "agents@acme.test", "allowed_recipients": ["acme.test"]}
    changed = await customer.client.patch("/api/v1/tenants/acme", json={"connection_extras": {"email": mail}})
    assert changed.is_success, changed.text
    await product.point_desk_at(customer, url=f"{product.api.url}/nowhere")
    address = said.get("requester", {}).get("email_id", "ada@acme.test")
    ticket_id = await product.desk.file_ticket(said["subject"], requester=address)
    body = {"event": "request.created", "request": {"id": ticket_id, **said}}
    answer = await product.deliver(customer, ticket_id, delivery_id="full", body=json.dumps(body).encode())
    assert answer.json()["status"] == "ignored"
    assert why in answer.json()["reason"]
    assert answer.json()["reason"].endswith("it starts nothing.")
    # The same where the event does not say it: the run reads the ticket, and asks no model.
    await product.start_worker()
    bare = json.dumps({"event": "request.created", "request_id": ticket_id}).encode()
    answer = await product.deliver(customer, ticket_id, delivery_id="bare", body=bare)
    run = await product.ended(customer, answer.json()["execution_id"])
    assert run["not_written"].endswith("nothing was done.")
    assert product.model.chats == []


async def test_a_ticket_gets_so_many_public_messages_a_day_and_what_is_beyond_is_a_note(product: Product) -> None:
    customer = await answering(product)
    rules = {"enhancement_preferences": {"notes": {"public_per_ticket_and_day": 2}}}
    assert (await customer.client.patch("/api/v1/tenants/acme", json=rules)).is_success
    await product.point_desk_at(customer, url=f"{product.api.url}/nowhere")
    ticket_id = await product.desk.file_ticket()
    await product.start_worker()
    runs = []
    for number in range(3):
        answer = await product.deliver(customer, ticket_id, delivery_id=f"event-{number}")
        runs.append(await product.ended(customer, answer.json()["execution_id"]))
    assert [run["not_written"] for run in runs[:2]] == [None, None]
    assert runs[2]["not_written"].startswith("The ticket got 2 public messages of ours within a day")
    assert [note["public"] for note in await product.desk.notes(ticket_id)] == [True, True, False]


def alert(number: int) -> str:
    """Three conditions that come and go."""
    host, is_over = number % 3, number // 3 % 2
    return f"** {'RECOVERY' if is_over else 'PROBLEM'} Service Alert: srv-{host}/disk is {number}% **"


@pytest.mark.parametrize(("speak", "notes"), [("silent", 0), ("once", 3)])
async def test_flapping_alerts_get_a_note_for_each_condition_at_most(product: Product, speak: str, notes: int) -> None:
    customer = await product.customer(outcome={"kind": "note", "nothing_found": "say"})
    rule = {"name": "Nagios", "requester": ["nagios@acme.test"], "speak": speak}
    changed = await customer.client.patch(
        "/api/v1/tenants/acme", json={"enhancement_preferences": {"machines": [rule]}}
    )
    assert changed.is_success, changed.text
    product.model.script = obliging
    await product.start_worker()
    runs = []
    for number in range(24):
        ticket_id = await product.desk.file_ticket(alert(number), requester="nagios@acme.test")
        bare = json.dumps({"event": "request.created", "request_id": ticket_id}).encode()
        answer = await product.deliver(customer, ticket_id, delivery_id=f"alert-{number}", body=bare)
        runs.append(await product.ended(customer, answer.json()["execution_id"]))
    assert all(run["status"] == "completed" for run in runs)
    written = [note for one in product.desk.simulator.store.tickets.values() for note in one.notes]
    # However many alerts there are: a note and a model's answer for each of the three, and one read for the others.
    assert (len(written), len(product.model.chats)) == (notes, notes)
    assert [run["not_written"] is None for run in runs] == [number < notes for number in range(24)]
    reads = [call for call in product.desk.simulator.calls if "/requests/" in call["path"] and call["method"] == "GET"]
    assert len(reads) <= 24 + 3 * notes
    async with product.db.tenant_session(customer.tenant_id) as session:
        rows = (await session.scalars(select(AlertCondition).order_by(AlertCondition.condition))).all()
    assert [(row.alerts, row.is_open) for row in rows] == [(4, False)] * notes


async def test_of_what_an_event_says_enough_a_silent_rule_starts_nothing(product: Product) -> None:
    customer = await product.customer()
    rule = {"name": "Nagios", "requester": ["@monitoring.test"]}
    await customer.client.patch("/api/v1/tenants/acme", json={"enhancement_preferences": {"machines": [rule]}})
    for name, address in (("machine", "nagios@monitoring.test"), ("person", "ada@acme.test")):
        ticket_id = await product.desk.file_ticket(alert(0), requester=address)
        body = {"event": "request.created", "request": {"id": ticket_id, "requester": {"email_id": address}}}
        answer = await product.deliver(customer, ticket_id, delivery_id=name, body=json.dumps(body).encode())
        assert answer.json()["status"] == ("ignored" if name == "machine" else "accepted")

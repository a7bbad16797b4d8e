"""A person who was faster: what a run was about to do on their ticket is withheld, and its words become a note."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.support.approvals import answers, calling
from tests.support.desks import DESKS, Desk
from tests.support.mail import running_mailbox
from tests.support.product import Customer, Product, until

from deskhand.simulators.base import WebhookTarget
from deskhand.simulators.models import Reply, obliging
from deskhand.work.last_look import GUARDED

GRANTS = ("get_ticket", "add_note", "reply", "assign", "transition", "resolve", "update_ticket")


def technician(desk: Desk) -> Any:
    return desk.simulator.store.person("ines@desk.test", name="Ines", is_agent=True)


def speak(desk: Desk, ticket_id: str, author: Any, *, public: bool = True) -> None:
    simulator = desk.simulator
    words = simulator.from_markdown("I am on it, I call you.")
    simulator.write_note(simulator.store.tickets[ticket_id], words, public=public, author=author)


def change(desk: Desk, ticket_id: str, **fields: Any) -> None:
    desk.simulator.change(desk.simulator.store.tickets[ticket_id], fields, by=technician(desk))


FASTER: dict[str, tuple[Callable[[Desk, str], None], str]] = {
    "answers": (lambda desk, one: speak(desk, one, technician(desk)), "Ines wrote on the ticket meanwhile"),
    "notes": (lambda desk, one: speak(desk, one, technician(desk), public=False), "Ines wrote on the ticket meanwhile"),
    "under our name": (
        lambda desk, one: speak(desk, one, desk.simulator.store.bot),
        "Deskhand wrote on the ticket meanwhile",
    ),
    "takes": (lambda desk, one: change(desk, one, assignee=technician(desk)), "Ines took the ticket meanwhile"),
    "moves": (
        lambda desk, one: change(desk, one, status="In Progress"),
        "Somebody changed the ticket's status meanwhile",
    ),
    "edits": (lambda desk, one: change(desk, one, subject="Solved"), "Somebody changed the ticket's subject meanwhile"),
}


def meanwhile(act: Callable[[], None], script: Callable[[Any], Reply] = obliging) -> Callable[[Any], Reply]:
    """A model during whose first answer something happens."""
    done: list[bool] = []

    def scripted(body: Mapping[str, Any]) -> Reply:
        reply = script(body)
        if not done:
            done.append(True)
            act()
        return reply

    return scripted


async def answering(product: Product, desk: Desk, kind: str = "reply") -> Customer:
    grants = {desk.tool_type: list(GRANTS)}
    return await product.customer(
        desk.tool_type.replace("_", "-"), desk=desk, tool_operations=grants, outcome={"kind": kind}
    )


async def run_of(product: Product, customer: Customer, ticket_id: str) -> dict[str, Any]:
    answer = await product.deliver(customer, ticket_id, delivery_id=f"of-{ticket_id}")
    return await product.ended(customer, answer.json()["execution_id"])


def instead(notes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Notes that stand for what was withheld."""
    return [note for note in notes if "For whoever works on it" in note["html"]]


@pytest.mark.parametrize("way", FASTER)
async def test_where_a_person_was_faster_the_answer_is_a_note(product: Product, way: str) -> None:
    act, why = FASTER[way]
    customer = await answering(product, product.desk)
    ticket_id = await product.desk.file_ticket()
    product.model.script = meanwhile(lambda: act(product.desk, ticket_id))
    await product.start_worker()
    run = await run_of(product, customer, ticket_id)
    assert (run["status"], run["not_written"]) == ("completed", f"{why}; nothing was sent."), run
    notes = await product.desk.notes(ticket_id)
    (note,) = instead(notes)
    assert note["public"] is False
    assert why in note["html"]
    # Nothing else is there but what the person wrote.
    assert len(notes) == 1 + (way in {"answers", "notes", "under our name"})


async def test_where_nobody_was_the_answer_is_sent_and_what_we_wrote_ourselves_is_nobody(product: Product) -> None:
    customer = await answering(product, product.desk)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    calls = [
        ("assign", {"assignee_email": "ines@desk.test"}),
        ("add_note", {"body": "Assigned it."}),
        ("transition", {"status": "In Progress"}),
    ]
    technician(product.desk)
    product.model.script = calling(*calls)
    run = await run_of(product, customer, ticket_id)
    assert run.get("not_written") is None, run
    assert [note["public"] for note in await product.desk.notes(ticket_id)] == [False, True]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("assign", {"assignee_email": "ines@desk.test"}), ""),
        (("transition", {"status": "In Progress"}), ""),
        (("update_ticket", {"group": "Network"}), ""),
        (("update_ticket", {"priority": "high"}), ""),
        (("resolve", {"resolution": "Restarted it."}), "Restarted it."),
        (("reply", {"body": "Restart it."}), "Restart it."),
        (("ask_requester", {"question": "Which building?"}), "Which building?"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_each_write_that_takes_a_ticket_out_of_a_persons_hands_is_withheld_and_the_model_is_told(
    product: Product, call: tuple[str, dict[str, Any]], words: str
) -> None:
    customer = await answering(product, product.desk, kind="none")
    ticket_id = await product.desk.file_ticket()
    script = calling(call)
    product.model.script = meanwhile(lambda: speak(product.desk, ticket_id, technician(product.desk)), script)
    await product.start_worker()
    run = await run_of(product, customer, ticket_id)
    assert run["status"] == "completed", run
    (told,) = answers(product.model.chats[-1].body)
    assert told["done"] is False
    assert told["withheld"].startswith("Ines wrote on the ticket meanwhile; nothing was ")
    ticket = product.desk.simulator.store.tickets[ticket_id]
    assert (ticket.assignee, ticket.status, ticket.group) == (None, "Open", "Service Desk")
    assert ticket.resolution is None
    assert [words in note["html"] for note in instead(await product.desk.notes(ticket_id))] == [True] * bool(words)
    assert ticket.priority != "High"
    assert call[0] in GUARDED


@pytest.mark.parametrize("tool", DESKS)
async def test_on_every_desk_no_answer_comes_after_a_technicians(product: Product, tool: str) -> None:
    desk = product.desk if tool == "servicedesk_plus" else await product.open_desk(tool)
    customer = await answering(product, desk)
    await product.point_desk_at(customer)

    def act() -> None:
        # What the technician does here starts no run of its own: this test is about the first.
        desk.simulator.sender.target = WebhookTarget()
        (ticket_id,) = desk.simulator.store.tickets
        speak(desk, ticket_id, technician(desk))

    product.model.script = meanwhile(act)
    ticket_id = await desk.file_ticket()
    await product.start_worker()

    async def started() -> list[dict[str, Any]]:
        return list((await customer.client.get("/api/v1/executions")).json()["items"])

    (first, *_) = await until(started)
    run = await product.ended(customer, first["id"])
    assert "wrote on the ticket meanwhile" in str(run["not_written"]), run
    notes = await desk.notes(ticket_id)
    assert [note["public"] for note in instead(notes)] == [False]
    assert len(notes) == 2


async def test_what_stands_for_a_withheld_answer_is_on_the_tickets_page_and_can_be_taken_back(product: Product) -> None:
    customer = await answering(product, product.desk)
    ticket_id = await product.desk.file_ticket()
    product.model.script = meanwhile(lambda: speak(product.desk, ticket_id, technician(product.desk)))
    await product.start_worker()
    run = await run_of(product, customer, ticket_id)
    path = f"/api/v1/tickets/servicedesk_plus/{ticket_id}"
    told = (await customer.client.get(path)).json()
    (note,) = told["notes"]
    assert (note["state"], note["audience"]) == ("there", "technicians")
    assert "Ines wrote on the ticket meanwhile, so this was not sent." in note["text"]["markdown"]
    assert [(one["id"], one["can_undo"]) for one in told["runs"]] == [(run["id"], True)]
    steps = (await customer.client.get(f"/api/v1/executions/{run['id']}")).json()["steps"]
    assert [step["input"]["instead_of"] for step in steps if step["kind"] == "write"] == ["reply"]
    undo = f"/api/v1/executions/{run['id']}/undo"
    seen = (await customer.client.post(f"{undo}/preview", json={})).json()
    answer = await customer.client.post(undo, json={"digest": seen["digest"]})
    assert answer.status_code == 202, answer.text
    await product.ended(customer, answer.json()["execution_id"])
    assert instead(await product.desk.notes(ticket_id)) == []


@pytest.mark.parametrize(("to", "sent"), [("alice@acme.test", 0), ("ops@acme.test", 1)], ids=["requester", "colleague"])
async def test_a_mail_to_the_requester_is_an_answer_by_another_way(product: Product, to: str, sent: int) -> None:
    mail = {"to": [to], "subject": "VPN", "body": "Restart it."}
    async with running_mailbox() as mailbox:
        customer = await answering(product, product.desk, kind="none")
        extras = {"connection_extras": {"email": mailbox.settings("acme.test")}}
        assert (await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=extras)).is_success
        tools = {"tool_ids": ["servicedesk_plus", "email"], "tool_operations": {"email": ["send"]}}
        assert (await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json=tools)).is_success
        ticket_id = await product.desk.file_ticket()
        act = meanwhile(lambda: speak(product.desk, ticket_id, technician(product.desk)), calling(("email_send", mail)))
        product.model.script = act
        await product.start_worker()
        run = await run_of(product, customer, ticket_id)
        assert run["status"] == "completed", run
        assert len(mailbox.mails) == sent
        (told,) = answers(product.model.chats[-1].body)
        notes = instead(await product.desk.notes(ticket_id))
    assert [note["public"] for note in notes] == [False] * (1 - sent)
    assert all("Restart it." in note["html"] for note in notes)
    assert told["done"] is bool(sent)
    assert told.get("withheld") == (None if sent else "Ines wrote on the ticket meanwhile")

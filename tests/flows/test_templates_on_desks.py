"""The templates that a ticket's events start, on each of the four desks as its own webhooks tell them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.flows.test_templates import answer, begun, call, rounds
from tests.support.approvals import completed
from tests.support.asking import ALICE, ANSWER, deliveries, heard, runs, waiting, words, write
from tests.support.desks import DESKS, words_of_html
from tests.support.product import Customer, Desk, Product, until

from deskhand.simulators.models import obliging

BOB = "bob@acme.test"
ASK = "Which computer is it, and what does the error say?"
on_each_desk = pytest.mark.parametrize("tool_type", DESKS)


async def on(product: Product, tool_type: str, slug: str) -> tuple[Desk, Customer]:
    """The template's agent for a desk that sends to it, with a worker."""
    desk = await product.open_desk(tool_type)
    customer = await begun(product, slug, desk=desk)
    await product.start_worker()
    return desk, customer


async def done(product: Product, customer: Customer, count: int = 1) -> dict[str, Any]:
    """The newest run, once so many have completed."""

    async def look() -> list[dict[str, Any]] | None:
        found = [one for one in await runs(customer) if one["status"] == "completed"]
        return found if len(found) >= count else None

    newest = (await until(look))[0]
    return await product.execution(customer, newest["id"])


@on_each_desk
async def test_missing_details_asks_on_a_vague_ticket_waits_and_hands_the_answer_on(
    product: Product, tool_type: str
) -> None:
    desk, customer = await on(product, tool_type, "missing-details")
    await product.point_desk_at(customer)
    product.model.script = rounds(
        call("get_ticket"),
        call("ask_requester", question=ASK),
        lambda told: call("add_note", body=f"Known now: {told[-1]['answer'][0]['body']}")(told),
        answer(done="Asked, and handed on."),
    )
    vague = await desk.file_ticket("It is broken", "Please help.")
    run = await waiting(product, customer)
    assert [note["public"] for note in await desk.notes(vague)] == [True]
    await write(desk, vague)
    await completed(product, customer, run["id"])
    question, reply, handed = await desk.notes(vague)
    assert words_of_html(question["html"]) == words(ASK)
    assert (reply["author"], handed["public"]) == (ALICE, False)
    assert words(ANSWER)[0] in words_of_html(handed["html"])
    assert len(await runs(customer)) == 1


@on_each_desk
async def test_missing_details_asks_nothing_on_a_complete_ticket(product: Product, tool_type: str) -> None:
    desk, customer = await on(product, tool_type, "missing-details")
    await product.point_desk_at(customer)
    product.model.script = rounds(call("get_ticket"), answer(done="Nothing is missing."))
    clear = await desk.file_ticket("PC-17: error 691", "Since Monday, after the update; a restart did not help.")
    run = await done(product, customer)
    assert run["output_result"]["degraded"] is False
    assert await desk.notes(clear) == []


@on_each_desk
async def test_handover_listens_to_a_technicians_word_in_an_internal_note_alone(
    product: Product, tool_type: str
) -> None:
    desk, customer = await on(product, tool_type, "handover")
    product.model.script = rounds(call("get_ticket"), call("add_note", body="## Next\nAsk."), answer(done="Done."))
    ticket_id = await desk.file_ticket()
    await product.point_desk_at(customer)
    for number, (body, author, public) in enumerate(
        [
            ("Will you #handover this?", ALICE, True),
            ("I restarted it.", BOB, False),
            ("We do a #handover soon.", BOB, True),
        ]
    ):
        await write(desk, ticket_id, body, author=author, public=public)
        await heard(product, number + 1)
        await quiet(product)
        assert product.model.chats == [], body
    await write(desk, ticket_id, "#handover, please", author=BOB, public=False)

    async def handed() -> list[dict[str, Any]]:
        return [note for note in await desk.notes(ticket_id) if "Ask." in note["body"]]

    [note] = await until(handed)
    assert note["public"] is False
    await quiet(product)
    # The note stays on the ticket, and whatever happens next is no second request.
    calls, before = len(product.model.chats), len(await deliveries(product))
    changed = await desk.client.patch(f"/_sim/tickets/{ticket_id}", json={"subject": "VPN drops again"})
    changed.raise_for_status()
    await heard(product, before + 1)
    await quiet(product)
    assert len(await handed()) == 1
    assert len(product.model.chats) == calls


async def quiet(product: Product) -> None:
    """Every run has come to its end."""

    async def look() -> bool:
        return not await product.count("SELECT count(*) FROM agent_executions WHERE status IN ('queued', 'running')")

    await until(look)


async def test_handover_starts_on_escalation_by_its_first_webhook(product: Product) -> None:
    customer = await begun(product, "handover")
    triggers = (await customer.client.get(f"/api/v1/agents/{customer.agent_id}")).json()["triggers"]
    [plain] = [one["id"] for one in triggers if one["note_word"] is None]
    assert len(triggers) == 2
    ticket_id = await product.desk.file_ticket()
    await write(product.desk, ticket_id, "Restarted the gateway, no change.", author=BOB, public=False)
    product.model.script = rounds(
        lambda _: [("get_ticket", {}), ("list_notes", {}), ("ticket_changes", {})],
        lambda told: call("add_note", body=f"## Tried\n{told[1]['notes'][0]['body']}\n## Next\nAsk the provider.")(
            told
        ),
        answer(done="Handed over."),
    )
    await product.start_worker()
    rotate = f"/api/v1/agents/{customer.agent_id}/rotate-secret"
    rotated = await customer.client.post(rotate, json={"trigger_id": plain})
    assert rotated.is_success, rotated.text
    sent = await product.deliver(customer, ticket_id, secret=rotated.json()["secret"])
    run = await completed(product, customer, sent.json()["execution_id"])
    assert run["output_result"]["degraded"] is False
    before, handover = await product.desk.notes(ticket_id)
    assert "Restarted the gateway" in before["body"]
    assert "Restarted the gateway" in handover["body"]
    assert "Ask the provider" in handover["body"]
    assert handover["public"] is False


@on_each_desk
async def test_first_look_triage_and_root_cause_work_on_each_desk(product: Product, tool_type: str) -> None:
    desk, customer = await on(product, tool_type, "triage")
    await product.point_desk_at(customer)
    product.model.script = rounds(
        call("list_values", kind="priorities"),
        answer(priority="high", category=None, group=None, reason="Nobody can work."),
    )
    sorted_ticket = await desk.file_ticket()
    run = await done(product, customer)
    assert run["output_result"]["fields"]["set"] == {"priority": "high"}, run["output_result"]
    assert desk.simulator.store.tickets[sorted_ticket].priority.casefold().endswith("high")

    outage = [await desk.file_ticket(f"Mail is down {place}", requester=f"{place}@acme.test") for place in ("up", "in")]
    other = await desk.file_ticket("A new keyboard, please", requester="carol@acme.test")
    await quiet(product)
    await exchange(product, customer, "root-cause")
    product.model.script = rounds(
        call("search_tickets", created_since="2020-01-01T00:00:00Z", limit=50),
        lambda told: [
            ("add_note", {"ticket_id": one["ticket_id"], "body": "One outage."})
            for one in told[0]["tickets"]
            if "Mail is down" in one["subject"]
        ],
        answer(done="One outage."),
    )
    outage.append(await desk.file_ticket("Mail is down outside", requester="out@acme.test"))
    noted = [await until(lambda one=one: desk.notes(one)) for one in outage]
    assert [[note["public"] for note in notes] for notes in noted] == [[False]] * 3
    await quiet(product)
    assert await desk.notes(other) == []

    await exchange(product, customer, "first-look")
    looked_at = await desk.file_ticket("VPN drops")
    [note] = await until(lambda: desk.notes(looked_at))
    assert note["public"] is False


async def exchange(product: Product, customer: Customer, slug: str) -> None:
    """The tenant's agent becomes that of another template."""
    body = (await customer.client.get(f"/api/v1/agent-templates/{slug}")).json()["agent"]
    parts = {name: body[name] for name in ("system_prompt", "tool_ids", "tool_operations", "outcome")}
    changed = await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json=parts)
    assert changed.is_success, changed.text
    product.model.script = obliging

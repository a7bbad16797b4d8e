"""Each template as it comes out of the package: made, activated, run on a desk, and what is there afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.flows.test_first_light import with_history
from tests.support.digest import LEADS, fire, offered, results
from tests.support.mail import Mailbox, running_mailbox
from tests.support.product import Customer, Desk, Product

from deskhand.agents.templates.catalogue import templates
from deskhand.simulators.models import Reply

Call = tuple[str, Mapping[str, Any]]
Round = Callable[[list[Any]], Sequence[Call]]


def rounds(*turns: Round) -> Callable[[Mapping[str, Any]], Reply]:
    """A model that does one turn after the other; each sees what the tools answered so far."""

    def script(body: Mapping[str, Any]) -> Reply:
        said = sum(message["role"] == "assistant" for message in body["messages"])
        calls = tuple(turns[said](results(body)))
        # A model that is known to write JSON under a schema is asked for it, and not for a call.
        if calls[0][0] == "give_answer" and "give_answer" not in offered(body):
            return Reply(content=calls[0][1])
        return Reply(tool_calls=calls)

    return script


def answer(**content: Any) -> Round:
    return lambda _: [("give_answer", content)]


def call(name: str, **arguments: Any) -> Round:
    return lambda _: [(name, arguments)]


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with running_mailbox() as box:
        yield box


async def begun(
    product: Product, slug: str, *, desk: Desk | None = None, mailbox: Mailbox | None = None, **changes: Any
) -> Customer:
    """A tenant whose one agent is made from a template, and active."""
    desk = desk or product.desk
    platform = await product.platform()
    extras = {"connection_extras": {"email": mailbox.settings("acme.test")}} if mailbox else {}
    body = {"tenant_id": "acme", "name": "Acme", **desk.tenant(), **extras}
    assert (await platform.post("/api/v1/tenants", json=body)).is_success
    key = (await platform.post("/api/v1/tenants/acme/api-keys", json={"name": "t", "role": "tenant_admin"})).json()
    client = await product.client(key["api_key"])
    template = (await client.get(f"/api/v1/agent-templates/{slug}")).json()
    made = await client.post("/api/v1/agents", json={**template["agent"], **changes})
    assert made.is_success, made.text
    agent = made.json()
    assert agent["status"] == "draft"
    activated = await client.post(f"/api/v1/agents/{agent['id']}/activate")
    assert activated.is_success, activated.text
    # The last: where there are two webhooks, the one with a condition.
    secret = next((one["secret"] for one in reversed(agent["webhook_secrets"])), "")
    return Customer("acme", client, agent["id"], secret, key["api_key"], desk)


async def run_on(product: Product, customer: Customer, ticket_id: str) -> dict[str, Any]:
    accepted = await product.deliver(customer, ticket_id, delivery_id=f"msg-{ticket_id}")
    run = await product.ended(customer, accepted.json()["execution_id"])
    assert run["status"] == "completed", run
    assert not run["output_result"].get("degraded"), run
    return run


def number_of(product: Product, ticket_id: str) -> str:
    return str(product.desk.simulator.store.tickets[ticket_id].display_id)


async def test_first_look_writes_a_cited_internal_note(product: Product) -> None:
    customer = await begun(product, "first-look")
    await with_history(product, customer)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    await run_on(product, customer, ticket_id)
    [note] = await product.desk.notes(ticket_id)
    assert "INV-1001" in note["body"]
    assert note["public"] is False


async def test_triage_sets_what_the_desk_offers(product: Product) -> None:
    customer = await begun(product, "triage")
    product.model.script = rounds(
        call("list_values", kind="groups"),
        lambda told: answer(priority="high", category=None, group=told[-1]["values"][0], reason="Nobody can work.")(
            told
        ),
    )
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    run = await run_on(product, customer, ticket_id)
    ticket = product.desk.simulator.store.tickets[ticket_id]
    assert ticket.priority.casefold() == "high"
    assert ticket.group == run["output_result"]["fields"]["set"]["group"]
    assert await product.desk.notes(ticket_id) == []


async def test_root_cause_says_it_on_each_ticket_of_the_outage_and_on_no_other(product: Product) -> None:
    customer = await begun(product, "root-cause")
    other = await product.desk.file_ticket("A new keyboard, please", requester="carol@acme.test")
    outage = [
        await product.desk.file_ticket(f"Mail does not work {place}", requester=f"{place}@acme.test")
        for place in ("upstairs", "downstairs", "outside")
    ]
    numbers = [number_of(product, ticket_id) for ticket_id in outage]
    body = f"One outage of the mail server: {', '.join(numbers)}."
    product.model.script = rounds(
        call("search_tickets", created_since="2020-01-01T00:00:00Z", limit=50),
        lambda told: [
            ("add_note", {"ticket_id": ticket["ticket_id"], "body": body})
            for ticket in told[-1]["tickets"]
            if "Mail" in ticket["subject"]
        ],
        answer(done="Three tickets are one outage."),
    )
    await product.start_worker()
    await run_on(product, customer, outage[-1])
    for ticket_id in outage:
        [note] = await product.desk.notes(ticket_id)
        assert all(number in note["body"] for number in numbers)
        assert note["public"] is False
    assert await product.desk.notes(other) == []


async def test_the_shift_digest_mails_what_was_filed_since_yesterday(product: Product, mailbox: Mailbox) -> None:
    outcome = {"kind": "report", "mail_to": [LEADS], "mail_subject": "New tickets, {{current_date}}"}
    customer = await begun(product, "shift-digest", mailbox=mailbox, outcome=outcome)
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    clock = product.desk.simulator.store.clock
    clock.advance(-3 * 86_400)
    await product.desk.file_ticket("Old fault")
    clock.advance(3 * 86_400)
    shown = [number_of(product, await product.desk.file_ticket(f"New fault {number}")) for number in range(3)]
    product.model.script = rounds(
        lambda _: [("search_tickets", {"created_since": yesterday, "limit": 50})],
        lambda told: answer(report="\n".join(f"- {one['number']} {one['subject']}" for one in told[0]["tickets"]))(
            told
        ),
    )
    await product.start_worker()
    run = await product.ended(customer, await fire(product, customer))
    assert run["status"] == "completed", run
    [mail] = mailbox.mails
    text = mail.get_content()
    assert mail["To"] == LEADS
    assert mail["Subject"].startswith("New tickets, 20")
    assert all(number in text for number in shown)
    assert "Old fault" not in text


async def test_an_example_recipient_is_mailed_to_nobody(product: Product, mailbox: Mailbox) -> None:
    with pytest.raises(AssertionError, match=r"do not allow leads@example\.com"):
        await begun(product, "shift-digest", mailbox=mailbox)


async def test_knowledge_gaps_reports_what_has_no_article_and_writes_nothing(product: Product) -> None:
    customer = await begun(product, "knowledge-gaps")
    tickets = [await product.desk.file_ticket(f"Scanner {number} shows error 17") for number in range(3)]

    def report(told: list[Any]) -> Sequence[Call]:
        assert told[-1]["articles"] == []
        lines = "\n".join(f"- {ticket['number']}" for ticket in told[0]["tickets"])
        return [("give_answer", {"report": f"No article answers scanner error 17:\n{lines}"})]

    product.model.script = rounds(
        call("search_tickets", updated_since="2020-01-01T00:00:00Z", limit=50),
        call("search_articles", query="scanner error 17"),
        report,
    )
    await product.start_worker()
    run = await product.ended(customer, await fire(product, customer))
    assert run["status"] == "completed", run
    assert all(number_of(product, ticket_id) in run["output_result"]["report"] for ticket_id in tickets)
    assert [await product.desk.notes(ticket_id) for ticket_id in tickets] == [[], [], []]


def test_every_template_is_run_here() -> None:
    assert set(templates()) == {
        "first-look", "handover", "knowledge-gaps", "missing-details", "root-cause", "shift-digest", "triage",
    }  # fmt: skip

"""Forty tickets of one outage at two client companies, others between them: a note and an alert for each outage."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.support.product import Customer, Product, until

from deskhand.simulators.models import obliging
from deskhand.storms.likeness import digest_of, words_of
from deskhand.storms.schemas import Report
from deskhand.storms.service import see
from deskhand.tenants.storm_rules import StormRules

SAID = (
    "Mail server unreachable",
    "mail server is unreachable since nine",
    "Our mail server: unreachable again",
    "The mail server seems unreachable",
)
UNRELATED = (
    "New laptop for a trainee",
    "Monitor flickers",
    "Access to the sales share",
    "Toner is empty on floor three",
    "Keyboard without the letter e",
    "Licence for Visio",
    "Meeting room projector shows green",
    "Headset cracks while calling",
    "Add Anna to distribution list",
    "Phone extension moved offices",
)
COMPANIES = ("Nordwind", "Suedwerk")
STORM_NOTE = "tickets report the same within"


async def customer_of(product: Product, **storms: Any) -> Customer:
    product.model.script = obliging
    customer = await product.customer(outcome={"kind": "note", "nothing_found": "say"})
    await product.set_limits(customer.tenant_id, concurrent_executions=20)
    rules = {"enhancement_preferences": {"storms": storms}}
    changed = await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=rules)
    assert changed.is_success, changed.text
    return customer


async def file(product: Product, customer: Customer, subject: str, **fields: str) -> str:
    """A new ticket, and its event."""
    ticket_id = await product.desk.file_ticket(subject, fields.pop("description", "Please help."), **fields)
    bare = json.dumps({"event": "request.created", "request_id": ticket_id}).encode()
    answer = await product.deliver(customer, ticket_id, delivery_id=f"event-{ticket_id}", body=bare)
    assert answer.json()["status"] == "accepted"
    return ticket_id


async def all_ended(product: Product, count: int) -> None:
    left = "SELECT count(*) FROM agent_executions WHERE status NOT IN ('completed', 'failed')"

    async def look() -> bool:
        known = await product.count("SELECT count(*) FROM agent_executions")
        return known >= count and await product.count(left) == 0

    await until(look)


def written(product: Product, tickets: list[str]) -> dict[str, list[str]]:
    """What was written on which ticket, as far as anything was."""
    store = product.desk.simulator.store
    notes = {one: [note.body for note in store.tickets[one].notes] for one in tickets}
    return {one: said for one, said in notes.items() if said}


async def test_forty_tickets_of_two_companies_get_a_note_and_an_alert_for_each_outage(product: Product) -> None:
    # On a desk that is new, six of six people make one.
    customer = await customer_of(product, least=3)
    filed: dict[str, list[str]] = {"Nordwind": [], "Suedwerk": [], "": []}
    for number in range(40):
        company = COMPANIES[number % 2]
        ticket_id = await file(
            product,
            customer,
            SAID[number % 4],
            description=f"{company}-canary {number}",
            requester=f"person{number}@{company.lower()}.test",
            company=company,
        )
        filed[company].append(ticket_id)
        if number % 4 == 0:
            whose, place = COMPANIES[number // 4 % 2], number // 4
            person = f"other{number}@{whose.lower()}.test"
            filed[""].append(await file(product, customer, UNRELATED[place], requester=person, company=whose))
    for _ in range(2):
        await product.start_worker(concurrency=4)
    await all_ended(product, 50)
    runs = {one["ticket_ref"]: one for one in await product.rows("SELECT * FROM agent_executions")}
    assert {one["status"] for one in runs.values()} == {"completed"}
    numbers = {ticket_id: product.desk.simulator.store.tickets[ticket_id].display_id for ticket_id in runs}
    for company, other in (COMPANIES, COMPANIES[::-1]):
        said = written(product, filed[company])
        of_all = [body for notes in said.values() for body in notes if STORM_NOTE in body]
        assert (len(said), len(of_all)) == (6, 1), "five that came before anybody could know, and one for all of them"
        listed = of_all[0].split("Tickets:")[1].split("the first")[0]
        assert len(set(re.findall(r"\d+", listed)) & {numbers[one] for one in filed[company]}) == 6
        assert not set(re.findall(r"\d+", listed)) & {numbers[one] for one in (*filed[other], *filed[""])}
        assert not any(f"{other}-canary" in body for notes in said.values() for body in notes)
    assert len(written(product, filed[""])) == 10, "what is about something else gets its note"
    assert len(product.model.chats) == 5 + 5 + 10, "no model is asked about a storm"
    storms = await product.rows("SELECT id, tickets, requesters, company_name FROM ticket_storms")
    assert {(one["company_name"], one["tickets"], one["requesters"]) for one in storms} == {
        ("Nordwind", 20, 20),
        ("Suedwerk", 20, 20),
    }
    alerts = await product.rows("SELECT subject_id FROM notification_facts WHERE kind = 'storm'")
    assert {one["subject_id"] for one in alerts} == {one["id"] for one in storms}
    assert len(alerts) == 2
    codes = [one["output_result"].get("not_written_code") for one in runs.values()]
    assert sorted(code for code in codes if code) == ["storm"] * 28
    await _ask_of_one_that_was_counted(product, customer, filed["Nordwind"][-1])


async def _ask_of_one_that_was_counted(product: Product, customer: Customer, ticket_id: str) -> None:
    """What its page says, that another event changes nothing, and that who asks gets an answer."""
    (row,) = await product.rows("SELECT id FROM agent_executions WHERE ticket_ref = $1", ticket_id)
    run = await product.execution(customer, str(row["id"]))
    assert run["not_written_code"] == "storm"
    assert "tickets that report the same" in run["not_written"]
    answer = await product.deliver(customer, ticket_id, delivery_id="again", event="request.updated")
    again = await product.ended(customer, answer.json()["execution_id"])
    assert again["not_written_code"] == "storm"
    asked = await customer.client.post(f"/api/v1/executions/{run['id']}/replay", json={"mode": "live"})
    replayed = await product.ended(customer, asked.json()["id"])
    assert replayed["not_written"] is None
    assert len(written(product, [ticket_id])[ticket_id]) == 1


async def test_a_monday_of_ordinary_requests_is_no_outage(product: Product) -> None:
    customer = await customer_of(product, least=3)
    subject = "Please reset my password"
    async with product.db.tenant_session(customer.tenant_id) as session:
        for number in range(14):
            before = Report(
                tool_type="servicedesk_plus",
                ticket_id=f"old{number}",
                number="1",
                company="",
                company_name="",
                requester=digest_of(f"p{number}"),
                execution_id=uuid4(),
                reported_at=datetime.now(UTC) - timedelta(days=7 + number % 2 * 7, minutes=number),
                words=words_of(f"{subject}\nPlease help."),
                vector=None,
                model=None,
            )
            await see(session, customer.tenant_id, before, StormRules(on=True, least=1_000), now=before.reported_at)
    tickets = [await file(product, customer, subject, requester=f"p{number}@acme.test") for number in range(7)]
    await product.start_worker()
    await all_ended(product, 7)
    assert len(written(product, tickets)) == 7
    assert await product.count("SELECT count(*) FROM ticket_storms") == 0
    assert await product.count("SELECT count(*) FROM notification_facts WHERE kind = 'storm'") == 0

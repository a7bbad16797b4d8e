"""Working time, from a tenant's calendar to a wait that ends by it and a trigger that keeps to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tests.support.approvals import asking, completed, parked, told
from tests.support.asking import asker, waiting
from tests.support.desks import DESKS
from tests.support.digest import fire
from tests.support.product import Customer, Product, until

from deskhand.work import approvals as asking_people
from deskhand.work import asking as asking_requesters

OFFICE = {
    "name": "Office",
    "timezone": "Europe/Berlin",
    "hours": ["mon-fri 09:00-17:00"],
    # The clocks go forward in the night to the Sunday before it.
    "holidays": ["2027-03-29 Easter Monday"],
    "count_waits": True,
}
ALWAYS = {"name": "Always", "timezone": "UTC", "hours": ["mon-sun 00:00-24:00"]}
FRIDAY_EVENING = datetime(2027, 3, 26, 17, 30, tzinfo=UTC)  # 18:30 in Berlin
TUESDAY = datetime(2027, 3, 30, 15, tzinfo=UTC)  # 17:00 in Berlin


def closed() -> dict[str, Any]:
    """A calendar of somebody who is on holiday whenever this test runs."""
    today = datetime.now(UTC).date()
    days = [str(today + timedelta(days=step)) for step in (-1, 0, 1)]
    return {**ALWAYS, "name": "Closed", "holidays": days}


async def work_by(customer: Customer, *calendars: dict[str, Any]) -> None:
    body = {"enhancement_preferences": {"calendars": list(calendars)}}
    changed = await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=body)
    assert changed.is_success, changed.text


@pytest.mark.parametrize("tool_type", DESKS)
async def test_a_question_of_friday_evening_is_given_up_on_tuesday_after_a_holiday_across_a_clock_change(
    product: Product, tool_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await product.open_desk(tool_type)
    clock = [FRIDAY_EVENING]

    async def now(_session: Any) -> datetime:
        return clock[0]

    monkeypatch.setattr(asking_requesters, "database_now", now)
    customer = await asker(product, desk=desk, granted={"ask_requester": {"answer_hours": 8}})
    await work_by(customer, ALWAYS, {**OFFICE, "company": ["Nordwind"]})
    await product.start_worker()
    await desk.file_ticket("It does not work", company="Nordwind")
    run = await waiting(product, customer)
    assert datetime.fromisoformat(run["waits_for"]["until"]) == TUESDAY

    async def looked(attempt: int) -> str:
        await product.rows("UPDATE agent_executions SET not_before = now() WHERE status = 'waiting' RETURNING id")

        async def at_rest() -> dict[str, Any] | None:
            found = await product.ended(customer, run["id"])
            return found if found["attempt"] >= attempt else None

        return str((await until(at_rest))["status"])

    clock[0] = TUESDAY - timedelta(minutes=1)
    assert await looked(2) == "waiting"
    clock[0] = TUESDAY
    assert await looked(3) == "completed"
    assert told(product)[-1]["why"] == "Nobody answered until 2027-03-30 15:00 UTC: go on without."


async def test_a_call_waits_for_approval_in_working_time_alone(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def now(_session: Any) -> datetime:
        return FRIDAY_EVENING

    monkeypatch.setattr(asking_people, "database_now", now)
    call = ("update_ticket", {"priority": "high"})
    customer = await asking(product, call, how={"wait_minutes": 480})
    await product.start_worker()
    ends = []
    for number, counts in enumerate((True, False)):
        await work_by(customer, {**OFFICE, "count_waits": counts})
        asked = await parked(product, customer, await product.desk.file_ticket(), delivery_id=f"d-{number}")
        ends.append(datetime.fromisoformat(asked["expires_at"]))
    assert ends == [TUESDAY, FRIDAY_EVENING + timedelta(hours=8)]


async def test_an_event_outside_working_time_starts_nothing_and_whose_time_it_is_the_ticket_says(
    product: Product,
) -> None:
    within = {"trigger_type": "webhook", "event_filter": {"hours": "inside"}}
    customer = await product.customer(triggers=[within], outcome={"kind": "note", "nothing_found": "say"})
    await work_by(customer, closed())
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    refused = (await product.deliver(customer, ticket_id, delivery_id="one")).json()
    assert (refused["status"], refused["execution_id"]) == ("ignored", None)
    assert refused["reason"] == "The event filter wants hours 'inside', and it came outside working time."
    assert product.model.chats == []

    # Some clients work now. This event does not say whose it is, so the run asks the ticket.
    await work_by(customer, {**ALWAYS, "company": ["Nordwind"]}, closed())
    other = await product.desk.file_ticket(company="Suedwerk")
    theirs = await product.desk.file_ticket(company="Nordwind")

    async def started() -> str | None:
        # The door knows of a changed calendar within two seconds.
        return (await product.deliver(customer, other, delivery_id=str(uuid4()))).json()["execution_id"]

    first = await until(started)
    second = (await product.deliver(customer, theirs, delivery_id="theirs")).json()["execution_id"]
    runs = [await product.ended(customer, one) for one in (first, second)]
    assert [bool(run["note"]) for run in runs] == [False, True]
    assert runs[0]["not_written"] == f"{refused['reason']} Nothing was done."
    assert len(product.model.chats) == 1

    tried = await customer.client.post("/api/v1/deliveries/try-filter", json={"event_filter": {"hours": "outside"}})
    assert {one["would_start"] for one in tried.json()["deliveries"]} == {"open"}
    await work_by(customer, closed())
    tried = await customer.client.post("/api/v1/deliveries/try-filter", json={"event_filter": {"hours": "outside"}})
    assert tried.json()["would_start"] == len(tried.json()["deliveries"]) >= 3


@pytest.mark.parametrize(("hours", "calls"), [("inside", 0), ("outside", 1)])
async def test_a_time_of_a_schedule_that_does_not_count_costs_nothing(product: Product, hours: str, calls: int) -> None:
    clock = {"trigger_type": "schedule", "schedule_cron": "0 9 * * *", "event_filter": {"hours": hours}}
    customer = await product.customer(triggers=[clock, {"trigger_type": "webhook"}], outcome={"kind": "report"})
    await work_by(customer, closed())
    await product.start_worker()
    run = await product.ended(customer, await fire(product, customer))
    assert (run["status"], len(product.model.chats)) == ("completed", calls)
    why = "The event filter wants hours 'inside', and it came outside working time. Nothing was done."
    assert run["not_written"] == (None if calls else why)
    # Who lets it run by hand means it.
    triggers = (await customer.client.get(f"/api/v1/agents/{customer.agent_id}")).json()["triggers"]
    [trigger] = [one for one in triggers if one["event_filter"] == {"hours": hours}]
    by_hand = await customer.client.post(f"/api/v1/agents/{customer.agent_id}/triggers/{trigger['id']}/run")
    await completed(product, customer, by_hand.json()["execution_id"])
    assert len(product.model.chats) == calls + 1


@pytest.mark.parametrize(("sent", "pointer"), [
    ({**OFFICE, "timezone": "Berlin"}, "/calendars/0/timezone"),
    ({**OFFICE, "hours": []}, "/calendars/0/hours"),
    ({**OFFICE, "hours": ["Mo-Fr 9-17"]}, "/calendars/0/hours/0"),
    ({**OFFICE, "holidays": ["2027-02-29"]}, "/calendars/0/holidays/0"),
    ({**OFFICE, "company": []}, "/calendars/0/company"),
    ({name: value for name, value in OFFICE.items() if name != "hours"}, "/calendars/0/hours"),
])  # fmt: skip
async def test_a_calendar_that_nobody_could_work_by_is_refused(
    product: Product, sent: dict[str, Any], pointer: str
) -> None:
    customer = await product.customer()
    body = {"enhancement_preferences": {"calendars": [sent]}}
    refused = await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == f"/enhancement_preferences{pointer}"


async def test_two_calendars_for_everybody_else_are_one_too_many(product: Product) -> None:
    customer = await product.customer()
    body = {"enhancement_preferences": {"calendars": [OFFICE, ALWAYS]}}
    refused = await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=body)
    assert refused.status_code == 422
    assert "'Office' and 'Always' have none" in refused.text

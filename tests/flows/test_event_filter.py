"""A trigger's event filter, from the API to a delivery that starts nothing and says why; and tried before it is set."""

from __future__ import annotations

import json
from typing import Any

from tests.support.product import Customer, Product

from deskhand.intake.filtering import FilterTrial

URGENT = {"priority": ["high"], "not": {"words": ["printer"]}}


async def deliver(product: Product, customer: Customer, ticket_id: str, name: str, **said: Any) -> dict[str, Any]:
    body = json.dumps({"event": "request.created", "request_id": ticket_id, **said}).encode()
    answer = await product.deliver(customer, ticket_id, delivery_id=name, body=body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def test_what_does_not_fit_starts_nothing_and_what_the_event_leaves_open_the_run_asks_the_ticket(
    product: Product,
) -> None:
    trigger = {"trigger_type": "webhook", "event_filter": URGENT}
    customer = await product.customer(triggers=[trigger], outcome={"kind": "note", "nothing_found": "say"})
    await product.start_worker()
    printer = await product.desk.file_ticket("Printer jams", priority="High")
    calm, urgent = await product.desk.file_ticket(priority="Low"), await product.desk.file_ticket(priority="High")

    refused = await deliver(product, customer, printer, "one", subject="Printer jams", priority="High")
    assert (refused["status"], refused["execution_id"]) == ("ignored", None)
    assert refused["reason"] == "The event filter leaves out words 'printer', and the ticket has one of them."
    # This event says neither: the ticket does, to the run.
    answers = [await deliver(product, customer, one, f"open-{one}") for one in (calm, urgent, printer)]
    runs = [await product.ended(customer, answer["execution_id"]) for answer in answers]
    assert [bool(run["note"]) for run in runs] == [False, True, False]
    assert runs[0]["not_written"].startswith("The event filter wants priority 'high', and it is 'low")
    assert len(product.model.chats) == 1
    # Who repeats a run by hand means it.
    replay = await customer.client.post(f"/api/v1/executions/{runs[0]['id']}/replay", json={"mode": "live"})
    assert (await product.ended(customer, replay.json()["id"]))["note"]

    # The same filter and another one, tried on what came in.
    tried = (await customer.client.post("/api/v1/deliveries/try-filter", json={"event_filter": URGENT})).json()
    assert [one["would_start"] for one in tried["deliveries"]] == ["open", "open", "open", "no"]
    assert (tried["would_start"], tried["open"]) == (0, 3)
    assert tried["deliveries"][-1]["why"] == refused["reason"]
    assert tried["deliveries"][0]["why"] == "The event does not say: priority, words."
    other = {"event_filter": {"events": ["*.created"]}, "agent_id": customer.agent_id, "limit": 2}
    tried = (await customer.client.post("/api/v1/deliveries/try-filter", json=other)).json()
    assert [one["would_start"] for one in tried["deliveries"]] == ["yes", "yes"]
    assert FilterTrial.model_validate(other).limit == 2


async def test_the_filter_is_part_of_the_version_and_of_the_file(product: Product) -> None:
    customer = await product.customer(triggers=[{"trigger_type": "webhook", "event_filter": URGENT}])
    at = f"/api/v1/agents/{customer.agent_id}"
    agent = (await customer.client.get(at)).json()
    (trigger,) = agent["triggers"]
    assert trigger["event_filter"] == URGENT
    # An update that does not name it keeps it; null takes it away; a rollback brings it back.
    named = {"id": trigger["id"], "trigger_type": "webhook"}
    for sent, kept in ((named, URGENT), ({**named, "event_filter": None}, None)):
        answer = await customer.client.patch(at, json={"triggers": [sent]})
        assert answer.is_success, answer.text
        assert answer.json()["triggers"][0]["event_filter"] == kept
    versions = (await customer.client.get(f"{at}/versions")).json()["items"]
    assert [one["triggers"][0].get("event_filter") for one in versions] == [None, URGENT]
    wrong = await customer.client.patch(at, json={"triggers": [{**named, "event_filter": {"state": ["new"]}}]})
    assert wrong.status_code == 422
    assert "/triggers/0/event_filter/state" in wrong.text
    clock = {"trigger_type": "schedule", "schedule_cron": "0 9 * * *", "event_filter": URGENT}
    assert (await customer.client.patch(at, json={"triggers": [clock]})).status_code == 422

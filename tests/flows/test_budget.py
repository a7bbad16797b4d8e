"""A tenant's budget, end to end: notes as long as there is money, notes without the model afterwards, to the cent."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.flows.test_first_light import with_history
from tests.support.product import Customer, Product, until

from deskhand.simulators.models import Script

PRICE = Decimal("0.08")


async def note_of(product: Product, customer: Customer, subject: str) -> tuple[str, dict[str, Any]]:
    """The note on a new ticket, and the run that wrote it."""
    ticket = await product.desk.file_ticket(subject=subject)

    async def look() -> str | None:
        return next((str(note["body"]) for note in await product.desk.notes(ticket)), None)

    body = await until(look)
    listed = (await customer.client.get("/api/v1/executions", params={"ticket_ref": ticket})).json()["items"]
    return body, await product.ended(customer, listed[0]["id"])


async def test_notes_go_on_without_the_model_when_the_money_is_used_up(product: Product) -> None:
    customer = await product.customer()
    await with_history(product, customer)
    await product.point_desk_at(customer)
    budget = {"scope": "tenant", "period": "month", "amount_usd": "1.00"}
    made = await customer.client.post("/api/v1/budgets", json=budget)
    assert made.status_code == 201, made.text
    product.model.script = priced(product)
    await product.start_worker()

    with_words, _ = await note_of(product, customer, "VPN drops after the update")
    use = (await customer.client.get("/api/v1/budgets")).json()[0]["use"]
    calls = len(product.model.chats)
    assert calls > 0
    assert (Decimal(use["used_usd"]), Decimal(use["reserved_usd"])) == (calls * PRICE, 0)
    spent = (await customer.client.get("/api/v1/budgets/spending")).json()["items"]
    assert sum(Decimal(call["cost_usd"]) for call in spent) == calls * PRICE

    # What is left would pay for a call as it was, and not for one as it may be at most.
    await customer.client.patch(f"/api/v1/budgets/{made.json()['id']}", json={"amount_usd": f"{calls * PRICE + PRICE}"})
    without_words, run = await note_of(product, customer, "VPN drops for a colleague, too")
    assert len(product.model.chats) == calls, "the gateway was not asked"
    assert run["status"] == "completed"
    assert run["degraded"] is True
    assert "is used up" in run["degraded_reason"]
    assert "the model's budget is used up" in without_words
    assert "INV-" in without_words or "INV-" in with_words
    assert (await customer.client.get("/api/v1/budgets")).json()[0]["use"]["state"] == "reached"


def priced(product: Product) -> Script:
    """The scripted model's own answers, at a price."""
    answers, headers = product.model.script, {"x-litellm-response-cost": str(PRICE)}
    return lambda body: replace(answers(body), headers=headers)

"""A gateway that bills later, end to end: counted with our own prices, corrected by its bill, charged exactly."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.flows.test_budget import note_of
from tests.flows.test_first_light import with_history
from tests.support.product import Product

from deskhand.simulators.models import Reply, Script, completion

BILLED = Decimal("0.01234567")
"""What the gateway charges for each call, whatever it took."""


def thinking(product: Product, ids: list[str]) -> Script:
    """The scripted model's own answers, from a gateway that states no price, counts a cache and thoughts."""
    answers, numbers = product.model.script, itertools.count(1)

    def answer(body: Mapping[str, Any]) -> Reply:
        whole = completion(body, answers(body), number=next(numbers))
        ids.append(whole["id"])
        usage: dict[str, Any] = {"prompt_tokens": 1000, "completion_tokens": 90, "total_tokens": 1090}
        usage["prompt_tokens_details"] = {"cached_tokens": 600}
        usage["completion_tokens_details"] = {"reasoning_tokens": 40}
        return Reply(raw=json.dumps({**whole, "usage": usage}).encode())

    return answer


async def test_what_the_gateway_bills_later_is_booked_beside_what_was_counted(product: Product) -> None:
    customer = await product.customer(llm_config={"model": "gpt-4o"})
    await with_history(product, customer)
    await product.point_desk_at(customer)
    get, post = customer.client.get, customer.client.post
    await post("/api/v1/budgets", json={"scope": "tenant", "period": "month", "amount_usd": "5.00"})
    ids: list[str] = []
    product.model.script = thinking(product, ids)
    await product.start_worker()
    _, run = await note_of(product, customer, "VPN drops after the update")
    counted = Decimal(run["cost_usd"])
    assert counted > 0

    calls = (await get("/api/v1/reports/calls")).json()["items"]
    assert sorted(call["call_id"] for call in calls) == sorted(ids)
    assert {(call["tokens_in"], call["tokens_cached"]) for call in calls} == {(1000, 600)}
    assert {(call["tokens_out"], call["tokens_reasoning"]) for call in calls} == {(90, 40)}
    assert sum(Decimal(call["cost_usd"]) for call in calls) == counted

    spend_log = [{"call_id": name, "cost_usd": str(BILLED)} for name in ids]
    taken = await post("/api/v1/cost-corrections", json={"figures": spend_log})
    assert taken.status_code == 200, taken.text
    assert len(taken.json()["corrections"]) == len(ids)
    billed = len(ids) * BILLED

    total = (await get("/api/v1/reports/costs", params={"group": "ticket"})).json()["total"]
    assert (total["tokens_cached"], total["tokens_reasoning"]) == (600 * len(ids), 40 * len(ids))
    assert Decimal(total["cost_usd"]) == counted
    assert Decimal(total["cost_usd"]) + Decimal(total["corrections_usd"]) == billed
    [budget] = (await get("/api/v1/budgets")).json()
    assert Decimal(budget["use"]["used_usd"]) == billed
    month = run["queued_at"][:7]
    file = await get("/api/v1/reports/chargeback/export", params={"month": month})
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert {row["entry"]: Decimal(row["amount_usd"]) for row in rows} == {
        "runs": counted, "corrections": billed - counted,
    }  # fmt: skip
    shown = (await get(f"/api/v1/executions/{run['id']}")).json()
    assert Decimal(shown["cost_usd"]) == counted, "what was counted stays"

"""Budgets over the API: set, changed, seen, and refused in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.console import Console

from deskhand.agents.models import Agent
from deskhand.budgets.purse import RunPurse

MONTHLY = {"scope": "tenant", "period": "month", "amount_usd": "50.00"}


async def test_a_budget_is_set_used_changed_and_removed(api: Api) -> None:
    admin = await api.tenant()
    made = (await admin.post("/api/v1/budgets", json={**MONTHLY, "timezone": "Europe/Berlin"})).json()
    assert made["use"]["used_usd"] == "0"
    assert Decimal(made["use"]["stop_usd"]) == 50
    again = await admin.post("/api/v1/budgets", json=MONTHLY)
    assert again.status_code == 409
    assert "change that one" in again.json()["detail"]

    agent = await api.agent(admin)
    async with api.db.tenant_session("acme") as session:
        row = await session.get_one(Agent, agent["id"])
    run = await Console(api.url, api.db, api.app).execution(row, status="running")
    purse = RunPurse(api.db, "acme", run, row.id, "servicedesk_plus:1042")
    for cost in (Decimal("45.5"), None):
        reservation = await purse.reserve(model="gpt-4", most_usd=Decimal("4.5"), tokens=1, seconds=60.0)
        assert reservation is not None
        if cost:
            await purse.settle(reservation, cost_usd=cost, tokens_in=7, tokens_out=3)

    (shown,) = (await admin.get("/api/v1/budgets")).json()
    assert (Decimal(shown["use"]["used_usd"]), Decimal(shown["use"]["reserved_usd"])) == (
        Decimal("45.5"),
        Decimal("4.5"),
    )
    assert shown["use"]["state"] == "warned"
    first_page = (await admin.get("/api/v1/budgets/spending?limit=1")).json()
    (newest,) = first_page["items"]
    assert (newest["state"], newest["model"], newest["cost_usd"]) == ("reserved", "gpt-4", None)
    (oldest,) = (await admin.get(f"/api/v1/budgets/spending?cursor={first_page['next_cursor']}")).json()["items"]
    assert (oldest["state"], Decimal(oldest["cost_usd"]), oldest["tokens_in"]) == ("settled", Decimal("45.5"), 7)

    until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    extra = {"usd": "10", "until": until, "reason": "The migration week"}
    changed = await admin.patch(f"/api/v1/budgets/{made['id']}", json={"amount_usd": "60", "extra": extra})
    assert Decimal(changed.json()["use"]["stop_usd"]) == 70
    assert changed.json()["extra_reason"] == "The migration week"
    back = await admin.patch(f"/api/v1/budgets/{made['id']}", json={"extra": None})
    assert Decimal(back.json()["use"]["stop_usd"]) == 60
    assert (await admin.delete(f"/api/v1/budgets/{made['id']}")).status_code == 204
    assert (await admin.get(f"/api/v1/budgets/{made['id']}")).status_code == 404
    assert len((await admin.get("/api/v1/budgets/spending")).json()["items"]) == 2, "what runs cost stays"


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        ({"amount_usd": "0"}, "/amount_usd", "greater than 0"),
        ({"scope": "agent"}, "", "agent_id belongs to the scope 'agent'"),
        ({"agent_id": "00000000-0000-4000-8000-000000000001"}, "", "agent_id belongs to the scope 'agent'"),
        ({"timezone": "Europe/Berlim"}, "/timezone", "Europe/Berlin"),
        ({"stop_percent": 150}, "/stop_percent", "less than or equal to 110"),
    ],
)
async def test_what_cannot_be_kept_is_refused_with_the_field(
    api: Api, body: dict[str, Any], place: str, words: str
) -> None:
    answer = await (await api.tenant()).post("/api/v1/budgets", json={**MONTHLY, **body})
    assert answer.status_code == 422
    assert any(fault["pointer"] == place and words in fault["detail"] for fault in answer.json()["errors"]), answer.text


async def test_a_budget_is_for_an_agent_that_there_is(api: Api) -> None:
    body = {**MONTHLY, "scope": "agent", "agent_id": "00000000-0000-4000-8000-000000000001"}
    answer = await (await api.tenant()).post("/api/v1/budgets", json=body)
    assert answer.status_code == 404
    assert "agent_id" in answer.json()["detail"]


async def test_more_money_for_a_while_does_not_end_in_the_past(api: Api) -> None:
    admin = await api.tenant()
    made = (await admin.post("/api/v1/budgets", json=MONTHLY)).json()
    extra = {"usd": "1", "until": "2020-01-01T00:00:00Z", "reason": "late"}
    answer = await admin.patch(f"/api/v1/budgets/{made['id']}", json={"extra": extra})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/extra/until"
    nothing = await admin.patch(f"/api/v1/budgets/{made['id']}", json={"amount_usd": None})
    assert "leave it out to keep it" in nothing.text

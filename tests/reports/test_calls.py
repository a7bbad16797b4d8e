"""What each call cost: as it was counted, with what was cached and thought apart, and what its gateway said later."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert
from tests.reports.conftest import MAY, NOON, MakeRun
from tests.support.console import Console

from deskhand.engine.models import CostCorrection
from deskhand.errors import InvalidInputError
from deskhand.reports.calls import repository, service
from deskhand.reports.calls.schemas import CallQuery
from deskhand.reports.wanted import Wanted

CALLS = "/api/v1/reports/calls"


def said(answer_id: str | None, /, *, cached: object = 0, thought: object = 0, **details: str) -> dict[str, Any]:
    usage = {"cache_read_tokens": cached, "details": {"reasoning_tokens": thought}}
    return {"provider_response_id": answer_id, "provider_details": details, "model_name": "gpt-4o-mini", "usage": usage}


async def calls(console: Console, tenant: str = "acme", **query: Any) -> dict[str, Any]:
    answer = await (await console.client(tenant, "viewer")).get(CALLS, params={**MAY, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_each_call_is_told_with_its_tokens_apart(console: Console, run: MakeRun) -> None:
    agent, theirs = await console.agent(), await console.agent("globex")
    made, trial = await run(agent), await run(agent, mode="dry_run", ticket=None)
    of_model: dict[str, Any] = {"kind": "model", "step_key": "model#1"}
    for number, output in enumerate((said("a", cached=700, thought=30), said("", call_id="header"), "nonsense")):
        at = NOON + timedelta(seconds=number)
        await console.step(
            "acme", made, "model", kind="model", step_key=f"model#{number}", started_at=at, output=output
        )
    await console.step("acme", made, "model", kind="model", state="failed", started_at=NOON, step_key="model#9")
    await console.step("acme", made, "search", started_at=NOON)
    await console.step("acme", trial, "model", **of_model, output=said("t"), cost_usd=None)
    await console.step("globex", await run(theirs), "model", **of_model, output=said("=g()"))
    values = {"tenant_id": "acme", "execution_id": made, "step_key": "model#0", "call_id": "a", "noted_by": "ann"}
    async with console.db.tenant_session("acme") as session:
        for usd in ("0.5", "0.25"):
            told = {"gateway_usd": Decimal(usd), "amount_usd": 0, "makes_known": False}
            await session.execute(insert(CostCorrection), [{**values, **told}])

    listed = (await calls(console))["items"]
    assert [(one["step_key"], one["state"], one["call_id"], one["model"]) for one in listed] == [
        ("model#2", "finished", "", ""),
        ("model#1", "finished", "header", "gpt-4o-mini"),
        ("model#9", "failed", "", ""),
        ("model#0", "finished", "a", "gpt-4o-mini"),
    ]
    tokens = ("tokens_in", "tokens_cached", "tokens_out", "tokens_reasoning")
    assert [tuple(one[name] for name in tokens) for one in listed] == [
        (1200, 0, 180, 0), (1200, 0, 180, 0), (0, 0, 0, 0), (1200, 700, 180, 30),
    ]  # fmt: skip
    assert (Decimal(listed[-1]["cost_usd"]), Decimal(listed[-1]["gateway_usd"])) == (
        Decimal("0.00042"),
        Decimal("0.25"),
    )
    assert (listed[2]["cost_usd"], listed[0]["gateway_usd"]) == (None, None)

    first = await calls(console, limit=3)
    rest = await calls(console, limit=3, cursor=first["next_cursor"])
    assert [*first["items"], *rest["items"]] == listed
    assert (await calls(console, execution_id=str(trial)))["items"] == []
    [dry] = (await calls(console, trials="true"))["items"]
    assert (dry["trial"], dry["ticket"], dry["call_id"], dry["cost_usd"]) == (True, "", "t", None)

    answer = await (await console.client(role="viewer")).get(f"{CALLS}/export", params=MAY)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["step_key"] for row in rows] == [one["step_key"] for one in listed]
    assert sum(Decimal(row["cost_usd"] or 0) for row in rows) == 3 * Decimal("0.00042")
    file = await (await console.client("globex", "viewer")).get(f"{CALLS}/export", params=MAY)
    assert [row["call_id"] for row in csv.DictReader(io.StringIO(file.text))] == ["'=g()"]


async def test_a_file_that_would_leave_calls_out_is_refused(
    console: Console, run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_ROWS", 2)
    made, query = await run(await console.agent()), CallQuery.model_validate(MAY)
    async with console.db.tenant_session("acme") as session:
        for number in range(3):
            text, _ = await service.calls_file(session, query, now=NOON)
            assert len(list(csv.DictReader(io.StringIO(text)))) == number
            await console.step("acme", made, "model", kind="model")
        with pytest.raises(InvalidInputError, match="more than 2 calls"):
            await service.calls_file(session, query, now=NOON)
        bounds = [NOON - timedelta(days=1), NOON + timedelta(days=1)]
        [newest] = await repository.list_calls(session, Wanted(bounds), made, None, 1)
    assert newest["execution_id"] == made

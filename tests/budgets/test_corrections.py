"""What a gateway says later: a row of its own, never a change of what was counted; costs and budgets see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from tests.support.console import Console, console_of_two

from deskhand.agents.models import Agent
from deskhand.audit.models import AuditLog
from deskhand.budgets.corrections import repository
from deskhand.budgets.corrections.schemas import MOST_FIGURES
from deskhand.budgets.corrections.service import PLACES
from deskhand.budgets.models import Budget, BudgetUse
from deskhand.budgets.purse import RunPurse
from deskhand.engine.models import AgentExecution, CostCorrection, ExecutionStep
from deskhand.kit.db.session import Database
from deskhand.kit.usage import call_id_of

TEN_CENTS = Decimal("0.10")


@pytest.fixture
async def console(clean_db: Database, database_urls: Any, make_tenant: Any) -> AsyncIterator[Console]:
    """A running API with two tenants."""
    async with console_of_two(clean_db, database_urls.app_url, make_tenant) as running:
        yield running


async def ended(console: Console, agent: Agent, calls: dict[str, str | None], **columns: Any) -> UUID:
    """A run that ended, with a call of each id at the price that was counted; as its worker would have written it."""
    costs = [None if cost is None else Decimal(cost) for cost in calls.values()]
    known = [cost for cost in costs if cost is not None]
    usage = {"input_tokens": 100 * len(calls), "output_tokens": 10 * len(calls), "model_calls": len(calls)}
    values = {
        **{"status": "completed", "attempt": 1, "token_usage": usage},
        "cost_usd": sum(known, Decimal(0)) if len(known) == len(costs) else None,
    }
    run = await console.execution(agent, **{**values, **columns})
    for (call_id, _), cost in zip(calls.items(), costs, strict=True):
        output = {"provider_response_id": call_id, "usage": {}, "model_name": "gpt-4"}
        await console.step(
            agent.tenant_id, run, "model", kind="model", cost_usd=cost, output=output, tokens_in=100, tokens_out=10
        )
    return run


async def tell(console: Console, tenant: str = "acme", **figures: str) -> dict[str, Any]:
    body = {"figures": [{"call_id": name, "cost_usd": cost} for name, cost in figures.items()]}
    answer = await (await console.client(tenant)).post("/api/v1/cost-corrections", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def total(console: Console, tenant: str = "acme", **query: str) -> dict[str, Any]:
    answer = await (await console.client(tenant, "viewer")).get("/api/v1/reports/costs", params=query)
    found: dict[str, Any] = answer.json()["total"]
    return found


def money(costs: dict[str, Any]) -> tuple[Decimal, Decimal]:
    return Decimal(costs["cost_usd"]), Decimal(costs["corrections_usd"])


async def test_a_later_figure_is_a_row_of_its_own_and_what_was_counted_stays(console: Console) -> None:
    run = await ended(console, await console.agent(), {"a": "0.10", "b": "0.02"})
    [row] = (await tell(console, a="0.125"))["corrections"]
    assert (row["execution_id"], row["call_id"], row["noted_by"]) == (str(run), "a", row["noted_by"])
    assert [Decimal(row[name]) for name in ("gateway_usd", "counted_usd", "amount_usd")] == [
        Decimal("0.125"), Decimal("0.10"), Decimal("0.025"),
    ]  # fmt: skip
    # The same once more books nothing; another figure is measured by the one before it.
    assert await tell(console, a="0.1250", b="0.02") == {
        "corrections": [], "unchanged": ["a", "b"], "unknown": [], "ambiguous": [], "not_ended": [],
    }  # fmt: skip
    [again] = (await tell(console, a="0.09"))["corrections"]
    assert (Decimal(again["counted_usd"]), Decimal(again["amount_usd"])) == (Decimal("0.125"), Decimal("-0.035"))
    assert money(await total(console)) == (Decimal("0.12"), Decimal("-0.01"))
    async with console.db.tenant_session("acme") as session:
        kept = list(await session.scalars(select(ExecutionStep.cost_usd).order_by(ExecutionStep.cost_usd)))
        assert kept == [Decimal("0.02"), Decimal("0.10")]
        assert (await session.get_one(AgentExecution, run)).cost_usd == Decimal("0.12")
        told = await session.scalar(select(func.count()).where(AuditLog.operation == "cost.correct"))
    assert told == 2
    viewer = await console.client(role="viewer")
    shown = (await viewer.get(f"/api/v1/executions/{run}")).json()
    assert (Decimal(shown["cost_usd"]), Decimal(shown["corrections_usd"])) == (Decimal("0.12"), Decimal("-0.01"))
    page = (await (await console.browser()).get(f"/executions/{run}")).text
    assert "−$0.01 as its gateway said later" in page
    listed = (await viewer.get("/api/v1/cost-corrections", params={"execution_id": str(run), "limit": 1})).json()
    assert listed["items"] == [again]
    older = await viewer.get("/api/v1/cost-corrections", params={"cursor": listed["next_cursor"]})
    assert older.json() == {"items": [row], "next_cursor": None}
    refused = await viewer.post("/api/v1/cost-corrections", json={"figures": [{"call_id": "a", "cost_usd": "1"}]})
    assert refused.status_code == 403


async def test_a_run_of_unknown_price_is_known_when_its_last_call_is(console: Console) -> None:
    agent = await console.agent()
    run = await ended(console, agent, {"a": "0.10", "b": None, "c": None}, status="failed")
    [first] = (await tell(console, b="0.20"))["corrections"]
    assert (first["counted_usd"], Decimal(first["amount_usd"])) == (None, Decimal(0))
    assert ((await total(console))["unpriced_runs"], (await total(console))["unpriced_tokens"]) == (1, 330)
    [last] = (await tell(console, c="0.003"))["corrections"]
    assert Decimal(last["amount_usd"]) == Decimal("0.303"), "all that its calls come to"
    for group in ("day", "agent", "model", "ticket"):
        costs = await total(console, group=group)
        assert (money(costs), costs["unpriced_runs"], costs["unpriced_tokens"]) == (
            (Decimal(0), Decimal("0.303")),
            0,
            0,
        )
    [less] = (await tell(console, b="0.15"))["corrections"]
    assert Decimal(less["amount_usd"]) == Decimal("-0.05")
    # Retried after that: what it asked since counts as it was, and an unknown price makes all of it unknown again.
    await console.step("acme", run, "model", kind="model", took=0, cost_usd=Decimal("0.5"))
    assert money(await total(console)) == (Decimal("0.5"), Decimal("0.253"))
    await console.step("acme", run, "model", kind="model", took=0, cost_usd=None)
    assert (await total(console))["unpriced_runs"] == 1


async def test_counted_sums_and_corrections_add_up_to_what_gateways_say(console: Console) -> None:
    dice, agent = Random(11), await console.agent()
    counted, said = dict[str, str | None](), dict[str, str]()
    for number in range(30):
        price = f"{dice.randrange(10**7)}e-8"
        calls = {f"{number}-{turn}": None if dice.random() < 0.2 else price for turn in range(dice.randrange(1, 4))}
        await ended(console, agent, calls, ticket=str(number % 7), status=dice.choice(["completed", "cancelled"]))
        counted |= calls
    for _ in range(3):
        some = dice.sample(sorted(counted), 25)
        figures = {name: f"{dice.randrange(10**9)}e-10" for name in some}
        answer = await tell(console, **figures)
        assert len(answer["corrections"]) + len(answer["unchanged"]) == 25
        said |= figures
    rest = {name: f"{dice.randrange(10**6)}e-8" for name in counted if name not in said}
    await tell(console, **rest)
    truth = sum((Decimal(cost).quantize(PLACES, "ROUND_HALF_UP") for cost in (said | rest).values()), Decimal(0))
    for group in ("day", "ticket"):
        answer = (await (await console.client()).get("/api/v1/reports/costs", params={"group": group})).json()
        assert sum(money(answer["total"])) == truth == sum(sum(money(row)) for row in answer["rows"])
    assert answer["total"]["unpriced_runs"] == 0
    async with console.db.tenant_session("acme") as session:
        booked = await session.scalar(select(func.sum(CostCorrection.amount_usd)))
    assert booked == money(answer["total"])[1]


async def test_nothing_is_guessed(console: Console) -> None:
    agent = await console.agent()
    await ended(console, agent, {"done": "0.10"})
    await ended(console, agent, {"twice": "0.10"})
    await ended(console, agent, {"twice": "0.20"})
    await ended(console, agent, {"at-work": "0.10"}, status="running", ticket="9")
    await ended(console, agent, {"old": "0.10"}, queued_at=(await console.now()).replace(year=2020))
    await ended(console, await console.agent("globex"), {"theirs": "0.10", "done": "0.30"})
    answer = await tell(console, twice="1", theirs="1", old="1", nobody="1", done="0.11", **{"at-work": "1"})
    assert [row["call_id"] for row in answer["corrections"]] == ["done"]
    assert (answer["unknown"], answer["ambiguous"], answer["not_ended"]) == (
        ["theirs", "old", "nobody"], ["twice"], ["at-work"],
    )  # fmt: skip
    assert money(await total(console, "globex")) == (Decimal("0.40"), Decimal(0))
    admin = await console.client()
    two = {"figures": [{"call_id": "done", "cost_usd": cost} for cost in ("0.5", "0.6")]}
    told = (await admin.post("/api/v1/cost-corrections", json=two)).json()
    assert (told["ambiguous"], told["corrections"]) == (["done"], [])
    too_many = {"figures": [{"call_id": str(number), "cost_usd": "1"} for number in range(MOST_FIGURES + 1)]}
    assert (await admin.post("/api/v1/cost-corrections", json=too_many)).status_code == 422
    for wrong in ("-0.1", "NaN", "10001", "1e400"):
        figures = {"figures": [{"call_id": "done", "cost_usd": wrong}]}
        assert (await admin.post("/api/v1/cost-corrections", json=figures)).status_code == 422, wrong


async def used(console: Console) -> list[Decimal]:
    """Of the tenant's budget, and of the ticket's."""
    async with console.db.tenant_session("acme") as session:
        query = select(BudgetUse.used_usd).join(Budget, Budget.id == BudgetUse.budget_id).order_by(Budget.scope)
        return list(await session.scalars(query))


async def test_budgets_see_it_in_the_period_that_paid_and_people_are_told_once(console: Console) -> None:
    agent = await console.agent()
    run = await ended(console, agent, {"a": "0.10", "b": None})
    async with console.db.tenant_session("acme") as session:
        session.add_all([
            Budget(tenant_id="acme", scope="tenant", period="month", amount_usd=1, unknown_price_usd=500),
            Budget(tenant_id="acme", scope="ticket", period="day", amount_usd=9, unknown_price_usd=1000),
        ])  # fmt: skip
    purse = RunPurse(console.db, "acme", run, agent.id, "servicedesk_plus:1042")
    for call_id, cost in (("a", TEN_CENTS), ("b", None)):
        held = await purse.reserve(model="gpt-4", most_usd=TEN_CENTS, tokens=1_000, seconds=60.0)
        assert held is not None
        await purse.settle(held, cost_usd=cost, tokens_in=100, tokens_out=10, call_id=call_id)
    assert await used(console) == [Decimal("0.155"), Decimal("0.21")]
    await tell(console, a="0.125", b="0.005")
    assert await used(console) == [Decimal("0.13")] * 2
    await tell(console, b="0.7", a="0.10")
    assert await used(console) == [Decimal("0.8")] * 2
    await tell(console, b="0.71")
    assert await used(console) == [Decimal("0.81")] * 2
    async with console.db.tenant_session("acme") as session:
        warned = await session.scalar(select(func.count()).where(AuditLog.operation == "budget.warn"))
    assert warned == 1


@pytest.mark.parametrize(
    ("answer_id", "details", "name"),
    [("a", {"call_id": "b"}, "a"), ("", {"call_id": "b"}, "b"), (None, {"call_id": "b"}, "b"), (None, None, None)],
)
def test_a_call_is_known_by_its_answers_id_or_its_headers(
    answer_id: str | None, details: dict[str, str] | None, name: str | None
) -> None:
    assert call_id_of(answer_id, details) == name


async def test_a_call_is_found_by_the_header_too(console: Console) -> None:
    run = await ended(console, await console.agent(), {})
    output = {"provider_response_id": "a", "provider_details": {"call_id": "b"}}
    await console.step("acme", run, "model", kind="model", output=output, cost_usd=TEN_CENTS)
    both = await tell(console, a="0.2", b="0.3")
    assert (both["ambiguous"], both["corrections"]) == (["a", "b"], [])
    [row] = (await tell(console, b="0.3"))["corrections"]
    assert (row["call_id"], Decimal(row["amount_usd"])) == ("b", Decimal("0.2"))
    async with console.db.tenant_session("acme") as session:
        assert await repository.list_priced(session, run) == {row["step_key"]: TEN_CENTS}

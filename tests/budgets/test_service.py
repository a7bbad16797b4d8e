"""What people do with budgets, past the API: what is shown of each, and what the audit log keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text
from tests.budgets.conftest import Money

from deskhand.audit.models import AuditLog
from deskhand.budgets import repository, service
from deskhand.budgets.endpoints import router
from deskhand.budgets.models import Budget, Period, Scope, SpendingState
from deskhand.budgets.schemas import BudgetChange, BudgetView, Extra, NewBudget, SpendingQuery
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError

DOLLAR = Decimal(1)
MONTHLY = {"scope": "tenant", "period": "month", "amount_usd": "50"}


async def spend(money: Money, cost: str, *, most: str = "0.2", ticket: str = "jira:OPS-1") -> UUID:
    purse = money.purse(ticket)
    reservation = await purse.reserve(model="gpt-4", most_usd=Decimal(most), tokens=10, seconds=60.0)
    assert reservation is not None
    await purse.settle(reservation, cost_usd=Decimal(cost), tokens_in=8, tokens_out=2)
    return reservation


async def shown(money: Money) -> list[BudgetView]:
    async with money.db.tenant_session("acme") as session:
        return await service.list_budgets(session)


async def entries(money: Money, operation: str) -> Sequence[AuditLog]:
    async with money.db.tenant_session("acme") as session:
        logged = select(AuditLog).where(AuditLog.operation == operation).order_by(AuditLog.sequence)
        return (await session.scalars(logged)).all()


# -- what a budget may be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        MONTHLY,
        {**MONTHLY, "amount_usd": 0.25},
        {**MONTHLY, "scope": "ticket", "period": "day", "timezone": "America/New_York"},
        {**MONTHLY, "scope": "agent", "agent_id": str(uuid4()), "unknown_price_usd": 0},
        {**MONTHLY, "warn_percent": 100, "stop_percent": 110},
    ],
)
def test_what_may_be_kept(body: dict[str, Any]) -> None:
    budget = NewBudget.model_validate(body)
    assert budget.amount_usd == Decimal(str(body["amount_usd"]))
    assert (budget.scope, budget.period) == (Scope(body["scope"]), Period(body["period"]))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"amount_usd": "-1"}, "greater than 0"),
        ({"amount_usd": "1000000.01"}, "less than or equal to 1000000"),
        ({"amount_usd": "0.00001"}, "no more than 4 decimal places"),
        ({"amount_usd": "NaN"}, "finite number"),
        ({"unknown_price_usd": "-0.1"}, "greater than or equal to 0"),
        ({"warn_percent": 0}, "greater than or equal to 1"),
        ({"period": "year"}, "'day' or 'month'"),
        ({"scope": "company"}, "'tenant', 'agent' or 'ticket'"),
        ({"scope": "ticket", "agent_id": str(uuid4())}, "belongs to the scope 'agent'"),
        ({"amount": "1"}, "amount"),
    ],
)
def test_what_may_not(body: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NewBudget.model_validate({**MONTHLY, **body})


@pytest.mark.parametrize("name", ["amount_usd", "warn_percent", "stop_percent"])
def test_a_change_to_nothing_is_no_change(name: str) -> None:
    with pytest.raises(ValidationError, match="leave it out to keep it"):
        BudgetChange.model_validate({name: None})
    assert BudgetChange.model_validate({"extra": None}).model_fields_set == {"extra"}


@pytest.mark.parametrize(
    "extra",
    [
        {"usd": 1, "until": "2030-01-01T00:00:00", "reason": "r"},
        {"usd": 1, "until": "2030-01-01T00:00:00Z", "reason": " "},
    ],
    ids=["no zone", "no reason"],
)
def test_more_money_has_a_moment_and_a_reason(extra: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Extra.model_validate(extra)


def test_only_reading_is_for_everybody() -> None:
    methods = {method for route in router.routes for method in route.methods}  # type: ignore[attr-defined]
    assert methods == {"GET", "POST", "PATCH", "DELETE"}


# -- what is shown ---------------------------------------------------------------------------


async def test_a_budget_says_how_much_and_since_when(money: Money) -> None:
    budget = await money.budget(amount_usd=DOLLAR, timezone="Asia/Tokyo", period="day")
    (fresh,) = await shown(money)
    assert (fresh.use.used_usd, fresh.use.reserved_usd, fresh.use.state) == (0, 0, "ok")
    await spend(money, "0.5")
    assert (await shown(money))[0].use.state == "ok"
    await spend(money, "0.3")
    (warned,) = await shown(money)
    assert (warned.use.used_usd, warned.use.state, warned.use.stop_usd) == (Decimal("0.8"), "warned", 1)
    async with money.db.tenant_session("acme") as session:
        today = await session.scalar(text("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Tokyo')::date"))
    assert warned.use.period_start == today
    assert warned.id == budget


async def test_of_a_budget_for_tickets_the_dearest_ticket_is_shown(money: Money) -> None:
    await money.budget(scope="ticket")
    await spend(money, "0.1", ticket="jira:OPS-1")
    await spend(money, "0.2", ticket="jira:OPS-2")
    await spend(money, "0.15", ticket="zendesk:7")
    (view,) = await shown(money)
    assert (view.use.ticket, view.use.used_usd) == ("jira:OPS-2", Decimal("0.2"))


async def test_calls_are_listed_newest_first_and_a_dead_workers_as_assumed(money: Money) -> None:
    await money.budget(amount_usd=Decimal(10))
    spent = [await spend(money, f"0.0{number}") for number in range(1, 6)]
    left = await money.purse().reserve(model="gpt-4", most_usd=DOLLAR, tokens=1, seconds=-1.0)
    listed, cursor = [], None
    async with money.db.tenant_session("acme") as session:
        while True:
            page = await service.list_spending(session, SpendingQuery(limit=2, cursor=cursor))
            listed += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
    assert [call.id for call in listed] == [left, *reversed(spent)]
    assert [call.state for call in listed] == [SpendingState.ASSUMED, *[SpendingState.SETTLED] * 5]
    assert sum(call.cost_usd or 0 for call in listed) == Decimal("0.15")


async def test_another_tenant_pays_nothing_and_sees_nothing(money: Money, make_tenant: Any) -> None:
    await make_tenant("globex")
    budget = await money.budget()
    await spend(money, "0.1")
    async with money.db.tenant_session("globex") as session:
        assert await service.list_budgets(session) == []
        assert (await service.list_spending(session, SpendingQuery())).items == []
        with pytest.raises(NotFoundError):
            await service.get_budget(session, budget)
        assert not await repository.has_agent(session, money.agent_id)


# -- what the log keeps ------------------------------------------------------------------------


async def test_the_log_says_what_was_before_and_after(money: Money) -> None:
    async with money.db.tenant_session("acme") as session:
        made = await service.add_budget(
            session, NewBudget.model_validate(MONTHLY), tenant_id="acme", actor="user:ann@example.com"
        )
    until = datetime.now(UTC) + timedelta(hours=3)
    change = BudgetChange(amount_usd=Decimal(60), extra=Extra(usd=DOLLAR, until=until, reason="Migration week"))
    async with money.db.tenant_session("acme") as session:
        changed = await service.change_budget(session, made.id, change, actor="user:ann@example.com")
    assert (changed.amount_usd, changed.extra_until) == (60, until)
    async with money.db.tenant_session("acme") as session:
        await service.remove_budget(session, made.id, actor="user:ben@example.com")
    (created,) = await entries(money, "budget.create")
    (updated,) = await entries(money, "budget.update")
    (deleted,) = await entries(money, "budget.delete")
    assert {created.actor, updated.actor, deleted.actor} == {"user:ann@example.com", "user:ben@example.com"}
    assert "Migration week" in str(updated.details)
    assert str(made.id) in {created.resource_id, updated.resource_id, deleted.resource_id}


async def test_refusals_leave_everything_as_it_was(money: Money) -> None:
    budget = await money.budget()
    late = BudgetChange(extra=Extra(usd=DOLLAR, until=datetime.now(UTC) - timedelta(days=1), reason="late"))
    with pytest.raises(InvalidInputError):
        async with money.db.tenant_session("acme") as session:
            await service.change_budget(session, budget, late, actor="user:ann@example.com")
    with pytest.raises(ConflictError, match="for each month already"):
        async with money.db.tenant_session("acme") as session:
            await service.add_budget(session, NewBudget.model_validate(MONTHLY), tenant_id="acme", actor="a")
    with pytest.raises(NotFoundError):
        async with money.db.tenant_session("acme") as session:
            await service.remove_budget(session, uuid4(), actor="a")
    (view,) = await shown(money)
    assert (view.amount_usd, view.extra_usd) == (1, None)


async def test_a_budget_goes_with_its_agent_and_what_it_paid_stays(money: Money) -> None:
    await money.budget(scope="agent", agent_id=money.agent_id)
    await spend(money, "0.1")
    async with money.db.tenant_session("acme") as session:
        for budget in await session.scalars(select(Budget)):
            await session.delete(budget)
    assert await shown(money) == []
    assert [call.cost_usd for call in await money.calls()] == [Decimal("0.1")]


async def test_calls_that_are_paid_from_many_budgets_at_once_do_not_wait_for_each_other_for_ever(money: Money) -> None:
    """Reserved, settled and released at once, each time in every budget: an order of its own for each would lock up."""
    budgets = [
        await money.budget(amount_usd=Decimal(1000)),
        await money.budget(amount_usd=Decimal(1000), period="day"),
        await money.budget(amount_usd=Decimal(1000), scope="agent", agent_id=money.agent_id),
        await money.budget(amount_usd=Decimal(1000), scope="ticket"),
    ]

    async def one(number: int) -> None:
        purse = money.purse("jira:OPS-1")
        reservation = await purse.reserve(model="gpt-4", most_usd=DOLLAR, tokens=1, seconds=60.0)
        assert reservation is not None
        if number % 3:
            await purse.settle(reservation, cost_usd=Decimal("0.5"), tokens_in=1, tokens_out=1)
        else:
            await purse.release(reservation)

    await asyncio.gather(*(one(number) for number in range(30)))
    assert [await money.use(budget) for budget in budgets] == [(10, 0)] * 4

"""Money of a budget: reserved in all that pay or in none, never past the stop, settled once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from tests.budgets.conftest import Money

from deskhand.audit.models import AuditLog
from deskhand.budgets.models import SpendingState
from deskhand.budgets.purse import RunPurse, dollars
from deskhand.llm.errors import ModelQuotaError, ModelRateLimitedError

CENT, DIME = Decimal("0.01"), Decimal("0.10")


async def reserve(purse: RunPurse, most: Decimal | None = DIME, tokens: int = 1_000) -> UUID:
    reservation = await purse.reserve(model="gpt-4", most_usd=most, tokens=tokens, seconds=60.0)
    assert reservation is not None
    return reservation


async def pay(purse: RunPurse, reservation: UUID, cost: Decimal | None, tokens: int = 100) -> None:
    await purse.settle(reservation, cost_usd=cost, tokens_in=tokens, tokens_out=0)


async def told(money: Money, operation: str) -> int:
    async with money.db.tenant_session("acme") as session:
        return await session.scalar(select(func.count()).where(AuditLog.operation == operation)) or 0


async def test_without_a_budget_nothing_is_reserved(money: Money) -> None:
    await money.budget(scope="ticket")
    assert await money.purse(ticket="").reserve(model="gpt-4", most_usd=DIME, tokens=1, seconds=60.0) is None
    assert await money.calls() == []


@dataclass
class Race:
    """Runs that all want money of one budget at once."""

    money: Money
    budget: UUID
    stop: Decimal
    calls: int = 0
    beyond: list[Decimal] = field(default_factory=list)
    given_back: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self, number: int) -> str:
        purse = self.money.purse(f"servicedesk_plus:{number}")
        while True:
            known = self.calls
            try:
                reservation = await reserve(purse)
            except ModelQuotaError:
                async with self.given_back:
                    self.given_back.notify_all()
                return "refused"
            except ModelRateLimitedError:
                await self.wait_past(known)
                continue
            used, reserved = await self.money.use(self.budget)
            self.beyond.extend([used + reserved] if used + reserved > self.stop else [])
            await pay(purse, reservation, CENT)
            async with self.given_back:
                self.calls += 1
                # A few at a time; who is refused for good wakes the rest.
                self.given_back.notify(12)
            return "made"

    async def wait_past(self, known: int) -> None:
        async with self.given_back:
            if self.calls == known:
                await self.given_back.wait()


async def test_of_two_hundred_calls_at_once_as_many_are_made_as_the_money_pays_for(money: Money) -> None:
    """Each may cost ten times what it does, so most of them wait for others' reservations before they are refused."""
    race = Race(money, await money.budget(amount_usd=Decimal("0.25")), Decimal("0.25"))
    outcomes = await asyncio.gather(*(race.run(number) for number in range(200)))
    used, reserved = await money.use(race.budget)
    assert race.beyond == []
    assert outcomes.count("made") == race.calls == 16, "the last one while ten cents were free"
    assert (used, reserved) == (16 * CENT, 0)
    assert sum(call.cost_usd or 0 for call in await money.calls()) == used
    assert await told(money, "budget.reach") == 1


async def test_people_are_told_once_that_most_of_it_is_used(money: Money) -> None:
    budget = await money.budget(amount_usd=DIME, warn_percent=50)
    for expected in (0, 1, 1):
        await pay(money.purse(), await reserve(money.purse(), CENT), 3 * CENT)
        assert await told(money, "budget.warn") == expected
    assert await money.use(budget) == (9 * CENT, 0)


async def test_every_budget_that_pays_holds_the_money_or_none_does(money: Money) -> None:
    month, agent = await money.budget(), await money.budget(scope="agent", agent_id=money.agent_id, period="day")
    ticket = await money.budget(scope="ticket", amount_usd=Decimal("0.15"))
    first = await reserve(money.purse())
    assert [await money.use(one) for one in (month, agent, ticket)] == [(0, DIME)] * 3
    with pytest.raises(ModelRateLimitedError, match="each ticket a month is reserved") as busy:
        await reserve(money.purse())
    assert busy.value.retryable
    assert busy.value.retry_after
    assert [await money.use(one) for one in (month, agent, ticket)] == [(0, DIME)] * 3
    await reserve(money.purse("jira:OPS-1"))  # another ticket has money of its own
    await pay(money.purse(), first, Decimal("0.07"))
    with pytest.raises(ModelQuotaError, match=r"\$0.15 of each ticket a month is used up: \$0.07 used") as used_up:
        await reserve(money.purse())
    assert not used_up.value.retryable
    assert await money.use(month) == (Decimal("0.07"), DIME)


async def test_a_call_is_settled_once_and_given_back_once(money: Money) -> None:
    budget = await money.budget()
    purse = money.purse()
    first, second = await reserve(purse), await reserve(purse)
    for _ in range(2):
        await pay(purse, first, CENT)
        await purse.release(second)
    await pay(purse, second, CENT)
    await purse.release(first)
    assert await money.use(budget) == (CENT, 0)
    assert [one.state for one in await money.calls()] == [SpendingState.SETTLED, SpendingState.RELEASED]


async def test_what_nobody_can_tell_counts_in_full(money: Money) -> None:
    """A call that was cut off, and one whose worker died: its reservation stays, whatever the clock says."""
    budget = await money.budget(amount_usd=Decimal("0.25"))
    purse = money.purse()
    await pay(purse, await reserve(purse), None, tokens=0)
    await purse.reserve(model="gpt-4", most_usd=DIME, tokens=1, seconds=-1.0)
    assert await money.use(budget) == (DIME, DIME)
    assert (await money.calls())[0].state == SpendingState.ASSUMED
    with pytest.raises(ModelRateLimitedError):
        await reserve(purse)


async def test_a_longer_answer_than_was_reserved_for_is_counted_as_it_was(money: Money) -> None:
    budget = await money.budget(amount_usd=DIME)
    purse = money.purse()
    await pay(purse, await reserve(purse, CENT), Decimal("0.12"))
    assert await money.use(budget) == (Decimal("0.12"), 0)
    with pytest.raises(ModelQuotaError):
        await reserve(purse, Decimal("0.000001"))


async def test_an_unknown_price_is_refused_or_counts_what_the_tenant_says(money: Money) -> None:
    refusing = await money.budget()
    with pytest.raises(ModelQuotaError, match=r"Nobody knows the price of 'gpt-4'.*unknown_price_usd"):
        await reserve(money.purse(), None)
    async with money.db.tenant_session("acme") as session:
        await session.execute(text("UPDATE budgets SET unknown_price_usd = 20"))
    reservation = await reserve(money.purse(), None, tokens=10_000)
    assert await money.use(refusing) == (0, Decimal("0.2"))
    await pay(money.purse(), reservation, None, tokens=500)
    assert await money.use(refusing) == (CENT, 0)


async def test_a_grace_and_more_money_for_a_while_move_the_stop(money: Money) -> None:
    budget = await money.budget(amount_usd=DIME, stop_percent=110)
    await pay(money.purse(), await reserve(money.purse()), DIME)
    await pay(money.purse(), await reserve(money.purse(), CENT), CENT)
    with pytest.raises(ModelQuotaError):
        await reserve(money.purse(), CENT)
    for until, is_open in ((timedelta(hours=1), True), (timedelta(hours=-1), False)):
        async with money.db.tenant_session("acme") as session:
            await session.execute(
                text("UPDATE budgets SET extra_usd = 1, extra_reason = 'migration', extra_until = :until"),
                {"until": datetime.now(UTC) + until},
            )
        if is_open:
            await pay(money.purse(), await reserve(money.purse(), CENT), CENT)
        else:
            with pytest.raises(ModelQuotaError):
                await reserve(money.purse(), CENT)
    assert (await money.use(budget))[0] == Decimal("0.12")


async def test_a_period_begins_by_the_clock_of_its_zone(money: Money) -> None:
    """Fourteen hours before and twelve behind: two zones that never have the same day."""
    query = text("SELECT budget_period_start(:period, :zone), (clock_timestamp() AT TIME ZONE :zone)::date")
    async with money.db.tenant_session("acme") as session:
        days = {}
        for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
            start, today = (await session.execute(query, {"period": "day", "zone": zone})).one()
            month = (await session.execute(query, {"period": "month", "zone": zone})).one()[0]
            assert (start, month) == (today, today.replace(day=1))
            days[zone] = start
    assert days["Pacific/Kiritimati"] > days["Etc/GMT+12"]


async def test_what_was_used_last_month_is_not_used_now(money: Money) -> None:
    budget = await money.budget(amount_usd=DIME)
    await pay(money.purse(), await reserve(money.purse()), DIME)
    async with money.db.tenant_session("acme") as session:
        await session.execute(text("UPDATE budget_use SET period_start = period_start - 40"))
    late = await reserve(money.purse())
    await pay(money.purse(), late, CENT)
    assert await money.use(budget) == (DIME + CENT, 0)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(Decimal(0), "$0.00"), (Decimal("12.5"), "$12.50"), (Decimal("0.1"), "$0.10"), (Decimal("0.00012"), "$0.00012")],
)
def test_amounts_for_people(amount: Decimal, shown: str) -> None:
    assert dollars(amount) == shown

"""A month by contract and company: rows that add up to the ledger to the last digit, each run in one month."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from tests.reports.conftest import NOON, MakeRun
from tests.support.console import Console

from deskhand.engine.models import AgentExecution, CostCorrection
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import TicketHistory
from deskhand.reports.chargeback import repository, service
from deskhand.reports.chargeback.files import chargeback_file
from deskhand.reports.chargeback.schemas import ChargebackQuery
from deskhand.reports.corrected import with_corrections
from deskhand.tenants.models import DeskCompany, RunCompany, TenantConfig

DESK = "servicedesk_plus"
FORMULA = '=HYPERLINK("http://x")'


async def contracts(console: Console, *some: dict[str, Any], tenant: str = "acme") -> None:
    async with console.db.tenant_session(tenant) as session:
        await session.execute(update(TenantConfig).values(enhancement_preferences={"contracts": list(some)}))


async def report(console: Console, tenant: str = "acme", **query: str) -> dict[str, Any]:
    client = await console.client(tenant, "viewer")
    answer = await client.get("/api/v1/reports/chargeback", params={"month": "2026-05", **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def exported(console: Console, tenant: str = "acme", **query: str) -> list[dict[str, str]]:
    client = await console.client(tenant, "viewer")
    answer = await client.get("/api/v1/reports/chargeback/export", params={"month": "2026-05", **query})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="chargeback-{query.get("month", "2026-05")}.csv"'
    )
    return list(csv.DictReader(io.StringIO(answer.text)))


async def correct(console: Console, run: UUID, amount: str, at: datetime, tenant: str = "acme") -> None:
    values = {"tenant_id": tenant, "execution_id": run, "step_key": "model#1", "call_id": "c", "gateway_usd": 1}
    more = {"amount_usd": Decimal(amount), "makes_known": False, "noted_by": "ann", "noted_at": at}
    async with console.db.tenant_session(tenant) as session:
        await session.execute(insert(CostCorrection), [{**values, **more}])


def named(company: str, name: str | None = None) -> dict[str, Any]:
    return {"company": {"id": company, "name": name or f"{company} Ltd"}}


def sums(rows: list[dict[str, Any]]) -> dict[tuple[str, ...], Decimal]:
    return {
        (row["contract"], row["company"], row["entry"], row["for_month"]): Decimal(row["amount_usd"]) for row in rows
    }


def added(rows: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(row["amount_usd"]) for row in rows), Decimal(0))


async def test_the_files_of_all_months_add_up_to_the_ledger_to_the_last_digit(console: Console, run: MakeRun) -> None:
    """Runs of every end, trials, unknown prices, corrections: over three months nothing is in two files or in none."""
    dice, agent = Random(5), await console.agent()
    theirs = await console.agent("globex")
    north = {"number": "C-1", "company": ["north", "South Ltd"]}
    await contracts(console, north, {"number": "C-2", "company": ["east"]})
    first = datetime(2026, 4, 1, tzinfo=UTC)
    for number in range(60):
        at = first + timedelta(hours=dice.randrange(24 * 91), seconds=dice.randrange(3600))
        made = await run(
            agent,
            None if number % 9 == 4 else f"{dice.randrange(1, 10**8)}e-8",
            at=at,
            seconds=dice.randrange(4, 10**6),
            status=dice.choice(["completed", "failed", "cancelled"]),
            mode=dice.choice(["live", "live", "dry_run"]),
            ticket=dice.choice([None, *map(str, range(20))]),
            output_result=named(dice.choice(["north", "south", "east", "west"])) if number % 3 else {},
        )
        if number % 2:
            amount, noted = f"{dice.randrange(-(10**7), 10**7)}e-8", at + timedelta(days=dice.randrange(40))
            await correct(console, made, amount, min(noted, datetime(2026, 6, 30, tzinfo=UTC)))
    await correct(console, await run(theirs, "7"), "7", NOON, "globex")
    rows = []
    for month in ("2026-04", "2026-05", "2026-06"):
        shown = await report(console, month=month, zone="Europe/Berlin")
        of_month = await exported(console, month=month, zone="Europe/Berlin")
        assert added(of_month) == Decimal(shown["total_usd"]) == added(shown["contracts"])
        assert {row["month"] for row in of_month} == {month}
        rows += of_month
    # The last two hours of June by UTC are July in Berlin.
    rows += await exported(console, month="2026-07", zone="Europe/Berlin")
    e = AgentExecution
    async with console.db.tenant_session("acme") as session:
        counted = await session.scalar(select(func.sum(e.cost_usd)))
        corrected = await session.scalar(select(func.sum(CostCorrection.amount_usd)))
        unknown = await session.scalar(select(func.count()).where(e.cost_usd.is_(None)))
    assert counted
    assert corrected
    assert added(rows) == counted + corrected
    assert added([row for row in rows if row["entry"] == "corrections"]) == corrected
    assert sum(int(row["entries"]) for row in rows if row["entry"] != "corrections") == 60
    assert sum(int(row["unpriced_runs"]) for row in rows) == unknown
    assert {row["tenant"] for row in rows} == {"acme"}
    assert {row["contract"] for row in rows} == {"C-1", "C-2", ""}
    assert added(await exported(console, "globex")) == 14


async def test_a_run_belongs_to_the_month_of_its_event_and_a_correction_to_its_own(
    console: Console, run: MakeRun
) -> None:
    agent = await console.agent()
    # April ends in Berlin at 22:00 UTC; the run goes on for a day.
    late = await run(agent, "0.10", at=datetime(2026, 4, 30, 21, 59, 59, 999999, tzinfo=UTC), seconds=86_400)
    await run(agent, "0.20", at=datetime(2026, 4, 30, 22, tzinfo=UTC))
    await correct(console, late, "-0.015", datetime(2026, 5, 31, 21, 59, 59, tzinfo=UTC))
    await correct(console, late, "0.5", datetime(2026, 5, 31, 22, tzinfo=UTC))
    found = {}
    for month in ("2026-04", "2026-05", "2026-06"):
        found[month] = sums(await exported(console, month=month, zone="Europe/Berlin"))
    assert found == {
        "2026-04": {("", "", "runs", "2026-04"): Decimal("0.10")},
        "2026-05": {
            ("", "", "runs", "2026-05"): Decimal("0.20"),
            ("", "", "corrections", "2026-04"): Decimal("-0.015"),
        },
        "2026-06": {("", "", "corrections", "2026-04"): Decimal("0.5")},
    }


async def test_a_row_goes_to_the_contract_that_names_its_company(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    await contracts(
        console,
        {"number": "C-1", "company": ["17", "nordwind LTD"]},
        {"number": "C-1b", "company": ["17"]},
        {"number": "REST"},
    )
    await run(agent, "0.01", ticket="1", output_result=named("17", "Seventeen"))
    await run(agent, "0.02", ticket="2", output_result=named("18", "Nordwind Ltd"))
    # It failed and says nothing; another run of the ticket does, in another month.
    await run(agent, "0.04", ticket="2", status="failed")
    await run(agent, "0.08", ticket="3", output_result=named("19", "Elsewhere"))
    await run(agent, "0.16", ticket=None)
    # A failed run of a desk that keeps companies apart, and one whose ticket the desk's history knows.
    failed = await run(agent, "0.32", ticket="5", status="failed")
    await run(agent, "0.64", ticket="6", status="cancelled")
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add_all([
            DeskCompany(tenant_id="acme", tool_type=DESK, company_id="17", name="Seventeen"),
            RunCompany(tenant_id="acme", execution_id=failed, tool_type=DESK, company_id="17"),
            TicketHistory(
                tenant_id="acme", tool_type=DESK, ticket_id="6", description="x", source="desk", company_id="18",
                company_name="Nordwind Ltd",
            ),
        ])  # fmt: skip
    assert sums((await report(console))["rows"]) == {
        ("C-1", "servicedesk_plus:17", "runs", "2026-05"): Decimal("0.33"),
        ("C-1", "servicedesk_plus:18", "runs", "2026-05"): Decimal("0.70"),
        ("REST", "servicedesk_plus:19", "runs", "2026-05"): Decimal("0.08"),
        ("REST", "", "runs", "2026-05"): Decimal("0.16"),
    }
    one = await report(console, contract="REST")
    assert (Decimal(one["total_usd"]), [row["contract"] for row in one["contracts"]]) == (Decimal("0.24"), ["REST"])
    assert (await report(console, contract=""))["rows"] == []


async def test_what_may_still_change_is_said(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    await run(agent, None)
    at_work = await run(agent, None, status="running", token_usage=None, completed_at=None, ticket="2")
    await console.step("acme", at_work, "model", kind="model", cost_usd=Decimal("0.00000007"))
    shown = await report(console)
    assert (shown["open_runs"], shown["unpriced_runs"], Decimal(shown["total_usd"])) == (1, 1, Decimal("0.00000007"))
    assert shown["is_over"] is (await console.now() >= datetime(2026, 6, 1, tzinfo=UTC))
    page = await (await console.browser()).get("/chargeback", params={"month": "2026-05"})
    assert "1 of its runs has not ended" in page.text
    assert "and 1 run of unknown price" in page.text
    wrong = await (await console.browser()).get("/chargeback", params={"month": "2026-13"})
    assert wrong.status_code == 422
    empty = await (await console.browser()).get("/chargeback", params={"month": "2020-01"})
    assert "Nothing to charge in 2020-01" in empty.text


async def test_no_cell_is_a_formula_and_a_negative_amount_is_a_number(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    await contracts(console, {"number": "=1+1"})
    made = await run(agent, "0.00000001", output_result=named("@x", FORMULA))
    await correct(console, made, "-0.00000009", NOON)
    rows = await exported(console)
    assert {(row["contract"], row["company_name"]) for row in rows} == {("'=1+1", f"'{FORMULA}")}
    assert {row["entry"]: row["amount_usd"] for row in rows} == {"runs": "0.00000001", "corrections": "-0.00000009"}
    page = (await (await console.browser()).get("/chargeback", params={"month": "2026-05"})).text
    assert "−$0.00000009" in page
    assert "−$0.00000008" in page


async def test_the_last_whole_month_is_meant_where_none_is_named(console: Console, run: MakeRun) -> None:
    await run(await console.agent(), "0.01")
    early = datetime(2026, 6, 1, 1, tzinfo=UTC)
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        found = [
            await service.chargeback(session, ChargebackQuery(zone=zone), now=early)
            for zone in ("Europe/Berlin", "America/New_York")
        ]
        assert await repository.companies(session, []) == {}
    # In New York it is still May.
    assert [(one.month, one.is_over, one.total_usd) for one in found] == [
        ("2026-05", True, Decimal("0.01")), ("2026-04", True, Decimal(0)),
    ]  # fmt: skip
    assert chargeback_file(found[1], "acme").count("\n") == 1, "a heading alone"


def test_without_a_correction_a_row_stays_as_it_was_counted() -> None:
    counted = {"cost_usd": Decimal(1), "unpriced_runs": 2, "unpriced_tokens": 30}
    told = {"late_usd": Decimal(0), "amount_usd": Decimal("-0.5"), "known_runs": 1, "known_tokens": 10}
    assert with_corrections(counted, None) == counted
    assert with_corrections(counted, told) == {
        **{"cost_usd": Decimal(1), "corrections_usd": Decimal("-0.5"), "unpriced_runs": 1, "unpriced_tokens": 20}
    }

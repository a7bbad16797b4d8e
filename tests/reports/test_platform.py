"""Costs of all tenants, for platform administrators alone."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from tests.conftest import DatabaseUrls
from tests.reports.conftest import MAY, NOON, MakeRun
from tests.support.api import Api, running_api
from tests.support.console import Console

from deskhand.kit.db.session import Database

COSTS, FILE, PAGE = "/api/v1/platform-reports/costs", "/api/v1/platform-reports/costs/export", "/platform-costs"


@pytest.fixture
async def api(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Api]:
    async with running_api(database_urls.app_url) as running:
        for tenant in ("acme", "globex", "initech"):
            await running.tenant(tenant)
        yield running


@pytest.fixture
def console(api: Api) -> Console:
    return Console(api.url, api.db, api.app)


async def spend(console: Console, run: MakeRun) -> None:
    acme, globex = await console.agent("acme"), await console.agent("globex")
    await run(acme, "0.25")
    await run(acme, "0.00000001", ticket="2")
    await run(globex, "7")
    await run(globex, None, ticket="2")
    await run(globex, "100", mode="dry_run")
    at_work = await console.execution(globex, status="running", attempt=1, queued_at=NOON, ticket="3")
    await console.step("globex", at_work, "model", kind="model", cost_usd=Decimal("0.5"))


async def test_each_tenant_is_a_row_and_rows_add_up(api: Api, console: Console, run: MakeRun) -> None:
    await spend(console, run)
    platform = await api.platform()
    report = (await platform.get(COSTS, params=MAY)).json()
    assert [(row["key"], row["name"], Decimal(row["cost_usd"]), row["runs"]) for row in report["rows"]] == [
        ("globex", "Globex", Decimal("7.5"), 3),
        ("acme", "Acme", Decimal("0.25000001"), 2),
    ]
    assert (Decimal(report["total"]["cost_usd"]), report["total"]["unpriced_runs"]) == (Decimal("7.75000001"), 1)
    cut = (await platform.get(COSTS, params={**MAY, "limit": "1"})).json()
    assert (cut["other_rows"], Decimal(cut["others"]["cost_usd"])) == (1, Decimal("0.25000001"))
    rows = list(csv.DictReader(io.StringIO((await platform.get(FILE, params=MAY)).text)))
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal("7.75000001")
    trials = (await platform.get(COSTS, params={**MAY, "trials": "true"})).json()
    assert [(row["key"], Decimal(row["cost_usd"])) for row in trials["rows"]] == [("globex", Decimal(100))]


async def test_the_page_shows_what_the_api_says(api: Api, console: Console, run: MakeRun) -> None:
    await spend(console, run)
    platform = await api.platform()
    page = (await platform.get(PAGE, params=MAY)).text
    for words in ("Globex", "Acme", "$7.75000001", "1 run of unknown price", 'href="/platform-costs" aria-current'):
        assert words in page
    assert "Initech" not in page
    empty = (await platform.get(PAGE, params={"since": "2020-01-01", "until": "2020-01-02"})).text
    assert "No runs in these days" in empty
    wrong = await platform.get(PAGE, params={"zone": "Nowhere"})
    assert wrong.status_code == 422
    assert "is not an IANA time zone" in wrong.text


@pytest.mark.parametrize("path", [COSTS, FILE, PAGE])
async def test_nobody_of_a_tenant_is_told(api: Api, path: str) -> None:
    for role in ("viewer", "tenant_admin"):
        assert (await (await api.member("acme", role)).get(path)).status_code == 403
    assert (await (await api.platform()).get(path.replace("platform-", ""))).status_code == 403

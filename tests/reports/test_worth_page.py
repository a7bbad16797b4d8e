"""The monthly report in the console: what is said of a month, and what is not."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import update
from tests.reports.conftest import NOON
from tests.reports.test_worth import NOTE, Planted, drawn_month, plant
from tests.support.console import Console

from deskhand.tenants.models import TenantConfig

SCRIPT = "<script>alert(1)</script>"


async def page(client: httpx2.AsyncClient, status: int = 200, **query: Any) -> str:
    answer = await client.get("/worth", params={"month": "2026-05", **query})
    assert answer.status_code == status, answer.text
    assert "style=" not in answer.text, "the policy of pages allows no style in them"
    return answer.text


def words(text: str) -> str:
    return " ".join(re.sub("<.*?>", " ", text).split())


async def test_a_month_with_held_out_tickets_says_what_notes_brought_about(console: Console) -> None:
    await plant(console, await console.agent(), drawn_month(effect=0.5))
    client = await console.browser(role="viewer")
    shown = await page(client)
    assert "What notes brought about" in shown
    verdict = re.search(r'<p class="banner completed" id="solution">(.*?)</p>', shown)
    assert verdict is not None
    assert " sooner than half of those held out: between " in verdict[1]
    assert '<th scope="row">Held out</th>' in shown
    assert "with a note only" not in shown
    [address] = re.findall(r'href="(/api/v1/reports/worth/export[^"]*)"', shown)
    kept = await client.get(address.replace("&amp;", "&"))
    assert kept.text.count("\n") == 3, "a heading, tickets that name no company, and all"
    assert 'aria-current="page">What it was worth</a>' in shown
    assert re.search(r'href="/costs" aria-current="page"', shown), "the navigation says where one is"


async def test_a_month_without_claims_nothing_and_says_how_it_could(console: Console) -> None:
    tickets = [
        Planted("1", company="Nordwind", hours=2),
        Planted("2", company=SCRIPT, hours=None),
        Planted("3", output={"note": None, "not_written": "Nothing."}),
    ]
    await plant(console, await console.agent(), tickets)
    client = await console.browser(role="viewer")
    shown = await page(client)
    assert SCRIPT not in shown
    assert "No tickets were held out, so nothing is said of what notes brought about" in shown
    assert "Settings → What it was worth" in shown
    assert "2 got a note" in shown
    assert "$0.03 to the last digit" in shown
    [nordwind] = re.findall(r'href="(/worth\?[^"]*Nordwind[^"]*)"', shown)
    alone = (await client.get(nordwind.replace("&amp;", "&"))).text
    assert "<strong>Nordwind Ltd</strong> alone" in alone
    assert "By company" not in alone
    assert "$0.01 to the last digit" in alone
    nobody = await page(client, company="-")
    assert "<strong>No company named</strong> alone" in nobody


async def test_a_month_without_tickets_says_what_to_do_next(console: Console) -> None:
    client = await console.browser(role="viewer")
    shown = await page(client)
    assert "No tickets in 2026-05" in shown
    assert 'href="/worth?month=2026-04"' in shown
    assert "Save as CSV" not in shown
    assert "Look at all companies" in await page(client, company="jira:gone")


async def test_a_month_that_cannot_be_shown_says_why_beside_the_field(console: Console) -> None:
    client = await console.browser(role="viewer")
    shown = await page(client, 422, month="2026-13", zone="Mars")
    assert "This month cannot be shown" in shown
    assert 'id="fault-month"' in shown
    assert 'id="fault-zone"' in shown


async def test_what_is_not_told_is_named_and_votes_and_suggestions_are_shown(console: Console) -> None:
    await plant(console, await console.agent(), [Planted("1", hours=None), Planted("2", hours=None)])
    client = await console.browser(role="viewer")
    assert "How 2 tickets went is not told" in words(await page(client))
    later = [Planted(f"x{n}", at=NOON + timedelta(hours=n), output=NOTE) for n in range(24)]
    await plant(console, await console.agent(name="Second"), later)
    shown = words(await page(client))
    assert "100 % of the suggested categories stand on the solved ticket 24 of 24, true share 86 % to 100 %" in shown
    assert "nobody has voted" in shown


async def test_a_month_before_the_first_draw_says_that_it_has_begun_since(console: Console) -> None:
    await plant(console, await console.agent(), [Planted("1")])
    async with console.db.tenant_session("acme") as session:
        await session.execute(update(TenantConfig).values(enhancement_preferences={"worth": {"hold_out_share": 20}}))
    assert "From now on 20 in 100 tickets are." in await page(await console.browser(role="viewer"))

"""The first page: what needs somebody, how the day went, what is left to set up."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from tests.support.approvals import waiting_approval
from tests.support.console import Console

from deskhand.budgets.models import Budget
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import TicketHistory


async def figures(page: str) -> dict[str, str]:
    """Each tile's figure, by the first words under it."""
    tiles = re.findall(r'<span class="figure">(.*?)</span>(?:<a[^>]*>)?([^<]+)', page, re.DOTALL)
    return {words.strip(): figure for figure, words in tiles}


async def test_a_new_tenant_is_led_to_the_first_note(console: Console) -> None:
    browser = await console.browser()
    answer = await browser.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/home")
    empty = (await browser.get("/home")).text
    # The tenant of these tests is connected to a desk.
    assert re.findall(r'<span class="badge \w+">(Done|To do)</span>', empty) == ["Done", "To do", "To do", "To do"]
    assert "/agents/new" in empty
    assert "<strong>Nothing.</strong>" in empty
    assert "Latest runs" not in empty
    assert "An editor does that" in (await (await console.browser(role="viewer")).get("/home")).text

    agent = await console.agent()
    await console.execution(agent, status="completed", attempt=1, completed_at=await console.now())
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add(TicketHistory(tenant_id="acme", ticket_id="1", description="It jams."))
    assert "On the way to the first note" not in (await browser.get("/home")).text


async def test_what_needs_somebody_stands_first(console: Console) -> None:
    agent = await console.agent()
    await console.execution(agent, status="failed", attempt=1, ticket="1")
    await console.execution(agent, status="failed", attempt=1, ticket="2", dismissed_at=await console.now())
    run = await console.execution(agent, status="waiting", attempt=1, error_code="approval-needed", ticket="3")
    await waiting_approval(console.db, "acme", run)
    async with console.db.tenant_session("acme") as session:
        session.add(Budget(tenant_id="acme", scope="tenant", period="month", timezone="UTC", amount_usd=Decimal(5)))
    page = (await (await console.browser()).get("/home")).text
    shown = await figures(page)
    assert (shown["runs failed or wait"], shown["write asks first"]) == ("2", "1")
    assert "nearly used" not in page, "a budget that nobody has touched needs nobody"
    viewer = await figures((await (await console.browser(role="viewer")).get("/home")).text)
    assert "write asks first" not in viewer, "a viewer answers nothing"
    assert '"/executions?status=attention"' in page


async def test_the_day_in_figures_of_ones_own_tenant(console: Console) -> None:
    now, agent = await console.now(), await console.agent(name="<b>Triage</b>")
    began = now - timedelta(seconds=100)
    for took, cost in ((2, "0.25"), (4, "0.50"), (60, None)):
        ended = {"completed_at": began + timedelta(seconds=took), "cost_usd": cost and Decimal(cost)}
        await console.execution(agent, status="completed", attempt=1, queued_at=began, **ended)
    old = {"status": "completed", "attempt": 1, "completed_at": now - timedelta(days=2)}
    await console.execution(agent, ago=2.1 * 86_400, cost_usd=Decimal(9), **old)
    await console.execution(agent, status="failed", attempt=1, completed_at=now)
    await console.execution(agent, status="queued", ago=3 * 86_400)
    await console.execution(await console.agent("globex"), status="failed", attempt=1)
    page = (await (await console.browser()).get("/home")).text
    shown = await figures(page)
    assert (shown["runs completed"], shown["failed"]) == ("3", "1")
    assert shown["from event to done"].startswith("4")
    assert shown["paid for models"] == "$0.75"
    assert "without 1 run whose price nobody knows" in page
    assert "0 at work, 1 in the queue" in page
    assert "<b>Triage" not in page


async def test_what_was_tried_is_no_work_that_was_done_and_is_paid_for(console: Console) -> None:
    agent, browser = await console.agent(), await console.browser()
    now = await console.now()
    for status in ("completed", "failed"):
        cost = {"completed_at": now, "cost_usd": Decimal("0.25")}
        await console.execution(agent, status=status, attempt=1, mode="dry_run", **cost)
    page = (await browser.get("/home")).text
    shown = await figures(page)
    assert (shown["runs completed"], shown["failed"], shown["paid for models"]) == ("0", "0", "$0.50")
    assert "besides, 2 dry runs" in page
    assert page.count('<span class="tag">Dry run</span>') == 2
    # The note that a try would have written is no first note; neither is the run that failed.
    assert re.findall(r'<span class="badge \w+">(Done|To do)</span>', page)[-1] == "To do"
    await console.execution(agent, status="completed", attempt=1, completed_at=now, ago=3 * 86_400)
    assert re.findall(r'<span class="badge \w+">(Done|To do)</span>', (await browser.get("/home")).text)[-1] == "Done"


async def test_a_part_is_sent_only_when_something_changed(console: Console) -> None:
    browser = await console.browser()
    page = (await browser.get("/home")).text
    [at] = re.findall(r'hx-get="(/home\?seen=\w+)"', page)
    same = await browser.get(at, headers={"HX-Request": "true"})
    assert same.status_code == 204
    await console.execution(await console.agent(), status="queued")
    part = (await browser.get(at, headers={"HX-Request": "true"})).text
    assert part.lstrip().startswith('<div id="home"')
    async with console.db.tenant_session("acme") as session:
        await session.execute(text("UPDATE agent_executions SET status = 'cancelled'"))
    assert "0 in the queue" in (await browser.get(at, headers={"HX-Request": "true"})).text


@pytest.mark.parametrize(
    ("change", "done"),
    [
        ("servicedesk_url = NULL", False),
        ("servicedesk_api_key_encrypted = ''", False),
        ("servicedesk_url = NULL, connection_extras_encrypted = 'something of a plugin'", True),
        ("servicedesk_url = NULL, zendesk_subdomain = 'acme', zendesk_api_token_encrypted = 'key'", True),
    ],
)
async def test_a_desk_counts_whose_fields_are_all_there(console: Console, change: str, done: bool) -> None:
    async with console.db.tenant_session("acme") as session:
        await session.execute(text(f"UPDATE tenant_configs SET {change}"))
    page = (await (await console.browser()).get("/home")).text
    states = re.findall(r'<span class="badge \w+">(Done|To do)</span>', page)
    assert states[0] == ("Done" if done else "To do")
    assert ("Connect one" in page) is not done

"""Which deliveries are about a ticket: what started or joined its runs, and what named it and started nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.console import Console, console_of_two
from tests.support.tickets import DESK, delivery

from deskhand.agents.models import Agent
from deskhand.intake import repository
from deskhand.intake.tickets import About, deliveries_about
from deskhand.kit.db.session import Database


@pytest.fixture
async def console(clean_db: Database, database_urls, make_tenant) -> AsyncIterator[Console]:
    """A running API with two tenants."""
    async with console_of_two(clean_db, database_urls.app_url, make_tenant) as running:
        yield running


async def about(console: Console, *, tenant: str = "acme", limit: int = 10, **columns: Any) -> list[tuple[str, str]]:
    """Reason and agent of each delivery about the ticket."""
    wanted = About(**{"tool_type": DESK, "names": ["880017"], "runs": [], **columns})
    async with console.db.tenant_session(tenant) as session:
        return [(one.reason or "", agent) for one, agent in await deliveries_about(session, wanted, limit=limit)]


async def ignored(console: Console, agent: Agent, at: datetime, reason: str, **columns: Any) -> None:
    await delivery(console, agent, at, outcome="ignored", reason=reason, **columns)


async def test_what_started_a_run_is_about_its_ticket_whatever_it_named(console: Console) -> None:
    agent, now = await console.agent(), await console.now()
    run = await console.execution(agent, ticket="880017")
    other = await console.execution(agent, ticket="8")
    await delivery(console, agent, now, reason="started", execution_id=run)
    await delivery(console, agent, now - timedelta(seconds=5), reason="joined", execution_id=run, ticket_ref=None)
    await delivery(console, agent, now, reason="another's", execution_id=other, ticket_ref="8")
    # It named the ticket and started a run of another one, as a retry with another ticket does: it is that one's.
    await delivery(console, agent, now, reason="elsewhere", execution_id=other)
    assert await about(console, runs=[run]) == [("started", "Triage notes"), ("joined", "Triage notes")]
    assert await about(console) == []


async def test_what_started_nothing_is_found_by_the_desk_and_any_name(console: Console) -> None:
    agent, now = await console.agent(name="Triage"), await console.now()
    await ignored(console, agent, now, "id")
    await ignored(console, agent, now - timedelta(seconds=1), "number", ticket_ref="HELP-7")
    await ignored(console, agent, now - timedelta(seconds=2), "another desk", tool_type="jira")
    await ignored(console, agent, now - timedelta(seconds=3), "another ticket", ticket_ref="880018")
    await ignored(console, agent, now - timedelta(seconds=4), "unread", tool_type=None, ticket_ref=None)
    assert await about(console, names=["880017", "HELP-7"]) == [("id", "Triage"), ("number", "Triage")]
    assert await about(console, names=["880017", "HELP-7"], limit=1) == [("id", "Triage")]


async def test_what_started_nothing_is_bounded_in_time_and_what_started_a_run_is_not(console: Console) -> None:
    agent, now = await console.agent(name="Triage"), await console.now()
    run = await console.execution(agent, ticket="880017")
    for minutes in range(4):
        await ignored(console, agent, now - timedelta(minutes=minutes), str(minutes))
    await delivery(console, agent, now - timedelta(hours=1), reason="run", execution_id=run)
    since, until = now - timedelta(minutes=2), now - timedelta(minutes=1)
    found = await about(console, runs=[run], since=since, until=until)
    assert [reason for reason, _ in found] == ["2", "run"]
    assert [reason for reason, _ in await about(console, since=since)] == ["0", "1", "2"]
    assert [reason for reason, _ in await about(console, until=until)] == ["2", "3"]


async def test_what_started_nothing_is_looked_for_among_the_newest(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, now = await console.agent(), await console.now()
    await ignored(console, agent, now - timedelta(minutes=1), "old")
    for seconds in range(3):
        await ignored(console, agent, now - timedelta(seconds=seconds), "other", ticket_ref="8")
    assert len(await about(console)) == 1
    monkeypatch.setattr(repository, "LOOKED_THROUGH", 3)
    assert await about(console) == []


async def test_deliveries_of_another_tenant_are_nobodys(console: Console) -> None:
    agent, now = await console.agent(), await console.now()
    run = await console.execution(agent, ticket="880017")
    await delivery(console, agent, now, execution_id=run)
    await ignored(console, agent, now, "theirs")
    assert await about(console, tenant="globex", runs=[run]) == []

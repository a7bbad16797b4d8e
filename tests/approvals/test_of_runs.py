"""What several runs asked people, read at once: for the page of a ticket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from tests.support.approvals import waiting_approval
from tests.support.console import Console, console_of_two

from deskhand.approvals.models import ApprovalState
from deskhand.approvals.service import approvals_of_runs
from deskhand.kit.db.session import Database


@pytest.fixture
async def console(clean_db: Database, database_urls, make_tenant) -> AsyncIterator[Console]:
    """A running API with two tenants."""
    async with console_of_two(clean_db, database_urls.app_url, make_tenant) as running:
        yield running


async def states(console: Console, *runs: UUID, tenant: str = "acme") -> list[str]:
    async with console.db.tenant_session(tenant) as session:
        return [one.state.value for one in await approvals_of_runs(session, list(runs))]


async def test_every_state_is_read_newest_first_and_of_these_runs_alone(console: Console) -> None:
    agent, now = await console.agent(), await console.now()
    run = await console.execution(agent, ticket="1", status="waiting")
    other = await console.execution(agent, ticket="2", status="waiting")
    for place, state in enumerate(ApprovalState):
        at = now - timedelta(minutes=place)
        await waiting_approval(console.db, "acme", run, state=state, step_key=str(place), created_at=at)
    await waiting_approval(
        console.db, "acme", other, state=ApprovalState.DECLINED, created_at=now + timedelta(minutes=1)
    )
    assert await states(console, run) == [state.value for state in ApprovalState]
    assert (await states(console, run, other))[0] == "declined"
    assert await states(console) == []
    assert await states(console, uuid4()) == []
    assert await states(console, run, tenant="globex") == []


@pytest.mark.parametrize("status", ["cancelled", "failed", "completed", "queued"])
async def test_what_a_run_does_not_wait_for_any_more_waits_for_nobody(console: Console, status: str) -> None:
    run = await console.execution(await console.agent(), status=status)
    await waiting_approval(console.db, "acme", run)
    await waiting_approval(console.db, "acme", run, step_key="done", state=ApprovalState.APPROVED)
    assert await states(console, run) == ["approved"]


async def test_what_nobody_answered_in_time_waits_for_nobody(console: Console) -> None:
    run = await console.execution(await console.agent(), status="waiting")
    await waiting_approval(console.db, "acme", run, expires_at=await console.now() - timedelta(seconds=1))
    assert await states(console, run) == []

"""What runs about tickets failed with, beside the notes of those that wrote one."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from tests.support.console import Console

from deskhand.engine.models import AgentExecution
from deskhand.knowledge.verdicts import repository
from deskhand.tenants.models import EnhancementHistory
from deskhand.tenants.service import record_enhancement


async def history(console: Console) -> list[EnhancementHistory]:
    async with console.db.tenant_session("acme") as session:
        return list((await session.scalars(select(EnhancementHistory))).all())


async def fail(console: Console, run: UUID, words: str = "The desk was away.") -> None:
    now = await console.now()
    await console.change(
        "acme", run, status="failed", error_code="desk-unavailable", error_message=words,
        started_at=now - timedelta(seconds=3), completed_at=now,
    )  # fmt: skip


async def test_a_failed_run_is_kept_until_it_is_tried_again(console: Console) -> None:
    agent = await console.agent()
    run = await console.execution(agent, status="running")

    await fail(console, run)

    (row,) = await history(console)
    assert (row.id, row.ticket_id, row.status, row.llm_output) == (run, "1042", "failed", None)
    assert (row.error_message, row.processing_time_ms) == ("The desk was away.", 3000)
    assert row.completed_at is not None
    assert row.context_gathered == {
        "agent_id": str(agent.id),
        "tool_type": "servicedesk_plus",
        "error_code": "desk-unavailable",
    }
    async with console.db.tenant_session("acme") as session:
        assert await repository.find_note(session, run) is None
    client = await console.client(role="operator")
    assert (await client.post(f"/api/v1/executions/{run}/feedback", json={"feedback_type": "thumbs_up"})).is_error
    assert (await client.post(f"/api/v1/executions/{run}/retry")).status_code == 200
    assert await history(console) == []
    await console.change("acme", run, status="running")
    await fail(console, run, "Again.")
    assert [row.error_message for row in await history(console)] == ["Again."]


async def test_a_note_that_was_written_stays_when_its_run_fails_after_it(console: Console) -> None:
    run = await console.execution(await console.agent(), status="running")
    async with console.db.tenant_session("acme") as session:
        await record_enhancement(
            session, run_id=run, tenant_id="acme", ticket_id="1042", context={}, note="Reboot.", took_ms=7
        )

    await fail(console, run)
    await console.change("acme", run, status="queued", completed_at=None)

    assert [(row.status, row.llm_output) for row in await history(console)] == [("completed", "Reboot.")]


@pytest.mark.parametrize("columns", [{"mode": "dry_run"}, {"mode": "undo"}, {"ticket": None, "tool_type": None}])
async def test_what_failed_for_no_ticket_or_for_nobody_is_not_kept(console: Console, columns: dict[str, str]) -> None:
    run = await console.execution(await console.agent(), status="running", **columns)

    await fail(console, run)

    assert await history(console) == []
    async with console.db.tenant_session("acme") as session:
        assert (await session.get_one(AgentExecution, run)).status == "failed"

"""The keeper by itself: how long it waits, to whom it makes way, and what it does about what nobody expects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from tests.conftest import DatabaseUrls
from tests.support.upkeep import TENANT, Upkeep, reach_of, running_upkeep

from deskhand.errors import DeskhandError, InvalidInputError
from deskhand.kit.clock import utc_now
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.upkeep import jobs, keeper, repository
from deskhand.knowledge.upkeep.models import JobKind, JobState
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskUnavailableError,
)


@pytest.fixture
async def upkeep(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Upkeep]:
    async with running_upkeep(clean_db, database_urls.app_url) as running:
        yield running


def raises(error: Exception) -> Any:
    async def step(*_: object) -> bool:
        raise error

    return step


WAITS: list[tuple[DeskhandError, float]] = [
    (DeskRateLimitedError("Slow down.", retry_after=0.5), 0.5),
    (DeskRateLimitedError("Slow down.", retry_after=90.0), 90.0),
    (DeskRateLimitedError("Slow down.", retry_after=10**9), keeper.LONGEST_WAIT),
    (DeskRateLimitedError("Slow down.", retry_after=-5.0), 0.0),
    (DeskRateLimitedError("Slow down."), 2.0),
    (DeskUnavailableError("The desk answers 503."), 2.0),
    (DeskUnavailableError("The desk answers 503.", retry_after=30.0), 30.0),
]
ENDS: list[Exception] = [
    DeskAuthError("The desk refuses the key."),
    DeskPermissionError("The account may not read tickets."),
    DeskProtocolError("The answer is not JSON."),
    InvalidInputError("The connection is not complete."),
    LookupError("a fault of ours"),
    RecursionError("a fault of ours"),
]


ANEW = "UPDATE knowledge_jobs SET state = 'queued', tries = 0, not_before = now(), error = NULL, ended_at = NULL"


async def test_what_may_pass_is_waited_for(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    await upkeep.asked()
    for error, wait in WAITS:
        monkeypatch.setattr(keeper, "step", raises(error))
        await upkeep.rows(ANEW)
        before = utc_now()
        assert await upkeep.keeper.work() == 0.0
        job = await upkeep.job()
        assert job.state == JobState.QUEUED, error
        assert job.tries == (error.retry_after is None), error
        assert job.error == f"{error.detail} It goes on by itself in {wait:.0f} seconds."
        # The database's clock is this machine's; what is between the two looks only makes it later.
        assert job.not_before >= before + timedelta(seconds=wait) - timedelta(seconds=1), error


async def test_what_people_have_to_mend_ends_the_job_and_not_the_worker(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upkeep.asked()
    for error in ENDS:
        monkeypatch.setattr(keeper, "step", raises(error))
        await upkeep.rows(ANEW)
        assert await upkeep.keeper.work() == 0.0
        job = await upkeep.job()
        assert job.state == JobState.FAILED, error
        assert job.ended_at is not None
        assert job.error is not None
        if isinstance(error, DeskhandError):
            assert job.error == f"{error.detail} Mend it, then resume the job: it goes on where it was."
        else:
            assert "a fault of ours" not in job.error, "a fault's words may hold a customer's"
            assert type(error).__name__ in job.error


async def test_an_outage_without_end_is_tried_so_often(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "step", raises(DeskUnavailableError("The desk answers 503.")))
    await upkeep.asked()
    tries = []
    for _ in range(keeper.MOST_TRIES):
        await upkeep.rows("UPDATE knowledge_jobs SET not_before = now()")
        await upkeep.keeper.work()
        tries.append((await upkeep.job()).tries)
    assert tries == [*range(1, keeper.MOST_TRIES), keeper.MOST_TRIES - 1]
    assert (await upkeep.job()).state == JobState.FAILED


async def test_a_job_makes_way_for_other_tenants_and_for_a_stop(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    async def endless(*_: object) -> bool:
        steps.append(1)
        return True

    monkeypatch.setattr(keeper, "step", endless)
    monkeypatch.setattr(keeper, "SLICE_SECONDS", -1.0)
    await upkeep.asked()
    assert await upkeep.keeper.work() == 0.0
    job = await upkeep.job()
    assert (job.state, job.lease_until, steps) == ("queued", None, [])
    monkeypatch.setattr(keeper, "SLICE_SECONDS", 3600.0)
    upkeep.keeper.request_stop()
    assert await upkeep.keeper.work() == 0.0
    assert ((await upkeep.job()).state, steps) == ("queued", [])
    await upkeep.keeper.run()  # stopped already: it ends at once


RUNS: list[tuple[str, str, bool]] = [
    ("running", "NULL", True),
    ("queued", "NULL", True),
    ("queued", "now() - interval '1 minute'", True),
    ("queued", "now() + interval '1 hour'", False),
    ("completed", "NULL", False),
    ("failed", "NULL", False),
    ("waiting", "NULL", False),
]


async def test_a_run_that_is_at_work_or_due_is_live(upkeep: Upkeep) -> None:
    agent, version = "10000000-0000-4000-8000-00000000000a", "10000000-0000-4000-8000-00000000000c"
    await upkeep.rows(
        "INSERT INTO agents (id, tenant_id, name, status, system_prompt)"
        f" VALUES ('{agent}', 'acme', 'A', 'active', 'Do what is asked of you.')"
    )
    await upkeep.rows(
        "INSERT INTO agent_versions (id, tenant_id, agent_id, version_number, system_prompt, llm_config)"
        f" VALUES ('{version}', 'acme', '{agent}', 1, 'Do what is asked of you.', '{{}}')"
    )
    for status, not_before, live in RUNS:
        await upkeep.rows("DELETE FROM agent_executions")
        await upkeep.rows(
            "INSERT INTO agent_executions (tenant_id, agent_id, agent_version_id, status, not_before, completed_at)"
            f" VALUES ('acme', '{agent}', '{version}', '{status}', {not_before},"
            f" CASE WHEN '{status}' IN ('completed', 'failed') THEN now() END)"
        )
        async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
            assert await repository.is_live(session) is live, (status, not_before)


async def test_a_tenant_whose_secrets_cannot_be_read_costs_the_others_nothing(
    upkeep: Upkeep, database_urls: DatabaseUrls
) -> None:
    stranger = reach_of(upkeep.db, Fernet.generate_key().decode(), LexicalOnly())
    other = keeper.KnowledgeKeeper(upkeep.keeper._pool, stranger)
    assert await other.tend() > 0
    assert await upkeep.rows("SELECT 1 FROM knowledge_jobs") == []
    (due,) = (await upkeep.rows("SELECT history_due_at FROM tenant_configs"))[0]
    assert due > utc_now(), "it is not tried every second"
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        await repository.set_history_due(session, utc_now())
    assert (await upkeep.asked()).state == JobState.QUEUED


async def test_a_tenant_that_is_off_is_left_alone(upkeep: Upkeep) -> None:
    await upkeep.asked()
    await upkeep.rows("UPDATE tenant_configs SET is_active = false, history_due_at = now()")
    assert await repository.tenants_due(upkeep.keeper._pool) == []
    assert await repository.claim(upkeep.keeper._pool, 30.0) is None
    await upkeep.rows("UPDATE tenant_configs SET is_active = true")
    assert await repository.tenants_due(upkeep.keeper._pool) == [TENANT]
    claimed = await repository.claim(upkeep.keeper._pool, 30.0)
    assert claimed is not None
    assert (claimed.tenant_id, claimed.attempt) == (TENANT, 1)
    assert await repository.claim(upkeep.keeper._pool, 30.0) is None, "it is held"


async def test_a_pause_holds_whoever_works_on_it(upkeep: Upkeep) -> None:
    asked = await upkeep.asked()
    claimed = await repository.claim(upkeep.keeper._pool, 30.0)
    assert claimed is not None
    await upkeep.paused(asked.id)
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        assert not await repository.save(session, claimed, 30.0, seen=5)
    await upkeep.resumed(asked.id)
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        assert not await repository.save(session, claimed, 30.0, seen=5), "nobody has taken it yet"
        assert (await jobs.get(session, asked.id)).seen == 0


async def test_the_longest_unchecked_are_asked_about_first(upkeep: Upkeep) -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    for number, checked in ((1, "now() - interval '9 days'"), (2, "NULL"), (3, "now()"), (4, "NULL")):
        await upkeep.rows(
            "INSERT INTO ticket_history (tenant_id, ticket_id, description, source, checked_at)"
            f" VALUES ('acme', '{number}', 'It jams.', '{'import' if number == 4 else 'desk'}', {checked})"
        )
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        rows = await repository.to_check(session, "servicedesk_plus", before=utc_now(), limit=9)
        assert [row.desk_id for row in rows][:2] == ["2", "1"]
        assert "4" not in [row.desk_id for row in rows], "a file's ticket is not the desk's to confirm"
        assert await repository.to_check(session, "jira", before=utc_now(), limit=9) == []
        await repository.mark_checked(session, [row.id for row in rows])
        left = await session.scalar(
            text("SELECT count(*) FROM ticket_history WHERE checked_at IS NULL OR checked_at < :now"), {"now": now}
        )
        assert left == 1
        assert await repository.count_of_desk(session, "servicedesk_plus") == 3


async def test_a_failed_job_is_not_resumed_beside_another(upkeep: Upkeep) -> None:
    asked = await upkeep.asked()
    await upkeep.rows("UPDATE knowledge_jobs SET state = 'failed'")
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        await jobs.start(session, TENANT, JobKind.HISTORY, tool_type="servicedesk_plus", actor="test")
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        with pytest.raises(DeskhandError, match="Another job of this kind is open"):
            await jobs.resume(session, asked.id, actor="test")


FINDINGS: list[tuple[int | None, int | None, str | None]] = [
    (None, None, None),
    (None, 3, None),
    (0, 0, "Of your last 0 tickets I would have found a solution for 0."),
    (200, 121, "Of your last 200 tickets I would have found a solution for 121."),
]


async def test_a_job_shows_all_that_people_ask_about(upkeep: Upkeep) -> None:
    await upkeep.asked()
    for judged, answerable, words in FINDINGS:
        async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
            job = (await jobs.list_jobs(session)).items[0]
            job.judged, job.answerable = judged, answerable
            shown = jobs.view(job)
        assert (shown.finding, shown.judged, shown.answerable) == (words, judged, answerable)
        assert (shown.kind, shown.state, shown.tool_type) == ("history", "queued", "servicedesk_plus")
        assert not hasattr(shown, "cursor"), "a desk's cursor is its own business"
        assert not hasattr(shown, "attempt")


async def test_an_unknown_tenant_has_no_desk(upkeep: Upkeep) -> None:
    reach, asked = upkeep.keeper._reach, await upkeep.asked()
    async with upkeep.db.tenant_session("nobody", companies=EVERY_COMPANY) as session:
        with pytest.raises(DeskhandError, match="no such tenant"):
            await jobs.desk_of(session, None, secrets=reach.secrets, plugins=reach.plugins)
        with pytest.raises(DeskhandError, match="There is no job"):
            await jobs.get(session, asked.id)

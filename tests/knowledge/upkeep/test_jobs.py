"""Imports as jobs: begun by connecting a desk, steered by people, and whole whatever happens to a worker."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.conftest import DatabaseUrls
from tests.support.product import until
from tests.support.upkeep import TENANT, Upkeep, running_upkeep

from deskhand.errors import ConflictError, NotFoundError
from deskhand.kit.clock import utc_now
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge.solutions import is_solution
from deskhand.knowledge.upkeep import jobs, lookback, repository, steps
from deskhand.knowledge.upkeep.models import JobKind, JobState
from deskhand.simulators.base.faults import Fault

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def upkeep(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Upkeep]:
    async with running_upkeep(clean_db, database_urls.app_url) as running:
        yield running


def filled(upkeep: Upkeep, tickets: int) -> None:
    """Solved tickets, an hour apart."""
    store = upkeep.desk.simulator.store
    who = store.person("maria@example.com", name="Maria")
    for number in range(tickets):
        store.add(
            str(1000 + number), subject=f"Printer {number} jams", requester=who, description="<p>It jams.</p>",
            status="Resolved", resolution="<p>Cleaned the rollers of tray 2.</p>",
            resolved_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number),
        )  # fmt: skip


async def test_connecting_a_desk_imports_its_past_and_says_what_that_is_worth(upkeep: Upkeep) -> None:
    for subject, description, solution in (
        ("Label printer prints nothing", "Labels of the warehouse stay white.", "Restarted the spooler."),
        ("VPN client wants a certificate", "It asks for a smart card.", "Renewed the certificate of the gateway."),
        ("Label printer prints nothing", "Labels of the warehouse stay white.", "Done."),
        ("Badge opens no garage", "The reader blinks red.", "Fixed!"),
    ):
        ticket_id = upkeep.desk.file(subject, description)
        upkeep.desk.close(ticket_id, solution)
    job = await upkeep.asked()
    assert (job.state, job.tool_type, job.asked_by) == ("queued", "servicedesk_plus", "upkeep")
    await upkeep.keeper.tend()  # a second look in the same night asks for nothing
    job = await upkeep.worked()
    assert (job.state, job.seen, job.created, job.error) == ("done", 4, 4, None)
    # Only the second label printer had a predecessor; what was solved after a ticket, or by "Done.", helps nobody.
    assert jobs.finding(job) == "Of your last 4 tickets I would have found a solution for 1."
    kept = await upkeep.rows("SELECT count(*) FILTER (WHERE resolution IS NULL), count(opened_at) FROM ticket_history")
    assert kept == [(2, 4)]
    assert len(await upkeep.rows("SELECT 1 FROM knowledge_jobs")) == 1
    (due,) = (await upkeep.rows("SELECT history_due_at FROM tenant_configs"))[0]
    assert utc_now() < due <= utc_now() + timedelta(days=1)


async def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    clean_db: Database, database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_upkeep(clean_db, database_urls.app_url, lease=2.0) as upkeep:
        filled(upkeep, 12)
        await upkeep.asked()
        orders = {"app_url": database_urls.app_url, "key": upkeep.key, "page": 5, "dies_at": 2, "lease": 2.0}
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.mortal_keeper", json.dumps(orders), cwd=ROOT
        )
        assert await worker.wait() == -signal.SIGKILL
        job = await upkeep.job()
        assert (job.state, job.seen, job.created) == ("running", 5, 5)
        assert len(await upkeep.known()) == 5, "the second page went with its transaction"
        monkeypatch.setattr(steps, "PAGE", 5)

        async def ended() -> bool:
            await upkeep.keeper.work()  # nothing, until the dead worker's lease is over
            return (await upkeep.job()).state == JobState.DONE

        await until(ended)
        job = await upkeep.job()
        assert (job.seen, job.created, job.updated, job.unchanged, job.failed) == (12, 12, 0, 0, 0)
        assert job.attempt >= 2
        assert len(await upkeep.rows("SELECT DISTINCT desk_id FROM ticket_history")) == 12


async def test_a_desk_that_asks_us_to_wait_is_waited_for_and_people_pause_and_resume(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "PAGE", 5)
    filled(upkeep, 7)
    upkeep.desk.simulator.faults.add(Fault(status=429, headers={"Retry-After": "3000"}))
    asked = await upkeep.asked()
    job = await upkeep.worked()
    assert (job.state, job.tries, job.seen) == ("queued", 0, 0)
    assert job.error is not None
    assert job.error.endswith("It goes on by itself in 3000 seconds.")
    assert job.not_before > utc_now() + timedelta(minutes=30)
    await upkeep.paused(asked.id)
    upkeep.desk.simulator.faults.clear()
    assert (await upkeep.worked()).state == JobState.PAUSED
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        with pytest.raises(ConflictError, match="is open already"):
            await jobs.start(session, TENANT, JobKind.HISTORY, tool_type="servicedesk_plus", actor="test")
    await upkeep.resumed(asked.id)
    job = await upkeep.worked()
    assert (job.state, job.created, job.error) == ("done", 7, None)


async def test_a_desk_that_refuses_us_ends_the_job_in_words_and_mended_it_goes_on(upkeep: Upkeep) -> None:
    filled(upkeep, 3)
    upkeep.desk.simulator.faults.add(Fault(status=401))
    asked = await upkeep.asked()
    job = await upkeep.worked()
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert job.error.endswith("Mend it, then resume the job: it goes on where it was.")
    upkeep.desk.simulator.faults.clear()
    await upkeep.resumed(asked.id)
    job = await upkeep.worked()
    assert (job.state, job.created, job.error) == ("done", 3, None)
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        for steer in (jobs.pause, jobs.resume):
            with pytest.raises(ConflictError, match="The job is done"):
                await steer(session, asked.id, actor="test")
            with pytest.raises(NotFoundError):
                await steer(session, UUID(int=7), actor="test")


async def test_a_job_that_was_taken_over_changes_nothing(upkeep: Upkeep) -> None:
    asked = await upkeep.asked()
    stale = repository.JobClaim(TENANT, asked.id, attempt=7)
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        assert not await repository.save(session, stale, 30.0, seen=99)
    assert (await upkeep.job()).seen == 0


async def test_runs_go_first(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(upkeep, 3)

    async def is_live(_session: object) -> bool:
        return True

    monkeypatch.setattr(repository, "is_live", is_live)
    await upkeep.asked()
    job = await upkeep.worked()
    assert (job.state, job.seen) == ("queued", 0)
    assert job.not_before > job.created_at


async def test_each_night_what_changed_comes_and_what_was_deleted_goes(upkeep: Upkeep) -> None:
    filled(upkeep, 4)
    await upkeep.asked()
    await upkeep.worked()
    store = upkeep.desk.simulator.store
    del store.tickets["1000"]
    store.tickets["1001"].status = "Open"
    upkeep.desk.solve("Solved since then", "Exchanged the drum of the printer.")
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        await repository.set_history_due(session, utc_now())
    await upkeep.keeper.tend()
    job = await upkeep.worked("reconcile")
    assert (job.state, job.created, job.removed, job.error) == ("done", 1, 2, None)
    assert await upkeep.known() == {"Printer 2 jams", "Printer 3 jams", "Solved since then"}


def test_nights_are_spread_and_lie_ahead() -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    nights = {tenant: jobs.next_night(tenant, now) for tenant in ("acme", "globex", "initech")}
    assert len(set(nights.values())) == 3
    for tenant, night in nights.items():
        assert now < night < now + timedelta(days=1)
        assert jobs.next_night(tenant, night) == night + timedelta(days=1)


@pytest.mark.parametrize(
    ("words", "says_how"),
    [
        (None, False), ("", False), ("Done.", False), ("FIXED!!", False), ("Issue resolved, closing ticket.", False),
        ("Erledigt, danke.", False), ("Das Problem wurde gelöst", False), ("Résolu, merci", False), ("ok1", False),
        ("Restarted the spooler.", True), ("Treiber neu installiert.", True), ("done: replaced the toner", True),
        ("プリンターを再起動しました", True), ("\x00\ud83d", False),
    ],
)  # fmt: skip
def test_a_word_that_it_is_over_is_no_solution(words: str | None, says_how: bool) -> None:
    assert is_solution(words) is says_how


async def test_a_look_back_ends_in_time_and_tells_how_far_it_came(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(upkeep, 3)
    monkeypatch.setattr(lookback, "BUDGET_SECONDS", -1.0)
    await upkeep.asked()
    job = await upkeep.worked()
    assert (job.state, job.judged, job.answerable) == ("done", 0, 0)
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        assert await session.scalar(text("SELECT count(*) FROM ticket_history")) == 3

"""Housekeeping on a real database: what is left is read from the rows, never from the housekeeper's own account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
from cryptography.fernet import Fernet
from structlog.testing import capture_logs
from tests.conftest import DatabaseUrls, MakeTenant
from tests.support.console import running_console
from tests.support.logins import TENANT_KEY, open_pool
from tests.support.product import until
from tests.support.schedules import ScheduleBook
from tests.support.tenancy import set_process
from typer.testing import CliRunner

from deskhand.cli import app as command_line
from deskhand.cli.common import read_settings
from deskhand.engine.retention import KINDS as ALL_KINDS
from deskhand.engine.retention import Housekeeper, Retention, count_expired
from deskhand.errors import ConfigurationError
from deskhand.intake.models import WebhookDelivery
from deskhand.kit.db.session import Database
from deskhand.schedules.models import ScheduleFire

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

KINDS = tuple(kind for kind in ALL_KINDS if kind != "audit")  # the audit log: tests/audit/test_pruning.py

TENANTS = ("acme", "globex")
OLD, YOUNG = timedelta(days=180, minutes=5), timedelta(days=179, hours=23)
STATES = ("completed", "cancelled", "failed", "failed, dismissed", "waiting", "queued", "running")
PRUNED_STATES = {"completed", "cancelled", "failed, dismissed"}
NO_DELAY = (0.0, 0.0)


class History:
    """Writes history of any age and reads what is left of it, across tenants (as a superuser)."""

    def __init__(self, book: ScheduleBook) -> None:
        self.connection = book.connection
        self._book = book
        self._agents: dict[str, UUID] = {}

    async def agent(self, tenant_id: str) -> UUID:
        if tenant_id not in self._agents:
            self._agents[tenant_id] = await self._book.agent(tenant_id)
        return self._agents[tenant_id]

    async def run(self, state: str = "completed", *, age: timedelta = OLD, tenant_id: str = "acme") -> UUID:
        """A run with two steps that ended (or began, where it has not ended) so long ago."""
        execution_id, agent_id = uuid4(), await self.agent(tenant_id)
        status, _, dismissed = state.partition(", ")
        # At once: a housekeeper at work may take a run between it and its steps.
        async with self.connection.transaction():
            await self.connection.execute(
                "INSERT INTO agent_executions (id, tenant_id, agent_id, agent_version_id, status, queued_at,"
                " started_at, completed_at, dismissed_at)"
                " SELECT $1, tenant_id, agent_id, id, $3, now() - $4::interval, now() - $4::interval,"
                # Each has a time of ending: a state must be spared for what it is, not for lacking one.
                " now() - $4::interval, CASE WHEN $5 THEN now() END FROM agent_versions WHERE agent_id = $2",
                execution_id, agent_id, status, age, bool(dismissed),
            )  # fmt: skip
            await self.connection.execute(
                "INSERT INTO execution_steps (tenant_id, execution_id, step_key, attempt, kind, name)"
                " SELECT $1, $2, 'step-' || n, 1, 'tool', 'read' FROM generate_series(1, 2) n",
                tenant_id, execution_id,
            )  # fmt: skip
        return execution_id

    async def runs(self, count: int, **options: Any) -> set[UUID]:
        return {await self.run(**options) for _ in range(count)}

    async def of_the_other_kinds(self, tenant_id: str, ages: dict[str, timedelta]) -> None:
        """One row of each kind beside executions."""
        (trigger_id,) = (await self._book.schedule(await self.agent(tenant_id), "0 0 1 1 *")).ids
        statements = {
            "deliveries": "INSERT INTO webhook_deliveries (tenant_id, trigger_id, outcome, http_status, received_at)"
            " VALUES ($1, $2, 'ignored', 200, now() - $3::interval)",
            "schedule_fires": "INSERT INTO schedule_fires (tenant_id, trigger_id, fire_at)"
            " VALUES ($1, $2, now() - $3::interval)",
            "execution_starts": "INSERT INTO execution_starts (tenant_id, minute)"
            " SELECT $1, now() - $3::interval WHERE $2::uuid IS NOT NULL",
            "queue_log": "INSERT INTO pgqueuer_log (created, job_id, status, priority, entrypoint)"
            " SELECT now() - $3::interval, 1, 'successful', 0, $1 WHERE $2::uuid IS NOT NULL",
        }
        for kind, age in ages.items():
            await self.connection.execute(statements[kind], tenant_id, trigger_id, age)

    async def left(self) -> set[UUID]:
        """The runs that are there; each with both of its steps, and no step without its run."""
        rows = await self.connection.fetch(
            "SELECT coalesce(e.id, s.execution_id) AS id, e.id IS NOT NULL AS present, count(s.execution_id) AS steps"
            " FROM agent_executions e FULL JOIN execution_steps s ON s.execution_id = e.id"
            " GROUP BY e.id, s.execution_id"
        )
        assert all(row["present"] and row["steps"] >= 2 for row in rows)
        return {row["id"] for row in rows}

    async def figures(self) -> dict[str, int]:
        """Rows of each kind."""
        tables = ("agent_executions", "webhook_deliveries", "schedule_fires", "execution_starts", "pgqueuer_log")
        return {
            kind: await self.connection.fetchval(f"SELECT count(*) FROM {table}")
            for kind, table in zip(KINDS, tables, strict=True)
        }


@pytest.fixture
def history(book: ScheduleBook) -> History:
    """An empty database to be given a past."""
    return History(book)


@asynccontextmanager
async def keeping_house(pool: Pool, keep: Retention | None = None, **options: Any) -> AsyncIterator[Housekeeper]:
    """A housekeeper at work; leaving the block asks it to stop and waits until it has."""
    keeper = Housekeeper(pool, keep or Retention(), **{"first_after": NO_DELAY, "pause": 0.0, **options})
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(keeper.run())
        try:
            yield keeper
        finally:
            keeper.request_stop()


@asynccontextmanager
async def another_transaction(urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Somebody else's transaction, committed at the end of the block."""
    connection = await asyncpg.connect(urls.superuser_url)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def test_what_is_over_and_old_goes_with_its_steps_and_all_else_stays(
    history: History, pool: Pool, clean_db: Database
) -> None:
    kept, old = set(), 0
    for tenant_id in TENANTS:
        for state in STATES:
            execution_id = await history.run(state, age=OLD, tenant_id=tenant_id)
            if state in PRUNED_STATES:
                old += 1
            else:
                kept.add(execution_id)
            kept.add(await history.run(state, age=YOUNG, tenant_id=tenant_id))
    expired = await count_expired(clean_db, Retention())
    gone = await Housekeeper(pool, Retention()).prune()
    assert await history.left() == kept
    assert gone["executions"] == expired["executions"] == old == 2 * len(PRUNED_STATES)


async def test_each_kind_is_kept_for_its_own_time(history: History, pool: Pool, clean_db: Database) -> None:
    keep = {
        "deliveries": timedelta(days=30),
        "schedule_fires": timedelta(days=180),
        "execution_starts": timedelta(hours=2),
        "queue_log": timedelta(days=1),
    }
    for tenant_id in TENANTS:
        for margin in (timedelta(minutes=-2), timedelta(minutes=2)):
            await history.of_the_other_kinds(tenant_id, {kind: age + margin for kind, age in keep.items()})
    expired = await count_expired(clean_db, Retention())
    with capture_logs() as logs:
        gone = await Housekeeper(pool, Retention()).prune()
    assert gone == expired == {"executions": 0, **dict.fromkeys(keep, 2), "audit": 0}
    assert await history.figures() == {"executions": 0, **dict.fromkeys(keep, 2)}
    # A line of the log for what went, and none for what did not.
    assert [(line["kind"], line["rows"]) for line in logs] == [(kind, 2) for kind in keep]
    assert sum((await Housekeeper(pool, Retention()).prune()).values()) == 0


async def test_it_goes_batch_by_batch(history: History, pool: Pool) -> None:
    await history.runs(7)
    batches: list[int] = []
    gone = await Housekeeper(pool, Retention(), batch=3, pause=0.0).prune(lambda _, rows: batches.append(rows))
    assert (gone["executions"], batches) == (7, [3, 3, 1])
    assert await history.left() == set()


async def test_nought_keeps_for_ever(history: History, pool: Pool, clean_db: Database) -> None:
    await history.run(age=timedelta(days=4000))
    await history.of_the_other_kinds("acme", dict.fromkeys(KINDS[1:], timedelta(days=4000)))
    keep = Retention(executions_days=0, deliveries_days=0, schedule_fires_days=0, audit_days=0)
    assert await count_expired(clean_db, keep) == {"execution_starts": 1, "queue_log": 1}
    assert await Housekeeper(pool, keep).prune() == {"execution_starts": 1, "queue_log": 1}
    assert await history.figures() == {**dict.fromkeys(KINDS[:3], 1), **dict.fromkeys(KINDS[3:], 0)}


@pytest.mark.parametrize("lock", ["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE"])
async def test_a_row_in_use_is_passed_over_and_not_waited_for(
    history: History, pool: Pool, database_urls: DatabaseUrls, lock: str
) -> None:
    await history.runs(4)
    in_use = await history.run(age=OLD + timedelta(days=1))  # the oldest, so it comes first
    keeper = Housekeeper(pool, Retention(), batch=2, pause=0.0)
    async with asyncio.timeout(60), another_transaction(database_urls) as other:
        await other.execute(f"SELECT FROM agent_executions WHERE id = $1 {lock}", in_use)
        assert (await keeper.prune())["executions"] == 4
        assert await history.left() == {in_use}
    assert (await keeper.prune())["executions"] == 1
    assert await history.left() == set()


async def test_a_run_that_is_being_written_is_not_disturbed(
    history: History, pool: Pool, database_urls: DatabaseUrls
) -> None:
    written, retried, _ = await history.run(), await history.run("failed, dismissed"), await history.run()
    async with asyncio.timeout(60), another_transaction(database_urls) as other:
        await other.execute(
            "INSERT INTO execution_steps (tenant_id, execution_id, step_key, attempt, kind, name)"
            " VALUES ('acme', $1, 'late', 1, 'write', 'note')", written,
        )  # fmt: skip
        await other.execute(
            "UPDATE agent_executions SET status = 'queued', completed_at = NULL, dismissed_at = NULL WHERE id = $1",
            retried,
        )
        assert (await Housekeeper(pool, Retention()).prune())["executions"] == 1
    assert await history.left() == {written, retried}
    await Housekeeper(pool, Retention()).prune()
    assert await history.left() == {retried}


async def test_two_at_once_prune_everything_once(history: History, pool: Pool, database_urls: DatabaseUrls) -> None:
    await history.runs(60)
    kept = await history.runs(3, age=YOUNG)
    second = await open_pool(database_urls.app_url, min_size=1, max_size=1)
    gone = [0, 0]
    try:
        async with asyncio.timeout(60):
            # The one that finds the other at it leaves the kind to it: together they get everything.
            rounds = [Housekeeper(one, Retention(), batch=2, pause=0.0).prune() for one in (pool, second)]
            gone = [one["executions"] for one in await asyncio.gather(*rounds)]
    finally:
        await second.close()
    assert sum(gone) == 60
    assert await history.left() == kept


async def test_a_kind_that_another_is_pruning_is_left_to_it(
    history: History, pool: Pool, database_urls: DatabaseUrls
) -> None:
    await history.run()
    await history.of_the_other_kinds("acme", {"deliveries": OLD})
    async with asyncio.timeout(60), another_transaction(database_urls) as other:
        await set_process(other, "worker")
        await other.execute("SELECT prune_history('executions', interval '9999 days', 1)")
        gone = await Housekeeper(pool, Retention()).prune()
        assert (gone["executions"], gone["deliveries"]) == (0, 1)
    assert (await Housekeeper(pool, Retention()).prune())["executions"] == 1


async def test_a_stop_in_the_middle_ends_with_the_batch(history: History, pool: Pool) -> None:
    await history.runs(6)
    await history.of_the_other_kinds("acme", {"deliveries": OLD})
    keeper = Housekeeper(pool, Retention(), batch=2, pause=3600.0)
    async with asyncio.timeout(60):  # and does not wait for the pause of an hour
        gone = await keeper.prune(lambda *_: keeper.request_stop())
    assert (gone["executions"], gone["deliveries"]) == (2, 0)
    assert len(await history.left()) == 4


async def test_it_stops_at_once_while_it_waits_for_its_first_round(history: History, pool: Pool) -> None:
    await history.run()
    async with keeping_house(pool, first_after=(3600.0, 3600.0)):
        pass
    assert len(await history.left()) == 1


async def test_it_works_in_rounds_and_stops_between_them(history: History, pool: Pool) -> None:
    async def nothing_left() -> bool:
        return not await history.left()

    await history.run()
    async with keeping_house(pool, every=0.01):
        await until(nothing_left)
        await history.run()
        await until(nothing_left)
    await history.run()
    async with keeping_house(pool, every=3600.0):
        await until(nothing_left)


async def test_it_survives_losing_the_database(
    history: History, clean_db: Database, database_urls: DatabaseUrls
) -> None:
    await clean_db.engine.dispose()  # its idle connections are cut too
    pool = await open_pool(database_urls.app_url, min_size=1, max_size=1)

    async def connections(allowed: bool) -> None:
        # From beside it: a database cannot be closed by one who is in it.
        beside = await asyncpg.connect(database_urls.superuser_url, database="postgres")
        await beside.execute(f'ALTER DATABASE "{database_urls.name}" ALLOW_CONNECTIONS {allowed}')
        await beside.close()

    async def interrupted() -> bool:
        return any(line["event"] == "housekeeping_interrupted" for line in logs)

    async def nothing_left() -> bool:
        return not await history.left()

    try:
        with capture_logs() as logs:
            async with keeping_house(pool, every=0.01):
                await connections(False)
                try:
                    await history.connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE usename = 'deskhand_app' AND datname = current_database()"
                    )
                    await until(interrupted)
                    await history.run()
                finally:
                    await connections(True)
                await until(nothing_left)
    finally:
        await pool.close()


@pytest.mark.parametrize("days", [{"deliveries_days": 1}, {"executions_days": -1}, {"schedule_fires_days": -1}])
def test_a_retention_that_would_do_harm_is_refused(days: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="kept for"):
        Retention(**days)
    assert Retention(deliveries_days=2).periods()["deliveries"] == timedelta(days=2)


@pytest.mark.parametrize(("days", "words"), [("1", "redelivery must meet its first answer"), ("-1", "greater than")])
def test_a_setting_that_would_do_harm_is_named(monkeypatch: pytest.MonkeyPatch, days: str, words: str) -> None:
    monkeypatch.setenv("DESKHAND_KEEP_DELIVERIES_DAYS", days)
    with pytest.raises(ConfigurationError, match=f"DESKHAND_KEEP_DELIVERIES_DAYS: .*{words}"):
        read_settings()


async def test_what_names_a_run_that_is_gone_says_so(clean_db: Database, pool: Pool, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    async with running_console(clean_db, pool) as console:
        agent = await console.agent()
        ended = {"status": "failed", "completed_at": await console.now() - OLD, "dismissed_at": await console.now()}
        gone = await console.execution(agent, **ended)
        trigger_id, delivery = await console.schedule(agent, "0 0 1 1 *"), {"outcome": "accepted", "http_status": 202}
        names = {"tenant_id": "acme", "trigger_id": trigger_id, "execution_id": gone}
        async with clean_db.tenant_session("acme") as session:
            session.add(ScheduleFire(**names, fire_at=await console.now()))
            session.add(WebhookDelivery(**names, **delivery, delivery_id="msg-1"))
        heirs = [await console.execution(agent, **{link: gone}, ticket=link) for link in ("retry_of", "replay_of")]
        assert (await Housekeeper(pool, Retention()).prune())["executions"] == 1

        client, browser = await console.client(), await console.browser()
        problem = await client.get(f"/api/v1/executions/{gone}")
        assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")
        page = await browser.get(f"/executions/{gone}")
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        for action in ("retry", "dismiss", "replay", "cancel"):
            assert (await client.post(f"/api/v1/executions/{gone}/{action}", json={})).status_code == 404

        for heir in heirs:
            assert (await client.get(f"/api/v1/executions/{heir}")).is_success
        assert f'href="/executions/{gone}"' in (await browser.get(f"/executions/{heirs[0]}")).text  # to the 404 page
        assert "a run that is gone" in (await browser.get(f"/executions/{heirs[1]}")).text
        schedules = await browser.get("/schedules")
        assert schedules.is_success
        assert str(gone) not in schedules.text
        fires = await client.get(f"/api/v1/agents/{agent.id}/triggers/{trigger_id}/fires")
        assert [fire["execution_id"] for fire in fires.json()["items"]] == [str(gone)]


async def command(*arguments: str) -> str:
    """What the command line says; in a thread, because it has an event loop of its own."""
    result = await asyncio.to_thread(CliRunner().invoke, command_line, ["db", "prune", *arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


async def test_the_command_counts_and_then_prunes(
    history: History, database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESKHAND_DATABASE_URL", database_urls.app_url)
    monkeypatch.setenv("DESKHAND_DATABASE_PLATFORM_URL", database_urls.platform_url)
    monkeypatch.setenv("DESKHAND_TENANT_KEY", TENANT_KEY)
    monkeypatch.setenv("DESKHAND_ENCRYPTION_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("DESKHAND_KEEP_EXECUTIONS_DAYS", "7")
    monkeypatch.setenv("DESKHAND_KEEP_SCHEDULE_FIRES_DAYS", "0")
    young = await history.run(age=timedelta(days=6))
    await history.runs(3, age=timedelta(days=8), tenant_id="globex")
    locked = await history.run(age=timedelta(days=9))
    await history.of_the_other_kinds("acme", {"schedule_fires": OLD, "deliveries": OLD})
    before = await history.figures()

    counted = await command("--dry-run")
    assert "executions 7 days 4" in counted
    assert "deliveries 30 days 1" in counted
    assert "schedule fires ever 0" in counted
    assert await history.figures() == before

    async with another_transaction(database_urls) as other:
        await other.execute("SELECT FROM agent_executions WHERE id = $1 FOR UPDATE", locked)
        pruned = await command()
    assert "executions 7 days 3 1" in pruned  # gone, passed over
    assert "passed over is in use" in pruned
    assert await history.left() == {young, locked}

    pruned = await command()
    assert "executions 7 days 1" in pruned
    assert "passed over" not in pruned
    assert await history.left() == {young}
    assert await history.figures() == {**dict.fromkeys(KINDS, 0), "executions": 1, "schedule_fires": 1}

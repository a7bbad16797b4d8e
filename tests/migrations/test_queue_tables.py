"""PgQueuer's own view of the tables that our migration made."""

from __future__ import annotations

import asyncpg
import pytest
from pgqueuer.adapters.persistence.schema_ddl import render_trigger
from pgqueuer.db import AsyncpgDriver
from pgqueuer.domain.schema.declaration import target
from pgqueuer.queries import Queries


async def test_pgqueuer_misses_nothing_but_the_trigger_we_leave_out(server, head_database):
    connection = await asyncpg.connect(head_database("owner"))
    try:
        queries = Queries(AsyncpgDriver(connection))
        settings = queries.qbe.settings
        assert await queries.schema_is_installed()
        plan = await queries.plan_upgrade()
        wanted = [render_trigger(trigger, settings) for trigger in target(settings).triggers]
        assert [str(statement) for statement in plan.statements] == wanted
        for table in target(settings).tables:
            assert await queries.has_table(table.name)
        assert await queries.has_function(settings.function)
        assert not await queries.has_trigger(settings.trigger)
    finally:
        await connection.close()


async def test_the_application_may_use_the_queue_and_enqueueing_notifies_nobody(server, head_database):
    listener = await asyncpg.connect(head_database("app"))
    connection = await asyncpg.connect(head_database("app"))
    heard: list[str] = []
    try:
        await listener.add_listener("ch_pgqueuer", lambda *event: heard.append(event[-1]))
        queries = Queries(AsyncpgDriver(connection))
        async with connection.transaction():
            await queries.enqueue("execution", b"acme:1", 0)
        assert sum(row.count for row in await queries.queue_size()) == 1
        await connection.execute("SELECT pg_notify('ch_pgqueuer', 'ours')")
        await queries.clear_queue("execution")
        await listener.execute("SELECT 1")  # a round trip: what was sent before has arrived
        assert heard == ["ours"]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DROP TABLE pgqueuer")
    finally:
        await listener.close()
        await connection.close()

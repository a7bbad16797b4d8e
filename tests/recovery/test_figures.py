"""Figures of a database: they differ where rows do, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.conftest import DatabaseUrls

from deskhand.recovery import figures
from deskhand.recovery.figures import Found


@pytest.fixture
async def scratch(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """A superuser in a transaction that is taken back, with a table of every kind of column."""
    connection = await asyncpg.connect(database_urls.superuser_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        "CREATE TABLE kinds (id bigint GENERATED ALWAYS AS IDENTITY, words text, raw bytea, document jsonb,"
        " moment timestamptz, span interval, vector real[], exact numeric, ratio double precision, day date)"
    )
    await connection.execute(
        "INSERT INTO kinds (words, raw, document, moment, span, vector, exact, ratio, day) VALUES"
        " ('näh \"q\" \\ ,', '\\x00ff', '{\"b\": 1, \"a\": [null]}', '2026-11-29 02:00:00.123456+01', '1 month 2 days',"
        " '{0.1,-0}', 1.10, 0.1, '2026-11-29'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    )
    yield connection
    await transaction.rollback()
    await connection.close()


async def counted(connection: asyncpg.Connection) -> Found:
    return await figures.count(connection, lambda _share: None)


async def digest(connection: asyncpg.Connection) -> str:
    return (await counted(connection)).tables["kinds"].digest


async def test_every_table_is_counted_with_its_rows(scratch: asyncpg.Connection) -> None:
    shares: list[float] = []
    found = await figures.count(scratch, shares.append)
    names = {row[0] for row in await scratch.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert set(found.tables) == names
    assert {"alembic_version", "proof_keys", "pgqueuer", "agents", "kinds"} <= names
    assert found.tables["kinds"].rows == 2
    assert found.sequences["kinds_id_seq"] == 2
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE kinds SET words = words || ' ' WHERE id = 1",
        "UPDATE kinds SET words = '' WHERE id = 2",
        "UPDATE kinds SET raw = '\\x00fe' WHERE id = 1",
        'UPDATE kinds SET document = \'{"b": 1, "a": []}\' WHERE id = 1',
        "UPDATE kinds SET document = 'null' WHERE id = 2",
        "UPDATE kinds SET moment = moment + interval '1 microsecond' WHERE id = 1",
        "UPDATE kinds SET vector = '{0.1,0.2}' WHERE id = 1",
        "UPDATE kinds SET exact = 1.1 WHERE id = 1",
        "UPDATE kinds SET ratio = 0.1 + 1e-17 * 2 WHERE id = 1",
        "UPDATE kinds SET day = day + 1 WHERE id = 1",
        "DELETE FROM kinds WHERE id = 2",
        "INSERT INTO kinds (words) VALUES (NULL)",
    ],
)
async def test_a_row_that_differs_in_anything_is_seen(scratch: asyncpg.Connection, change: str) -> None:
    before = await digest(scratch)
    await scratch.execute(change)
    assert await digest(scratch) != before


async def test_the_order_of_rows_and_the_sessions_own_spelling_are_not_seen(scratch: asyncpg.Connection) -> None:
    before = await digest(scratch)
    # Written anew: the first row lies behind the second one now.
    await scratch.execute("UPDATE kinds SET day = day WHERE id = 1")
    for setting in (
        "timezone = 'Asia/Kolkata'",
        "datestyle = 'German'",
        "intervalstyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "extra_float_digits = -3",
    ):
        await scratch.execute(f"SET LOCAL {setting}")
    assert await digest(scratch) == before


async def test_two_rows_that_swap_a_value_are_seen(scratch: asyncpg.Connection) -> None:
    """A sum over columns would not: it is over whole rows."""
    await scratch.execute(
        "UPDATE kinds SET words = 'a', raw = '\\x01', day = NULL, moment = NULL, span = NULL, vector = NULL"
    )
    await scratch.execute("UPDATE kinds SET words = 'b', raw = '\\x02' WHERE id = 2")
    before = await digest(scratch)
    await scratch.execute("UPDATE kinds SET raw = CASE id WHEN 1 THEN '\\x02'::bytea ELSE '\\x01'::bytea END")
    assert await digest(scratch) != before


async def test_a_table_of_an_extension_is_its_own(scratch: asyncpg.Connection) -> None:
    await scratch.execute("ALTER EXTENSION pg_trgm ADD TABLE kinds")
    assert "kinds" not in (await counted(scratch)).tables
    assert "pg_trgm" in await figures.extensions_of(scratch)


async def test_a_table_whose_name_must_be_quoted(scratch: asyncpg.Connection) -> None:
    await scratch.execute('CREATE TABLE "odd ""name""" (a int); INSERT INTO "odd ""name""" VALUES (1)')
    assert (await counted(scratch)).tables['odd "name"'].rows == 1


async def test_whoever_was_granted_something_is_known(scratch: asyncpg.Connection) -> None:
    ours = await figures.roles_of(scratch)
    assert {"deskhand_owner", "deskhand_app", "deskhand_platform"} <= set(ours)
    assert "a_scaler" not in ours
    await scratch.execute("CREATE ROLE a_scaler; GRANT SELECT (id) ON agents TO a_scaler")
    assert set(await figures.roles_of(scratch)) - set(ours) == {"a_scaler"}


async def test_rows_that_the_owner_would_not_see_are_no_backup(scratch: asyncpg.Connection) -> None:
    assert await figures.half_seen(scratch) == []
    for change, tables in (
        ("DROP POLICY agents_platform_policy ON agents", ["agents"]),
        ("ALTER POLICY pauses_platform_policy ON pauses USING (false)", ["agents", "pauses"]),
        ("CREATE POLICY narrow ON budgets AS RESTRICTIVE USING (scope = 'x')", ["agents", "budgets", "pauses"]),
        ("ALTER TABLE kinds ENABLE ROW LEVEL SECURITY", ["agents", "budgets", "kinds", "pauses"]),
    ):
        await scratch.execute(change)
        assert await figures.half_seen(scratch) == tables

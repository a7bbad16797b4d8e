"""The scan: a word is found in whichever column of whichever table of a tenant it stands, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import String, Text
from tests.conftest import DatabaseUrls
from tests.tenancy.conftest import seed

import deskhand.models  # noqa: F401  (fills the registry)
from deskhand.erasure.scan import FOUND, LEAST_CHARACTERS, ensure_telling, mentions, tenant_tables
from deskhand.erasure.tenant import _named_elsewhere
from deskhand.errors import InvalidInputError
from deskhand.kit.db.base import Base
from deskhand.kit.db.session import Database

WORD = "jane.canary@example.com"


@pytest.fixture
async def seeded(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """Two tenants with a row in every table; a superuser whom no trigger stops."""
    await seed(database_urls.superuser_url)
    connection = await asyncpg.connect(database_urls.superuser_url)
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


def places() -> list[tuple[str, str, str]]:
    """A column of words of each table that has one, and how the word stands in it."""
    found = []
    for table in sorted(tenant_tables()):
        for column in Base.metadata.tables[table].columns:
            if column.computed is not None or column.name == "tenant_id" or column.primary_key or column.foreign_keys:
                continue
            if isinstance(column.type, JSONB):
                found.append((table, column.name, f"jsonb_build_object('deep', jsonb_build_array('{WORD.upper()}'))"))
            elif isinstance(column.type, Text) or (
                isinstance(column.type, String) and (column.type.length or 0) >= 100
            ):
                found.append((table, column.name, f"'about {WORD}.'"))
            elif isinstance(column.type, ARRAY) and isinstance(column.type.item_type, Text):
                found.append((table, column.name, f"ARRAY['x', '{WORD}']"))
    return found


PLACES = places()


def test_there_are_words_in_nearly_every_table() -> None:
    without = set(tenant_tables()) - {table for table, _, _ in PLACES}
    counts_and_times = {"execution_starts", "memberships", "notification_choices"}
    # What belongs to no person by itself: figures, and who is told of what.
    assert without <= counts_and_times | {
        *("schedule_fires", "budget_use", "alert_conditions", "desk_companies", "approval_notices")
    }


async def test_a_word_is_found_in_every_column_that_can_hold_one(seeded: asyncpg.Connection) -> None:
    missed = []
    for table, column, value in PLACES:
        transaction = seeded.transaction()
        await transaction.start()
        # A column that may hold a few words alone could hold no person; with its rule away all are asked alike.
        for rule in await seeded.fetch(
            "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'c'", table
        ):
            await seeded.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{rule[0]}"')
        await seeded.execute(f"UPDATE {table} SET {column} = {value} WHERE tenant_id = 'acme'")
        found = FOUND.format(row="t").replace(":words", "$1")
        if await seeded.fetchval(f"SELECT count(*) FROM {table} t WHERE {found}", ["no such word", WORD]) != 1:
            missed.append((table, column))
        await transaction.rollback()
    assert missed == []
    assert len(PLACES) > 80, "most columns are words"


async def test_other_tenants_are_not_looked_at(seeded: asyncpg.Connection, clean_db: Database) -> None:
    await seeded.execute(f"UPDATE agents SET description = '{WORD}' WHERE tenant_id = 'globex'")
    async with clean_db.platform_session() as session:
        assert await mentions(session, "acme", [WORD]) == {}
        assert await mentions(session, "globex", [WORD]) == {"agents": 1}
        assert await mentions(session, "nobody", [WORD]) == {}


@pytest.mark.parametrize(
    ("stored", "word", "found"),
    [
        ("Grüße von Jürgen Groß", "jürgen groß", True),
        ("JÜRGEN GROSS", "Jürgen Gross", True),
        ("100%_sure", "100%_sure", True),
        ("100 percent sure", "100%_sure", False),
        ("it's O'Brien", "o'brien", True),
        ("Jane  Doe", "Jane Doe", False),
        ("x, y; z", "x, y;", True),
        ("漢字の名前です", "漢字の名前", True),
    ],
)
async def test_words_are_taken_as_they_are_written_in_any_case_of_letters(
    seeded: asyncpg.Connection, clean_db: Database, stored: str, word: str, found: bool
) -> None:
    await seeded.execute("UPDATE agents SET description = $1 WHERE tenant_id = 'acme'", stored)
    async with clean_db.platform_session() as session:
        assert (await mentions(session, "acme", ["no such word", word]) == {"agents": 1}) is found


@pytest.mark.parametrize("word", ["ann", "a" * (LEAST_CHARACTERS - 1), 'Jane "JD" Doe', "back\\slash", " ab "])
def test_a_word_by_which_others_would_be_found_is_refused(word: str) -> None:
    with pytest.raises(InvalidInputError):
        ensure_telling(["jane@example.com", word])


def test_blanks_around_a_word_are_no_part_of_it_and_empty_ones_are_left_out() -> None:
    assert ensure_telling([" jane@example.com ", "", "  "]) == ["jane@example.com"]
    with pytest.raises(InvalidInputError, match="Say who"):
        ensure_telling(["", " "])


def test_what_names_a_tenant_under_another_name_is_known() -> None:
    assert set(_named_elsewhere()) == {
        ("user_sessions", "current_tenant"),
        ("password_links", "vouched_in"),
        ("user_identities", "vouched_in"),
    }


def test_children_come_before_their_parents() -> None:
    order = tenant_tables()
    for child, parent in (
        ("execution_steps", "agent_executions"),
        ("agent_executions", "agent_versions"),
        ("agent_versions", "agents"),
        ("enhancement_feedback", "enhancement_history"),
        ("agents", "tenant_configs"),
    ):
        assert order.index(child) < order.index(parent)

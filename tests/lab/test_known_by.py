"""What the tenant knows, as it was known at a time: nothing that came or changed later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import search
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.models import KnowledgeArticle, SystemInventory, TicketHistory
from deskhand.lab import repository

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(days=1), NOW + timedelta(days=1)
PROBLEM = "Laser printer PRN-204 stops with paper jam E-4711"
WORDS = LexicalOnly()


def solved(name: str, resolved: datetime | None, opened: datetime | None = None) -> TicketHistory:
    return TicketHistory(
        tenant_id="acme", ticket_id=name, desk_id=f"9-{name}", subject=PROBLEM, description=PROBLEM, resolution=name,
        resolved_date=resolved, opened_at=opened,
    )  # fmt: skip


def article(name: str, at: datetime, created: datetime = BEFORE) -> KnowledgeArticle:
    return KnowledgeArticle(
        tenant_id="acme", article_id=name, title=PROBLEM, body=PROBLEM, created_at=created, updated_at=at
    )


def system(name: str, at: datetime) -> SystemInventory:
    return SystemInventory(tenant_id="acme", hostname=name, attributes={"aliases": ["PRN-204"]}, updated_at=at)


@pytest.fixture
async def session(clean_db: Database, make_tenant) -> AsyncIterator[AsyncSession]:
    """A tenant that knows things of before, of then and of after."""
    await make_tenant("acme")
    async with clean_db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add_all([
            solved("before", BEFORE),
            solved("then", NOW),
            solved("after", AFTER),
            solved("never", None),
            solved("odd", BEFORE, AFTER),
            article("KB-1", BEFORE),
            article("KB-2", NOW),
            # It was there, and nobody knows any more what it said.
            article("KB-3", AFTER),
            system("prn-204", BEFORE),
            system("prn-204-new", AFTER),
        ])  # fmt: skip
        await session.flush()
        yield session


async def test_only_what_was_solved_by_then_votes(session: AsyncSession) -> None:
    then = await search.nearest_history(session, PROBLEM, embedder=WORDS, solved_before=NOW)
    assert [hit.ticket_id for hit in then] == ["before"]
    now = await search.nearest_history(session, PROBLEM, embedder=WORDS)
    assert {hit.ticket_id for hit in now} == {"before", "then", "after", "never", "odd"}


async def test_only_articles_that_are_as_they_were_are_found_and_read(session: AsyncSession) -> None:
    then = await search.search_articles(session, PROBLEM, embedder=WORDS, floor=0.0, known_by=NOW)
    assert [hit.article_id for hit in then] == ["KB-1"]
    assert len(await search.search_articles(session, PROBLEM, embedder=WORDS, floor=0.0)) == 3
    read = {name: await search.read_article(session, name, known_by=NOW) for name in ("KB-1", "KB-2", "KB-3")}
    assert [name for name, hit in read.items() if hit] == ["KB-1"]
    assert await search.read_article(session, "KB-3") is not None


async def test_only_systems_that_are_as_they_were_are_named(session: AsyncSession) -> None:
    then = await search.find_systems(session, PROBLEM, known_by=NOW)
    assert [hit.hostname for hit in then] == ["prn-204"]
    assert {hit.hostname for hit in await search.find_systems(session, PROBLEM)} == {"prn-204", "prn-204-new"}


async def test_a_solution_counts_where_it_was_known_by_then(session: AsyncSession) -> None:
    named = ["KB-1", "KB-3", "before", "after", "9-before", "nothing"]
    assert await repository.known_by(session, named, NOW) == ["KB-1", "before"]
    assert await repository.known_by(session, [], NOW) == []

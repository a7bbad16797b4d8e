"""Every query of the shelves. Private to them; runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.knowledge.models import KnowledgeArticle, TicketHistory


def _holding(words: str, *columns: Any) -> Any:
    # As text and not as a pattern: what people type has percent signs and underscores in it.
    return or_(*(func.strpos(func.lower(column), words.lower()) > 0 for column in columns))


async def list_articles(
    session: AsyncSession, *, q: str | None, audience: str | None, limit: int, cursor: str | None
) -> Page[KnowledgeArticle]:
    """Articles, by their ids."""
    a = KnowledgeArticle
    query = select(a).order_by(a.article_id, a.id).limit(limit + 1)
    if q:
        query = query.where(_holding(q, a.article_id, a.title))
    if audience:
        query = query.where(a.audience == audience)
    if position := decode_cursor(cursor, str, UUID):
        query = query.where(tuple_(a.article_id, a.id) > position)
    rows = list(await session.scalars(query))
    return cut_page(rows, limit, lambda one: (one.article_id, one.id))


async def article(session: AsyncSession, row_id: UUID, *, lock: bool = False) -> KnowledgeArticle | None:
    """The article of that row; held until the transaction ends where it is to be changed."""
    query = select(KnowledgeArticle).where(KnowledgeArticle.id == row_id)
    return await session.scalar(query.with_for_update() if lock else query)


async def find_article(session: AsyncSession, article_id: str) -> KnowledgeArticle | None:
    """The article of that id; held until the transaction ends, because it is about to be changed."""
    query = select(KnowledgeArticle).where(KnowledgeArticle.article_id == article_id).with_for_update()
    return await session.scalar(query)


async def articles_of(session: AsyncSession, source: str) -> Sequence[KnowledgeArticle]:
    """Articles of one source, by their ids."""
    query = select(KnowledgeArticle).where(KnowledgeArticle.source == source).order_by(KnowledgeArticle.article_id)
    return (await session.scalars(query)).all()


async def add_article(session: AsyncSession, **values: Any) -> KnowledgeArticle | None:
    """A new article; None where its id is taken."""
    statement = insert(KnowledgeArticle).values(**values).on_conflict_do_nothing().returning(KnowledgeArticle)
    return await session.scalar(statement)


async def list_history(
    session: AsyncSession, *, q: str | None, tool_type: str | None, limit: int, cursor: str | None
) -> Page[TicketHistory]:
    """Solved tickets, the one that came in last first."""
    t = TicketHistory
    query = select(t).order_by(t.created_at.desc(), t.id.desc()).limit(limit + 1)
    if q:
        query = query.where(_holding(q, t.ticket_id, t.subject))
    if tool_type:
        query = query.where(t.tool_type == tool_type)
    if position := decode_cursor(cursor, datetime, UUID):
        query = query.where(tuple_(t.created_at, t.id) < position)
    rows = list(await session.scalars(query))
    return cut_page(rows, limit, lambda one: (one.created_at, one.id))


async def solved_ticket(session: AsyncSession, row_id: UUID) -> TicketHistory | None:
    """The ticket of that row, as it came in."""
    return await session.scalar(select(TicketHistory).where(TicketHistory.id == row_id))


async def remove(session: AsyncSession, model: type[KnowledgeArticle | TicketHistory], row_id: UUID) -> None:
    """Delete a row."""
    await session.execute(delete(model).where(model.id == row_id))

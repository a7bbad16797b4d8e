"""Every query of verdicts. Private to them; runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.knowledge.models import EnhancementFeedback
from deskhand.knowledge.verdicts.schemas import VerdictQuery
from deskhand.tenants.models import EnhancementHistory


async def find_note(session: AsyncSession, execution_id: UUID) -> EnhancementHistory | None:
    """What a run wrote, if it wrote a note."""
    e = EnhancementHistory
    return await session.scalar(select(e).where(e.id == execution_id, e.status == "completed"))


async def put(session: AsyncSession, values: dict[str, Any]) -> EnhancementFeedback:
    """Keep a verdict; of one voice on one note the last one counts."""
    statement = insert(EnhancementFeedback).values(**values)
    replaced = {name: statement.excluded[name] for name in ("feedback_type", "rating_value", "feedback_comment")}
    statement = statement.on_conflict_do_update(
        index_elements=["tenant_id", "enhancement_id", "technician_email"],
        index_where=text("enhancement_id IS NOT NULL"),
        set_={**replaced, "created_at": func.now()},
    )
    rows = await session.scalars(
        statement.returning(EnhancementFeedback), execution_options={"populate_existing": True}
    )
    return rows.one()


async def of_note(session: AsyncSession, execution_id: UUID) -> Sequence[EnhancementFeedback]:
    """Verdicts on one note, the newest first."""
    f = EnhancementFeedback
    query = select(f).where(f.enhancement_id == execution_id).order_by(f.created_at.desc(), f.id.desc())
    return (await session.scalars(query)).all()


async def with_notes(session: AsyncSession, executions: Collection[UUID]) -> Sequence[UUID]:
    """Those of these runs that wrote a note."""
    e = EnhancementHistory
    return (await session.scalars(select(e.id).where(e.id.in_(executions), e.status == "completed"))).all()


async def of_notes(session: AsyncSession, executions: Collection[UUID]) -> Sequence[EnhancementFeedback]:
    """Verdicts on the notes of these runs, the newest first."""
    f = EnhancementFeedback
    query = select(f).where(f.enhancement_id.in_(executions)).order_by(f.created_at.desc(), f.id.desc())
    return (await session.scalars(query)).all()


async def list_verdicts(session: AsyncSession, wanted: VerdictQuery) -> Page[EnhancementFeedback]:
    """Verdicts, the newest first."""
    f = EnhancementFeedback
    query = select(f).order_by(f.created_at.desc(), f.id.desc()).limit(wanted.limit + 1)
    if wanted.feedback_type is not None:
        query = query.where(f.feedback_type == wanted.feedback_type)
    if wanted.ticket_id is not None:
        query = query.where(f.ticket_id == wanted.ticket_id)
    if position := decode_cursor(wanted.cursor, datetime, UUID):
        query = query.where(tuple_(f.created_at, f.id) < position)
    rows = list(await session.scalars(query))
    return cut_page(rows, wanted.limit, lambda one: (one.created_at, one.id))

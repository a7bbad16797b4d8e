"""Every query of tool sources. Private to this feature; runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from deskhand.connectors.models import ToolSource
from deskhand.errors import ConflictError


async def list_rows(session: AsyncSession) -> Sequence[ToolSource]:
    """Every source, by slug; there are a few."""
    return (await session.scalars(select(ToolSource).order_by(ToolSource.slug))).all()


async def count_rows(session: AsyncSession) -> int:
    """How many there are."""
    return (await session.scalar(select(func.count()).select_from(ToolSource))) or 0


async def find_row(session: AsyncSession, slug: str, *, for_update: bool = False) -> ToolSource | None:
    """The source of that slug."""
    query = select(ToolSource).where(ToolSource.slug == slug)
    if for_update:
        # With the document, from which operations that are switched on are made ready.
        query = query.with_for_update().options(undefer(ToolSource.document))
    return (await session.scalars(query)).one_or_none()


async def add_row(session: AsyncSession, source: ToolSource) -> None:
    """Insert one.

    Raises:
        ConflictError: The slug is taken.
    """
    session.add(source)
    try:
        await session.flush()
    except IntegrityError as error:
        # Asked by inserting: a look beforehand would let two requests of one moment both see the slug free.
        raise ConflictError(f"There is a tool source '{source.slug}' already.") from error
    await session.refresh(source)

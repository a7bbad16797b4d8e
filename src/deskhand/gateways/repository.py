"""Every query of connections to models. Private to this feature; runs in a tenant session, or a platform session."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import ConflictError
from deskhand.gateways.models import ModelConnection, SharedModelConnection

Connection = ModelConnection | SharedModelConnection


async def list_own(session: AsyncSession) -> Sequence[ModelConnection]:
    """The tenant's, by slug; there are a few."""
    return (await session.scalars(select(ModelConnection).order_by(ModelConnection.slug))).all()


async def list_shared(session: AsyncSession, tenant_id: str | None) -> Sequence[SharedModelConnection]:
    """The platform's that a tenant may use, or all of them, by slug."""
    query = select(SharedModelConnection).order_by(SharedModelConnection.slug)
    if tenant_id is not None:
        tenants = SharedModelConnection.tenants
        query = query.where(or_(tenants.is_(None), tenants.contains([tenant_id])))
    return (await session.scalars(query)).all()


async def find(session: AsyncSession, slug: str, *, shared: bool) -> Connection | None:
    """The connection of that slug, locked: it is read to be changed."""
    if shared:
        chosen = select(SharedModelConnection).where(SharedModelConnection.slug == slug)
        return (await session.scalars(chosen.with_for_update())).one_or_none()
    query = select(ModelConnection).where(ModelConnection.slug == slug).with_for_update()
    return (await session.scalars(query)).one_or_none()


async def count(session: AsyncSession, *, shared: bool) -> int:
    """How many there are, of the session's tenant or of the platform."""
    model = SharedModelConnection if shared else ModelConnection
    return (await session.scalar(select(func.count()).select_from(model))) or 0


async def no_other_default(session: AsyncSession, *, shared: bool) -> None:
    """Let none be the default, before another becomes it."""
    model = SharedModelConnection if shared else ModelConnection
    await session.execute(update(model).where(model.is_default).values(is_default=False))


async def add(session: AsyncSession, row: Connection) -> None:
    """Insert one.

    Raises:
        ConflictError: The slug is taken.
    """
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        # Asked by inserting: a look beforehand would let two requests of one moment both see the slug free.
        raise ConflictError(f"There is a model connection '{row.slug}' already.") from error
    await session.refresh(row)

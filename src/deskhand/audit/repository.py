"""Queries of the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit.filters import AuditFilters
from deskhand.audit.models import AuditLog

BATCH = 1000


async def lock_chain(session: AsyncSession, tenant_id: str) -> None:
    """Let one transaction at a time append to a tenant's chain; released when the transaction ends.

    A process that freezes or is cut off with the lock in its hand would stop everything the tenant does, for as long as
    the server believes in the connection; so the server ends a transaction that is idle for 5 s from here on.
    """
    await session.execute(
        text(
            "SELECT set_config('idle_in_transaction_session_timeout', '5s', true),"
            " pg_advisory_xact_lock(hashtextextended('deskhand.audit/' || :tenant_id, 0))"
        ),
        {"tenant_id": tenant_id},
    )


async def last_entry(session: AsyncSession, tenant_id: str) -> tuple[bytes | None, datetime]:
    """Hash of the newest entry, and the database's clock.

    A statement of its own after ``lock_chain``: under READ COMMITTED each statement takes a new
    snapshot, so this one sees what the lock's former holder committed.
    """
    row = (
        await session.execute(
            text(
                "SELECT (SELECT entry_hash FROM audit_log WHERE tenant_id = :tenant_id"
                " ORDER BY sequence DESC LIMIT 1), clock_timestamp()"
            ),
            {"tenant_id": tenant_id},
        )
    ).one()
    return row[0], row[1]


async def append(session: AsyncSession, entry: AuditLog) -> None:
    """Insert an entry; the database gives it its sequence number."""
    session.add(entry)
    await session.flush()


async def in_order(session: AsyncSession) -> AsyncIterator[AuditLog]:
    """Every entry the session may see, tenant by tenant, in the order of its chain."""
    query = select(AuditLog).order_by(AuditLog.tenant_id, AuditLog.sequence)
    # Streamed: a log of years does not fit into the memory of a command.
    entries = await session.stream_scalars(query.execution_options(yield_per=BATCH))
    async for entry in entries:
        yield entry


async def newest_first(
    session: AsyncSession, tenant_id: str, filters: AuditFilters, *, before: int | None, limit: int
) -> Sequence[AuditLog]:
    """A tenant's entries, from the newest or from an entry's sequence number back."""
    query = _fitting(tenant_id, filters).order_by(AuditLog.sequence.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditLog.sequence < before)
    return (await session.execute(query)).scalars().all()


async def oldest_first(
    session: AsyncSession, tenant_id: str, filters: AuditFilters, *, after: int, limit: int = BATCH
) -> Sequence[AuditLog]:
    """A tenant's entries in the order of the chain, after a sequence number."""
    query = _fitting(tenant_id, filters).where(AuditLog.sequence > after).order_by(AuditLog.sequence).limit(limit)
    return (await session.execute(query)).scalars().all()


async def actors(
    session: AsyncSession, tenant_id: str, operations: Collection[str], *, execution_id: str, since: datetime
) -> set[str]:
    """Who did any of these with one run: to the run itself, or so that it began."""
    is_of_run = (AuditLog.resource_id == execution_id) | (AuditLog.details["execution_id"].astext == execution_id)
    query = select(AuditLog.actor).where(
        AuditLog.tenant_id == tenant_id, AuditLog.created_at >= since, AuditLog.operation.in_(operations), is_of_run
    )
    return set((await session.execute(query)).scalars())


def _fitting(tenant_id: str, filters: AuditFilters) -> Select[AuditLog]:
    query = select(AuditLog).where(AuditLog.tenant_id == tenant_id)
    for name in ("actor", "operation", "resource_type", "resource_id", "status"):
        value = getattr(filters, name)
        if value is not None:
            query = query.where(getattr(AuditLog, name) == value)
    if filters.since is not None:
        query = query.where(AuditLog.created_at >= filters.since)
    if filters.until is not None:
        # Half open, so that two exports of neighbouring months share no entry.
        query = query.where(AuditLog.created_at < filters.until)
    return query

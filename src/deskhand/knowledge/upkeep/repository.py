"""Every query of the upkeep. Private to it; all but the claims run inside a tenant session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Row, and_, delete, exists, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.models import AgentExecution
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.knowledge.audience import Audience
from deskhand.knowledge.identity import DESK_SOURCE
from deskhand.knowledge.models import KnowledgeArticle, SystemInventory, TicketHistory
from deskhand.knowledge.upkeep.models import EPOCH, OPEN_STATES, HistoryRefresh, JobKind, JobState, KnowledgeJob
from deskhand.tenants.models import TenantConfig

MOST_TENANTS = 50
_REFRESH_LEASE = timedelta(minutes=2)
"""How long a ticket that one worker looks at is left alone by the others."""


@dataclass(frozen=True, slots=True)
class JobClaim:
    """A job that this worker holds; ``attempt`` fences whoever held it before."""

    tenant_id: str
    id: UUID
    attempt: int


async def claim(pool: asyncpg.Pool[asyncpg.Record], lease: float) -> JobClaim | None:
    """Take one job that may go on."""
    row = await pool.fetchrow("SELECT * FROM claim_knowledge_job($1)", lease)
    return None if row is None else JobClaim(row["tenant_id"], row["id"], row["attempt"])


async def tenants_due(pool: asyncpg.Pool[asyncpg.Record]) -> list[str]:
    """Tenants whose desks are to be asked for their history."""
    return [row["tenant_id"] for row in await pool.fetch("SELECT * FROM tenants_due_history($1)", MOST_TENANTS)]


async def tenants_to_refresh(pool: asyncpg.Pool[asyncpg.Record]) -> list[str]:
    """Tenants with tickets to look at."""
    return [row["tenant_id"] for row in await pool.fetch("SELECT * FROM tenants_to_refresh($1)", MOST_TENANTS)]


async def tenant_of(session: AsyncSession, *, lock: bool = False) -> TenantConfig | None:
    """The session's tenant."""
    query = select(TenantConfig)
    # NO KEY UPDATE: rows that refer to the tenant, of events that come in, do not wait for us.
    return await session.scalar(query.with_for_update(key_share=True) if lock else query)


async def set_history_due(session: AsyncSession, at: datetime) -> None:
    """When the tenant's desks are next asked."""
    # Not through the model: its updated_at is what people changed, and the console compares it.
    await session.execute(text("UPDATE tenant_configs SET history_due_at = :at"), {"at": at})


# -- jobs ----------------------------------------------------------------------------------------


async def job(session: AsyncSession, job_id: UUID, *, lock: bool = False) -> KnowledgeJob | None:
    """The job of that id, held until the transaction ends where it is to be moved."""
    query = select(KnowledgeJob).where(KnowledgeJob.id == job_id)
    return await session.scalar(query.with_for_update() if lock else query)


async def add_job(session: AsyncSession, **values: Any) -> KnowledgeJob | None:
    """A new job; None where one of its kind is open for the desk."""
    statement = insert(KnowledgeJob).values(**values).on_conflict_do_nothing().returning(KnowledgeJob)
    return await session.scalar(statement)


async def has_history(session: AsyncSession, tool_type: str) -> bool:
    """Whether the desk's history was read to its end by a job, or one is at it."""
    k = KnowledgeJob
    states = [*OPEN_STATES, JobState.DONE]
    query = select(k.id).where(k.kind == JobKind.HISTORY, k.tool_type == tool_type, k.state.in_(states)).limit(1)
    return await session.scalar(query) is not None


async def is_open(session: AsyncSession, job: KnowledgeJob) -> bool:
    """Whether a job of the same kind is open for the same desk."""
    k = KnowledgeJob
    same = and_(k.kind == job.kind, k.tool_type.is_not_distinct_from(job.tool_type))
    return await session.scalar(select(k.id).where(same, k.state.in_(OPEN_STATES)).limit(1)) is not None


async def hold_open(session: AsyncSession, kind: JobKind) -> bool:
    """Keep the tenant's open job of a kind from ending before this transaction has; whether there is one."""
    k = KnowledgeJob
    query = select(k.id).where(k.kind == kind, k.state.in_(OPEN_STATES)).with_for_update()
    return await session.scalar(query) is not None


async def list_jobs(
    session: AsyncSession, *, kind: JobKind | None, state: JobState | None, limit: int, cursor: str | None
) -> Page[KnowledgeJob]:
    """Jobs, newest first."""
    k = KnowledgeJob
    query = select(k).order_by(k.created_at.desc(), k.id.desc()).limit(limit + 1)
    if kind is not None:
        query = query.where(k.kind == kind)
    if state is not None:
        query = query.where(k.state == state)
    if position := decode_cursor(cursor, datetime, UUID):
        query = query.where(tuple_(k.created_at, k.id) < position)
    rows = list(await session.scalars(query))
    return cut_page(rows, limit, lambda one: (one.created_at, one.id))


async def save(session: AsyncSession, claimed: JobClaim, lease: float, **values: Any) -> bool:
    """Write what a worker did on its job; False where the job is no longer its own, or was paused."""
    k = KnowledgeJob
    held = {"lease_until": func.clock_timestamp() + timedelta(seconds=lease), "updated_at": func.clock_timestamp()}
    statement = (
        update(k)
        .where(k.id == claimed.id, k.attempt == claimed.attempt, k.state == JobState.RUNNING)
        .values({**held, **values})
        .returning(k.id)
    )
    return await session.scalar(statement) is not None


async def is_live(session: AsyncSession) -> bool:
    """Whether a run of the tenant is at work or could be."""
    x = AgentExecution
    due = and_(x.status == "queued", or_(x.not_before.is_(None), x.not_before <= func.now()))
    return await session.scalar(select(x.id).where(or_(x.status == "running", due)).limit(1)) is not None


async def newest_cursor(session: AsyncSession, kind: JobKind) -> str | None:
    """Where the newest job of a kind is, or ended; None before the first."""
    k = KnowledgeJob
    query = select(k.cursor).where(k.kind == kind).order_by(k.created_at.desc(), k.id.desc()).limit(1)
    return await session.scalar(query)


async def begin_anew(
    session: AsyncSession,
    tenant_id: str,
    kind: JobKind,
    *,
    by: str,
    tool_type: str | None = None,
    cursor: str | None = None,
) -> None:
    """Queue a job from its very beginning; one of its kind that is open begins again, and its worker loses it."""
    k = KnowledgeJob
    since = None if tool_type is None else EPOCH
    anew = (
        update(k)
        .where(k.kind == kind, k.tool_type.is_not_distinct_from(tool_type), k.state.in_(OPEN_STATES))
        .values(
            {
                **{"since": since, "cursor": cursor, "state": JobState.QUEUED, "attempt": k.attempt + 1},
                **{"lease_until": None, "not_before": func.clock_timestamp(), "tries": 0, "error": None},
            }
        )
        .returning(k.id)
    )
    if await session.scalar(anew) is None:
        await add_job(
            session, tenant_id=tenant_id, kind=kind, tool_type=tool_type, since=since, cursor=cursor, asked_by=by
        )


# -- what boundaries keep out --------------------------------------------------------------------

_OF_WHOM: dict[str, Any] = {
    "ticket_history": TicketHistory,
    "knowledge_articles": KnowledgeArticle,
    "system_inventory": SystemInventory,
}
_TRAITS = ("id", "tool_type", "company_id", "company_name", "category", "tags")


async def rows_after(session: AsyncSession, table: str, place: str | None, limit: int) -> Sequence[Any]:
    """What rows say of whose they are, in the order of their ids."""
    t = _OF_WHOM[table]
    columns = [getattr(t, name) for name in _TRAITS if hasattr(t, name)]
    query = select(*columns).order_by(t.id).limit(limit)
    if place is not None:
        query = query.where(t.id > UUID(place))
    return (await session.execute(query)).mappings().all()


async def delete_rows(session: AsyncSession, table: str, ids: Sequence[UUID]) -> None:
    """Take rows out."""
    if ids:
        await session.execute(delete(_OF_WHOM[table]).where(_OF_WHOM[table].id.in_(ids)))


async def desks_of_history(session: AsyncSession) -> Sequence[str]:
    """Desks that told tickets of the history themselves."""
    t = TicketHistory
    query = select(t.tool_type).where(t.source == DESK_SOURCE).distinct().order_by(t.tool_type)
    return (await session.scalars(query)).all()


# -- single tickets ------------------------------------------------------------------------------


async def take_refreshes(session: AsyncSession, limit: int) -> list[HistoryRefresh]:
    """Tickets that are due; others leave them alone for a while."""
    r = HistoryRefresh
    due = (
        select(r.tool_type, r.ticket_id)
        .where(r.due_at <= func.clock_timestamp())
        .order_by(r.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(r)
        .where(tuple_(r.tool_type, r.ticket_id).in_(due))
        .values(due_at=func.clock_timestamp() + _REFRESH_LEASE)
        .returning(r)
    )
    return list(await session.scalars(statement))


async def end_refresh(session: AsyncSession, looked: HistoryRefresh) -> None:
    """A ticket was looked at; one that was reported again meanwhile is looked at once more."""
    r = HistoryRefresh
    same = and_(r.tool_type == looked.tool_type, r.ticket_id == looked.ticket_id)
    await session.execute(delete(r).where(same, r.asks == looked.asks))
    await session.execute(update(r).where(same).values(due_at=func.clock_timestamp()))


async def put_off(session: AsyncSession, looked: HistoryRefresh, wait: timedelta, error: str) -> None:
    """A ticket could not be looked at; again after a while."""
    r = HistoryRefresh
    await session.execute(
        update(r)
        .where(r.tool_type == looked.tool_type, r.ticket_id == looked.ticket_id)
        .values(tries=looked.tries + 1, due_at=func.clock_timestamp() + wait, error=error)
    )


def _of_desk(tool_type: str, ticket_id: str) -> Any:
    t = TicketHistory
    # A file's row has only a number, which on some desks is another ticket's id: it counts where the desk itself wrote.
    own = and_(t.ticket_id == ticket_id, t.desk_id.is_(None), t.source == DESK_SOURCE)
    return and_(t.tool_type == tool_type, or_(t.desk_id == ticket_id, own))


async def drop_ticket(session: AsyncSession, tool_type: str, ticket_id: str) -> int:
    """Take a ticket out of the history, by its desk's stable id."""
    gone = await session.execute(
        delete(TicketHistory).where(_of_desk(tool_type, ticket_id)).returning(TicketHistory.id)
    )
    return len(gone.all())


async def had_runs(session: AsyncSession, tool_type: str, ticket_id: str) -> bool:
    """Whether an agent was called to a ticket, so that somebody will ask how it went."""
    e = AgentExecution
    runs = exists().where(e.tool_type == tool_type, e.ticket_ref == ticket_id, e.mode == "live")
    return bool(await session.scalar(select(runs)))


async def tell_how_it_went(
    session: AsyncSession, tool_type: str, ticket_id: str, *, touched_at: datetime | None, reopened: bool | None
) -> None:
    """Keep with a ticket of the history when it was first touched, and whether it was opened again."""
    went = {"touched_at": touched_at, "reopened": reopened}
    await session.execute(update(TicketHistory).where(_of_desk(tool_type, ticket_id)).values(**went))


async def to_check(session: AsyncSession, tool_type: str, *, before: datetime, limit: int) -> Sequence[Any]:
    """Tickets that the desk was not asked about lately, the longest first."""
    t = TicketHistory
    query = (
        select(t.id, func.coalesce(t.desk_id, t.ticket_id).label("desk_id"))
        .where(t.tool_type == tool_type, t.source == DESK_SOURCE)
        .where(or_(t.checked_at.is_(None), t.checked_at < before))
        .order_by(t.checked_at.nulls_first(), t.id)
        .limit(limit)
    )
    return (await session.execute(query)).all()


async def mark_checked(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """The desk still has these, solved."""
    statement = text("UPDATE ticket_history SET checked_at = clock_timestamp() WHERE id = ANY(CAST(:ids AS uuid[]))")
    await session.execute(statement, {"ids": list(ids)})


async def count_of_desk(session: AsyncSession, tool_type: str) -> int:
    """How many tickets the history has from the desk itself."""
    t = TicketHistory
    query = select(func.count()).select_from(t).where(t.tool_type == tool_type, t.source == DESK_SOURCE)
    return await session.scalar(query) or 0


async def newest_solved(session: AsyncSession, tool_type: str, limit: int) -> Sequence[Any]:
    """The tickets that were solved last."""
    t = TicketHistory
    query = (
        select(t.ticket_id, t.desk_id, t.subject, t.description, t.opened_at, t.resolved_date)
        .where(t.tool_type == tool_type, t.resolved_date.is_not(None))
        .order_by(t.resolved_date.desc(), t.ticket_id)
        .limit(limit)
    )
    return (await session.execute(query)).all()


# -- vectors -------------------------------------------------------------------------------------

_EMBEDDED: dict[str, Any] = {"ticket_history": TicketHistory, "knowledge_articles": KnowledgeArticle}


def _without_vector(table: Any, model: str) -> list[Any]:
    foreign = table.embedding_model.is_distinct_from(model)
    # Of what nobody finds no vector is made.
    return [foreign, table.audience != Audience.RESTRICTED] if table is KnowledgeArticle else [foreign]


async def count_foreign_vectors(session: AsyncSession, model: str) -> int:
    """Rows whose vector another model made, or nobody."""
    counts = [
        await session.scalar(select(func.count()).select_from(table).where(*_without_vector(table, model)))
        for table in _EMBEDDED.values()
    ]
    return sum(count or 0 for count in counts)


async def foreign_vectors(session: AsyncSession, table: str, model: str, limit: int) -> Sequence[Any]:
    """Some of these rows, with what is embedded of them."""
    t = _EMBEDDED[table]
    texts = (t.subject, t.description, t.resolution) if table == "ticket_history" else (t.title, t.body)
    query = select(t.id, t.updated_at, *texts).where(*_without_vector(t, model))
    return (await session.execute(query.order_by(t.id).limit(limit))).all()


async def set_vector(session: AsyncSession, table: str, row: Row[Any], vector: list[float], model: str) -> None:
    """Store a vector, if the text is still what it was made of."""
    assert table in _EMBEDDED
    await session.execute(
        text(
            f"UPDATE {table} SET embedding = CAST(:vector AS real[]), embedding_model = :model"  # noqa: S608 - a name from _EMBEDDED
            " WHERE id = :id AND updated_at = :updated_at"
        ),
        {"vector": vector, "model": model, "id": row.id, "updated_at": row.updated_at},
    )

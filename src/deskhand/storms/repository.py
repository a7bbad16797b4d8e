"""Every query of storms. Private to this room; each runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.storms.likeness import KNOWN_FOR, MEMBERS, NEAR, RARE, SAME
from deskhand.storms.models import StormReport, TicketStorm
from deskhand.storms.schemas import Report
from deskhand.tenants.models import TenantConfig

REPORTS_KEPT = KNOWN_FOR + timedelta(days=2)
STORMS_KEPT = timedelta(days=90)
MOST_COMPARED = 10_000
"""Tickets of the weeks before that are compared with a new one, the newest of them."""
_COUNTED = 500
_MEMBERS_COMPARED = 60
Key = tuple[datetime, UUID]

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('deskhand.storms/' || :name, 0))")

_ALIKE = f"""
    CASE WHEN r.embedding_model = :model
         THEN embedding_similarity(r.embedding, CAST(:vector AS real[]))
              >= CASE WHEN r.words && CAST(:rare AS text[]) THEN {NEAR} ELSE {SAME} END
         -- Without vectors: half of the shorter one's words, a rare one among them.
         ELSE r.words && CAST(:rare AS text[])
              AND 2 * (SELECT count(*) FROM unnest(r.words) AS w WHERE w = ANY(CAST(:words AS text[])))
                  >= least(cardinality(r.words), cardinality(CAST(:words AS text[])))
    END"""  # noqa: S608 - constants
"""Whether a ticket, ``r``, says the same as the new one."""

_OF_DESK = "r.tool_type = :tool_type AND r.company = :company"

_COMMON = text(f"""
    WITH before AS MATERIALIZED (
        SELECT r.words FROM storm_reports r
         WHERE {_OF_DESK} AND r.storm_id IS NULL AND r.reported_at < :since
         ORDER BY r.reported_at DESC LIMIT {_COUNTED})
    SELECT w FROM before, unnest(before.words) AS w WHERE w = ANY(CAST(:words AS text[]))
     GROUP BY w HAVING count(*) > 1 AND count(*) * {RARE} > (SELECT count(*) FROM before)
""")  # noqa: S608 - constants

_JOINED = text(f"""
    SELECT s.id FROM ticket_storms s
     WHERE s.tool_type = :tool_type AND s.company = :company AND s.over_at >= :at AND s.began_at <= :until
       AND (SELECT count(*) FROM (SELECT m.* FROM storm_reports m WHERE m.storm_id = s.id
                                   ORDER BY m.reported_at DESC LIMIT {_MEMBERS_COMPARED}) r WHERE {_ALIKE}) >= {MEMBERS}
     ORDER BY s.last_at DESC, s.id LIMIT 1
""")  # noqa: S608 - constants

_LIKE_IT = text(f"""
    SELECT r.ticket_id, r.number, r.requester, r.reported_at FROM storm_reports r
     WHERE {_OF_DESK} AND r.storm_id IS NULL AND r.reported_at BETWEEN :since AND :until
       AND r.ticket_id <> :ticket_id AND {_ALIKE}
     ORDER BY r.reported_at, r.ticket_id
""")  # noqa: S608 - constants

_BEFORE = text(f"""
    SELECT r.reported_at FROM (
        SELECT * FROM storm_reports r
         WHERE {_OF_DESK} AND r.reported_at >= :known_since AND r.reported_at < :since
         ORDER BY r.reported_at DESC LIMIT {MOST_COMPARED}) r
     WHERE {_ALIKE}
""")  # noqa: S608 - constants

_GROWN = text("""
    UPDATE ticket_storms s
       SET tickets = s.tickets + 1, last_at = greatest(s.last_at, :at), began_at = least(s.began_at, :at),
           over_at = greatest(s.last_at, :at) + CAST(:window AS interval),
           requesters = (SELECT count(DISTINCT r.requester) FROM storm_reports r WHERE r.storm_id = s.id)
     WHERE s.id = :id
""")

_PRUNED = (
    text(
        "DELETE FROM storm_reports WHERE tool_type = :tool_type AND company = :company AND storm_id IS NULL"
        " AND reported_at < :reports_before"
    ),
    text("DELETE FROM ticket_storms WHERE tool_type = :tool_type AND company = :company AND over_at < :storms_before"),
)


async def lock(session: AsyncSession, tenant_id: str, report: Report) -> None:
    """Let one worker at a time look at the tickets of a company, until the end of its transaction."""
    await session.execute(_LOCK, {"name": f"{tenant_id}/{report.tool_type}/{report.company}"})


async def find_report(session: AsyncSession, tool_type: str, ticket_id: str) -> StormReport | None:
    """A ticket that was seen."""
    r = StormReport
    return (await session.scalars(select(r).where(r.tool_type == tool_type, r.ticket_id == ticket_id))).one_or_none()


async def find_storm(session: AsyncSession, storm_id: UUID) -> TicketStorm | None:
    """A storm, as it is in the database now."""
    query = select(TicketStorm).where(TicketStorm.id == storm_id).execution_options(populate_existing=True)
    return (await session.scalars(query)).one_or_none()


async def keep_report(session: AsyncSession, tenant_id: str, report: Report, *, now: datetime) -> None:
    """Keep a ticket that was seen, and forget what is too old to tell anything."""
    of_desk = {"tool_type": report.tool_type, "company": report.company}
    await session.execute(_PRUNED[0], {**of_desk, "reports_before": now - REPORTS_KEPT})
    await session.execute(_PRUNED[1], {**of_desk, "storms_before": now - STORMS_KEPT})
    names = ("tool_type", "ticket_id", "number", "company", "requester", "execution_id", "reported_at")
    values = {name: getattr(report, name) for name in names}
    kept = {"words": list(report.words), "embedding": report.vector, "embedding_model": report.model}
    await session.execute(insert(StormReport).values(tenant_id=tenant_id, **values, **kept))


async def common_words(session: AsyncSession, report: Report, since: datetime) -> set[str]:
    """Of a ticket's words those that many tickets before had; those of storms are left out."""
    parameters = {**_of(report), "since": since}
    return set((await session.scalars(_COMMON, parameters)).all())


async def joined_storm(session: AsyncSession, report: Report, rare: Collection[str], until: datetime) -> UUID | None:
    """The storm that is going on and that a ticket tells of."""
    parameters = {**_of(report, rare), "until": until, "at": report.reported_at}
    found: UUID | None = await session.scalar(_JOINED, parameters)
    return found


async def like_it(
    session: AsyncSession, report: Report, rare: Collection[str], *, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """Tickets of no storm that say the same, the oldest first."""
    parameters = {**_of(report, rare), "since": since, "until": until, "ticket_id": report.ticket_id}
    return [dict(row) for row in (await session.execute(_LIKE_IT, parameters)).mappings()]


async def times_before(
    session: AsyncSession, report: Report, rare: Collection[str], since: datetime
) -> Sequence[datetime]:
    """When tickets that say the same came in the weeks before, those of storms too."""
    parameters = {**_of(report, rare), "since": since, "known_since": since - KNOWN_FOR}
    return (await session.scalars(_BEFORE, parameters)).all()


async def known_since(session: AsyncSession, report: Report) -> datetime | None:
    """Since when the desk's tickets have been seen."""
    r = StormReport
    oldest = select(func.min(r.reported_at)).where(r.tool_type == report.tool_type, r.company == report.company)
    found: datetime | None = await session.scalar(oldest)
    return found


async def begin(session: AsyncSession, values: Mapping[str, Any], members: Collection[str]) -> TicketStorm:
    """Put a storm on record, with its tickets."""
    storm = TicketStorm(**values)
    session.add(storm)
    await session.flush()
    r = StormReport
    of_it = update(r).where(r.tool_type == storm.tool_type, r.ticket_id.in_(members)).values(storm_id=storm.id)
    await session.execute(of_it.execution_options(synchronize_session=False))
    return storm


async def grow(session: AsyncSession, storm_id: UUID, report: Report, window: timedelta) -> None:
    """Count one more ticket among a storm's."""
    r = StormReport
    own = update(r).where(r.tool_type == report.tool_type, r.ticket_id == report.ticket_id).values(storm_id=storm_id)
    await session.execute(own.execution_options(synchronize_session=False))
    await session.execute(_GROWN, {"id": storm_id, "at": report.reported_at, "window": window})


async def members(session: AsyncSession, storm_id: UUID, *, limit: int) -> Sequence[StormReport]:
    """The first tickets of a storm."""
    r = StormReport
    query = select(r).where(r.storm_id == storm_id).order_by(r.reported_at, r.ticket_id).limit(limit)
    return (await session.scalars(query)).all()


async def storm_of(session: AsyncSession, tool_type: str, names: Collection[str]) -> TicketStorm | None:
    """The storm that a ticket is of, by any of its names."""
    r, s = StormReport, TicketStorm
    query = (
        select(s)
        .join(r, r.storm_id == s.id)
        .where(r.tool_type == tool_type, r.ticket_id.in_(names))
        .order_by(s.recognised_at.desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def list_storms(session: AsyncSession, *, after: Key | None, limit: int) -> Sequence[TicketStorm]:
    """Storms, the newest first, at most ``limit`` after the given sort key."""
    s = TicketStorm
    query = select(s).order_by(s.recognised_at.desc(), s.id.desc()).limit(limit)
    if after is not None:
        query = query.where(tuple_(s.recognised_at, s.id) < tuple_(literal(after[0]), literal(after[1])))
    return (await session.scalars(query)).all()


async def preferences(session: AsyncSession) -> dict[str, Any] | None:
    """Of the session's tenant."""
    found: dict[str, Any] | None = await session.scalar(select(TenantConfig.enhancement_preferences))
    return found


def _of(report: Report, rare: Collection[str] = ()) -> dict[str, Any]:
    """What the statements ask of the new ticket."""
    return {
        **{"tool_type": report.tool_type, "company": report.company, "words": list(report.words), "rare": list(rare)},
        # No stored vector has an empty model's name, so without one tickets are compared by their words.
        **{"model": report.model or "", "vector": report.vector},
    }

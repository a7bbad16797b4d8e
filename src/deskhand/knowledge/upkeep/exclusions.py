"""What a tenant's boundaries keep out leaves what is known: what rows tell at once, the rest when its desk was asked.

The job's cursor names the set of rules that it applies, and stays when it has ended: so each set is applied once, and
a set that changes under the job begins it anew.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.boundaries import boundaries_of, is_out
from deskhand.knowledge.upkeep import repository
from deskhand.knowledge.upkeep.models import JobKind, JobState, KnowledgeJob
from deskhand.knowledge.upkeep.work import Work
from deskhand.tenants.boundaries import Boundaries

ROWS = 500
ASKED_BY = "boundaries"
TABLES = ("ticket_history", "knowledge_articles", "system_inventory")
_NO_RULES = Boundaries().digest


async def ask(session: AsyncSession, tenant_id: str) -> None:
    """Queue the job where the tenant's rules are others than those that were applied last."""
    digest = (await boundaries_of(session)).digest
    last = await repository.newest_cursor(session, JobKind.EXCLUSIONS)
    # A tenant without rules never had a job; one that took its rules back is done with the last.
    if (last or _NO_RULES).partition(":")[0] == digest:
        return
    await repository.begin_anew(session, tenant_id, JobKind.EXCLUSIONS, cursor=f"{digest}:{TABLES[0]}:", by=ASKED_BY)


async def take_out(work: Work, job: KnowledgeJob) -> bool:
    """Look at some more rows; at the last, ask the desks for what the rows do not tell.

    Returns:
        Whether something is left.
    """
    digest, table, place = (job.cursor or "").split(":")
    async with work.db.tenant_session(work.claim.tenant_id, companies=EVERY_COMPANY) as session:
        boundaries = await boundaries_of(session)
        rows = await repository.rows_after(session, table, place or None, ROWS)
        gone = [row["id"] for row in rows if is_out(boundaries, table, row)]
        await repository.delete_rows(session, table, gone)
        following = TABLES[TABLES.index(table) + 1 :]
        if len(rows) == ROWS or following:
            at = f"{table}:{rows[-1]['id']}" if len(rows) == ROWS else f"{following[0]}:"
            await _save(work, session, job, rows=len(rows), gone=len(gone), cursor=f"{digest}:{at}")
            return True
        if boundaries.asks_desks:
            # Read again from its beginning, page by page: of a hundred thousand tickets that is a thousand calls.
            for tool_type in await repository.desks_of_history(session):
                await repository.begin_anew(session, job.tenant_id, JobKind.RECONCILE, tool_type=tool_type, by=ASKED_BY)
        await _record(session, job, boundaries, removed=job.removed + len(gone))
        ended = {"state": JobState.DONE, "ended_at": func.clock_timestamp()}
        await _save(work, session, job, rows=len(rows), gone=len(gone), cursor=f"{digest}:", **ended)
    return False


async def _save(
    work: Work, session: AsyncSession, job: KnowledgeJob, *, rows: int, gone: int, cursor: str, **values: Any
) -> None:
    await work.save(
        session,
        cursor=cursor,
        seen=job.seen + rows,
        removed=job.removed + gone,
        stepped_at=func.clock_timestamp(),
        tries=0,
        **values,
    )


async def _record(session: AsyncSession, job: KnowledgeJob, boundaries: Boundaries, *, removed: int) -> None:
    await audit.record(
        session,
        tenant_id=job.tenant_id,
        actor=ASKED_BY,
        operation="knowledge.exclude",
        resource_type="knowledge_job",
        resource_id=job.id,
        after={"rules": [rule.name for rule in boundaries.rules], "removed": removed},
    )

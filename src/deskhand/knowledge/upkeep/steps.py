"""One step of a job: what it reads and stores, and where the job goes on, in one transaction.

A step that is cut off is done again from the start: its rows are compared and found stored, its counts were not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import ConfigurationError
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge import importer
from deskhand.knowledge.batches import BATCH_SIZE, KEPT_PROBLEMS, Import
from deskhand.knowledge.boundaries import may_keep, sift
from deskhand.knowledge.embedding import article_text, embed_texts, ticket_text
from deskhand.knowledge.schemas import ImportReport
from deskhand.knowledge.upkeep import repository
from deskhand.knowledge.upkeep.exclusions import take_out
from deskhand.knowledge.upkeep.lookback import look_back
from deskhand.knowledge.upkeep.models import EPOCH, JobKind, JobState, KnowledgeJob
from deskhand.knowledge.upkeep.work import Work
from deskhand.plugins.contract import Ticket, TicketingToolPlugin
from deskhand.plugins.errors import DeskNotFoundError
from deskhand.tenants.boundaries import Boundaries

PAGE = BATCH_SIZE
"""Tickets of one call and of one transaction: the place to go on is kept with the rows."""
NIGHTS = 30
"""In so many nights each stored ticket is asked for once, to learn that it was deleted where no event said so."""
LEAST_CHECKS = 100
CHECKING = "check:"
"""Begins the cursor of a job that is done with the listing and asks for single tickets; their number follows."""


async def step(work: Work, job: KnowledgeJob) -> bool:
    """Do the next part of a job.

    Returns:
        Whether something is left.

    Raises:
        LostClaimError: The job is no longer this worker's.
        DeskError: The desk did not answer as it should; nothing of the step is stored.
    """
    if job.kind == JobKind.EMBEDDINGS:
        return await _embed(work, job)
    if job.kind == JobKind.EXCLUSIONS:
        return await take_out(work, job)
    assert work.desk is not None  # only jobs of vectors have none
    if (job.cursor or "").startswith(CHECKING):
        return await _check(work, job, work.desk)
    return await _page(work, job, work.desk)


async def _page(work: Work, job: KnowledgeJob, desk: TicketingToolPlugin) -> bool:
    since = job.since or await _beginning(work, str(job.tool_type))
    page = await desk.list_history(since, cursor=job.cursor, page_size=PAGE)
    why_ended = work.watch.why_stop(page)
    sifted = await sift(await work.boundaries(), desk, page)
    rows = importer.rows_of(sifted.page)
    is_last = page.next_cursor is None or bool(why_ended)
    # Every night's job ends with looking for what was deleted, which no listing shows.
    after = f"{CHECKING}0" if is_last and job.kind == JobKind.RECONCILE else page.next_cursor
    saving = _Saving(
        work, job, len(rows), {"since": since, "cursor": after, "error": why_ended or None}, sifted.left_out
    )
    importing = Import(
        work.db, work.claim.tenant_id, importer.DESK_TICKETS,
        on_error="continue", embedder=work.embedder, on_stored=saving.of_batch,
    )  # fmt: skip
    saving.report = importing.report
    await importing.run(rows)
    if not saving.is_done:
        # An empty page, or one whose last row was refused.
        async with work.db.tenant_session(work.claim.tenant_id, companies=EVERY_COMPANY) as session:
            await saving.of_page(session, ImportReport())
    if is_last and job.kind == JobKind.HISTORY:
        # Ended by ourselves, the history is not whole: no figure is made of it, and resuming goes on.
        await _finish(work, job, ended_early=why_ended)
    return not is_last or job.kind == JobKind.RECONCILE


class _Saving:
    """Keeps the counts of a page and the place after it with the page's last rows."""

    def __init__(
        self, work: Work, job: KnowledgeJob, rows: int, values: dict[str, Any], left_out: Sequence[Ticket] = ()
    ) -> None:
        self._work = work
        self._job = job
        self._rows = rows
        self._values = values
        self._left_out = left_out
        self.report = ImportReport()
        self.is_done = False

    async def of_batch(self, session: AsyncSession, batch: ImportReport) -> None:
        if self.report.done + batch.done >= self._rows:
            await self.of_page(session, batch)

    async def of_page(self, session: AsyncSession, batch: ImportReport) -> None:
        job, report = self._job, self.report
        gone = [await repository.drop_ticket(session, one.tool_type, one.id) for one in self._left_out]
        problems = [*job.problems, *(asdict(one) for one in report.problems)][:KEPT_PROBLEMS]
        await self._work.save(
            session,
            **self._values,
            seen=job.seen + self._rows + len(gone),
            removed=job.removed + sum(gone),
            created=job.created + report.created + batch.created,
            updated=job.updated + report.updated + batch.updated,
            unchanged=job.unchanged + report.unchanged + batch.unchanged,
            failed=job.failed + report.failed,
            problems=problems,
            stepped_at=func.clock_timestamp(),
            tries=0,
        )
        self.is_done = True


async def _beginning(work: Work, tool_type: str) -> datetime:
    return await importer.resume_point(work.db, work.claim.tenant_id, tool_type) or EPOCH


async def _finish(work: Work, job: KnowledgeJob, *, ended_early: str = "") -> None:
    if ended_early:
        await work.save_alone(state=JobState.FAILED, error=f"{ended_early}.", ended_at=func.clock_timestamp())
        return
    judged, answerable = await look_back(work.db, work.claim.tenant_id, str(job.tool_type), embedder=work.embedder)
    await work.save_alone(
        state=JobState.DONE, judged=judged, answerable=answerable, cursor=None, ended_at=func.clock_timestamp()
    )


async def _check(work: Work, job: KnowledgeJob, desk: TicketingToolPlugin) -> bool:
    """Ask for tickets that nobody asked for lately; those that are gone, or open again, leave the history."""
    asked = int((job.cursor or "").removeprefix(CHECKING))
    tool_type, tenant_id = str(job.tool_type), work.claim.tenant_id
    async with work.db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        budget = max(LEAST_CHECKS, -(-await repository.count_of_desk(session, tool_type) // NIGHTS))
        limit = max(0, min(10, budget - asked))
        rows = await repository.to_check(session, tool_type, before=job.created_at, limit=limit)
    if not rows:
        await work.save_alone(state=JobState.DONE, cursor=None, ended_at=func.clock_timestamp())
        return False
    boundaries = await work.boundaries()
    kept = [row.id for row in rows if await _is_to_stay(boundaries, desk, row.desk_id)]
    async with work.db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        gone = [await repository.drop_ticket(session, tool_type, row.desk_id) for row in rows if row.id not in kept]
        await repository.mark_checked(session, kept)
        await work.save(
            session,
            cursor=f"{CHECKING}{asked + len(rows)}",
            removed=job.removed + sum(gone),
            stepped_at=func.clock_timestamp(),
            tries=0,
            error=None,
        )
    return True


async def _is_to_stay(boundaries: Boundaries, desk: TicketingToolPlugin, ticket_id: str) -> bool:
    try:
        ticket = await desk.get_ticket(ticket_id, with_notes=False)
    except DeskNotFoundError:
        return False
    return ticket.is_closed and await may_keep(boundaries, desk, ticket)


async def _embed(work: Work, job: KnowledgeJob) -> bool:
    model = work.embedder.name
    if model is None:
        raise ConfigurationError("This installation has no model for vectors: install the extra 'embedded'.")
    text_of: dict[str, Callable[[Any], str]] = {
        "ticket_history": lambda row: ticket_text(row.subject, row.description, row.resolution),
        "knowledge_articles": lambda row: article_text(row.title, row.body),
    }
    async with work.db.tenant_session(work.claim.tenant_id, companies=EVERY_COMPANY) as session:
        total = job.total if job.total is not None else await repository.count_foreign_vectors(session, model)
    for table, text in text_of.items():
        async with work.db.tenant_session(work.claim.tenant_id, companies=EVERY_COMPANY) as session:
            rows = await repository.foreign_vectors(session, table, model, PAGE)
        if not rows:
            continue
        vectors = await embed_texts(work.embedder, [text(row) for row in rows])
        async with work.db.tenant_session(work.claim.tenant_id, companies=EVERY_COMPANY) as session:
            for row, vector in zip(rows, vectors, strict=True):
                await repository.set_vector(session, table, row, vector or [], model)
            seen = job.seen + len(rows)
            await work.save(
                session, total=max(total, seen), seen=seen, updated=seen, stepped_at=func.clock_timestamp(), error=None
            )
        return True
    async with work.db.tenant_session(work.claim.tenant_id, companies=EVERY_COMPANY) as session:
        await repository.job(session, work.claim.id, lock=True)
        # Counted under the lock: whoever writes a text meanwhile waits for it, or has made us wait.
        if left := await repository.count_foreign_vectors(session, model):
            await work.save(session, total=total + left)
            return True
        await work.save(session, state=JobState.DONE, total=total, ended_at=func.clock_timestamp())
    return False

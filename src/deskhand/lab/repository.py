"""Every query of the replay lab. Private to it; runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Row, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.knowledge.models import KnowledgeArticle, TicketHistory
from deskhand.lab.models import LabCase, LabRun, LabState, TestCase

MOST_TENANTS = 100
_OPEN = (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING, ExecutionStatus.WAITING)


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed ticket of the history."""

    ticket_ref: str
    number: str
    subject: str


async def tenants_in_lab(pool: asyncpg.Pool[asyncpg.Record]) -> list[str]:
    """Tenants with a run of the lab that goes on."""
    return [row["tenant_id"] for row in await pool.fetch("SELECT * FROM tenants_in_lab($1)", MOST_TENANTS)]


async def closed_tickets(session: AsyncSession, tool_type: str, *, limit: int) -> list[Closed]:
    """The latest closed tickets of a desk, as its history was imported."""
    t = TicketHistory
    # An invented ticket is at no desk, and of one without a date nobody knows whether it is a late one.
    wanted = and_(t.tool_type == tool_type, t.source != "synthetic", t.resolved_date.is_not(None))
    rows = await session.scalars(select(t).where(wanted).order_by(t.resolved_date.desc(), t.id).limit(limit))
    return [Closed(row.desk_id or row.ticket_id, row.ticket_id, row.subject) for row in rows]


async def add(session: AsyncSession, *rows: LabRun | LabCase | TestCase) -> None:
    """Store new rows."""
    session.add_all(rows)
    await session.flush()


async def find_run(session: AsyncSession, lab_run_id: UUID, *, lock: bool = False) -> LabRun | None:
    """One run of the lab."""
    query = select(LabRun).where(LabRun.id == lab_run_id)
    return await session.scalar(query.with_for_update() if lock else query)


async def runs_of(
    session: AsyncSession, agent_id: UUID, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> Sequence[LabRun]:
    """An agent's runs of the lab, newest first."""
    r = LabRun
    query = select(r).where(r.agent_id == agent_id)
    if after is not None:
        query = query.where(or_(r.created_at < after[0], and_(r.created_at == after[0], r.id < after[1])))
    return (await session.scalars(query.order_by(r.created_at.desc(), r.id.desc()).limit(limit))).all()


async def running_of(session: AsyncSession, agent_id: UUID) -> UUID | None:
    """The agent's run of the lab that goes on, if there is one."""
    return await session.scalar(
        select(LabRun.id).where(LabRun.agent_id == agent_id, LabRun.state == LabState.RUNNING).limit(1)
    )


async def lock_running(session: AsyncSession) -> Sequence[LabRun]:
    """The tenant's runs that go on, but those that another worker has just now."""
    query = select(LabRun).where(LabRun.state == LabState.RUNNING).order_by(LabRun.created_at, LabRun.id)
    return (await session.scalars(query.with_for_update(skip_locked=True))).all()


async def cases_of(session: AsyncSession, lab_run_id: UUID) -> Sequence[LabCase]:
    """The tickets of a run: where it was wrong first, then as they came."""
    c = LabCase
    query = select(c).where(c.lab_run_id == lab_run_id).order_by(c.is_wrong.desc(), c.place)
    return (await session.scalars(query)).all()


async def page_of_cases(
    session: AsyncSession, lab_run_id: UUID, *, limit: int, after: tuple[int, int] | None
) -> Sequence[LabCase]:
    """A page of the same list."""
    c = LabCase
    query = select(c).where(c.lab_run_id == lab_run_id)
    if after is not None:
        wrong, place = bool(after[0]), after[1]
        later = and_(c.is_wrong.is_(wrong), c.place > place)
        query = query.where(or_(later, c.is_wrong.is_(False)) if wrong else later)
    return (await session.scalars(query.order_by(c.is_wrong.desc(), c.place).limit(limit))).all()


async def case_of_execution(session: AsyncSession, execution_id: UUID) -> tuple[LabCase, TestCase | None] | None:
    """The ticket that a dry run is of, and the test case that it is."""
    query = (
        select(LabCase, TestCase)
        .outerjoin(TestCase, TestCase.id == LabCase.test_case_id)
        .where(LabCase.execution_id == execution_id)
    )
    row = (await session.execute(query)).first()
    return None if row is None else (row[0], row[1])


async def keep_truth(session: AsyncSession, case_id: UUID, truth: Mapping[str, Any], as_of: datetime) -> None:
    """Keep what people did with a ticket."""
    await session.execute(update(LabCase).where(LabCase.id == case_id).values(truth=dict(truth), as_of=as_of))


async def known_by(session: AsyncSession, names: Iterable[str], at: datetime) -> list[str]:
    """Of some names, those of articles and solved tickets that were known at a time."""
    wanted, a, t = list(names), KnowledgeArticle, TicketHistory
    articles = select(a.article_id).where(a.article_id.in_(wanted), a.updated_at < at)
    solved = select(t.ticket_id).where(or_(t.ticket_id.in_(wanted), t.desk_id.in_(wanted)), t.resolved_date < at)
    return sorted({*(await session.scalars(articles)), *(await session.scalars(solved))})


async def executions_of(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, AgentExecution]:
    """Runs by their ids."""
    rows = await session.scalars(select(AgentExecution).where(AgentExecution.id.in_(list(ids))))
    return {row.id: row for row in rows}


async def intents_of(session: AsyncSession, execution_id: UUID) -> list[tuple[str, dict[str, Any]]]:
    """The writes that a dry run would have made, in their order."""
    s = ExecutionStep
    query = select(s.name, s.input).where(
        s.execution_id == execution_id,
        s.kind == "compute",
        s.state == StepState.FINISHED,
        s.output["intent"].astext.is_not(None),
    )
    rows: Sequence[Row[Any]] = (await session.execute(query.order_by(s.position))).all()
    return [(row.name, row.input) for row in rows if isinstance(row.input, dict)]


async def find_execution(session: AsyncSession, execution_id: UUID) -> AgentExecution | None:
    """One run."""
    return await session.get(AgentExecution, execution_id)


async def own_ticket_of(session: AsyncSession, execution_id: UUID) -> tuple[AgentExecution, dict[str, Any]] | None:
    """A run, and its ticket as it read it first; None where there is no such run, or it has read none."""
    execution = await session.get(AgentExecution, execution_id)
    s = ExecutionStep
    query = select(s.output).where(
        s.execution_id == execution_id, s.name == "get_ticket", s.kind == "tool", s.state == StepState.FINISHED
    )
    ticket = await session.scalar(query.order_by(s.position).limit(1))
    return (execution, ticket) if execution is not None and isinstance(ticket, dict) else None


async def is_live(session: AsyncSession) -> bool:
    """Whether a run that is no dry one is at work or could be."""
    x = AgentExecution
    due = and_(x.status == ExecutionStatus.QUEUED, or_(x.not_before.is_(None), x.not_before <= func.now()))
    wanted = and_(x.mode != "dry_run", or_(x.status == ExecutionStatus.RUNNING, due))
    return await session.scalar(select(x.id).where(wanted).limit(1)) is not None


async def cancel_open(session: AsyncSession, ids: Iterable[UUID], now: datetime) -> int:
    """Cancel runs as a person does: what no worker holds at once, and what one holds before its next step."""
    x = AgentExecution
    query = select(x).where(x.id.in_(list(ids)), x.status.in_(_OPEN)).with_for_update()
    rows = (await session.scalars(query.execution_options(populate_existing=True))).all()
    for execution in rows:
        execution.cancel_requested_at = execution.cancel_requested_at or now
        if execution.status != ExecutionStatus.RUNNING:
            execution.status, execution.completed_at = ExecutionStatus.CANCELLED, now
            execution.parked, execution.not_before, execution.listens_until = False, None, None
    return len(rows)


async def stop(session: AsyncSession, lab_run_id: UUID, why: str) -> None:
    """End a run that cannot go on; its tickets stay where they are."""
    ended = {"state": LabState.STOPPED, "why": why, "ended_at": func.clock_timestamp()}
    await session.execute(update(LabRun).where(LabRun.id == lab_run_id).values(**ended))


# -- test cases ----------------------------------------------------------------------------------


async def kept_of(session: AsyncSession, agent_id: UUID, *, tool_type: str | None = None) -> Sequence[TestCase]:
    """An agent's test cases, newest first."""
    t = TestCase
    query = select(t).where(t.agent_id == agent_id)
    query = query if tool_type is None else query.where(t.tool_type == tool_type)
    return (await session.scalars(query.order_by(t.created_at.desc(), t.id.desc()))).all()


async def find_test_case(session: AsyncSession, test_case_id: UUID) -> TestCase | None:
    """A kept ticket by its id."""
    return await session.get(TestCase, test_case_id)


async def delete_test_case(session: AsyncSession, test_case_id: UUID) -> bool:
    """Remove one; False if it is gone already."""
    gone = await session.execute(delete(TestCase).where(TestCase.id == test_case_id).returning(TestCase.id))
    return gone.first() is not None

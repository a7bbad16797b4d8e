"""Every query of tickets. Private to them; runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Exists,
    RowMapping,
    ScalarSelect,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    union,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import LateralFromClause

from deskhand.agents.models import Agent, AgentVersion
from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.executions.repository import event_subject
from deskhand.executions.tickets.schemas import TicketFilters, TicketOutcome
from deskhand.knowledge.models import TicketHistory

LOOKED_THROUGH = 2_000
"""Runs among which numbers, subjects and companies are looked for, and writes of other tickets' runs: all of it stands
in the JSON of steps, and no index answers for that."""

_READ_KEYS = "get_ticket#"
"""How the keys of a run's reads of its own ticket begin; those of other tickets name them."""

Key = tuple[datetime, UUID]
Condition = ColumnElement[bool]


def _read(step: type[ExecutionStep]) -> Condition:
    """Whether a step is a run's read of its own ticket that gave one."""
    named = and_(step.name == "get_ticket", step.step_key.startswith(_READ_KEYS, autoescape=True))
    return and_(named, step.state == StepState.FINISHED, step.output.has_key("display_id"))


def _face(step: type[ExecutionStep]) -> tuple[ColumnElement[Any], ...]:
    """What a ticket that was read is called."""
    ticket = step.output
    return (
        ticket["id"].astext.label("read_id"),
        ticket["display_id"].astext.label("number"),
        ticket["subject"].astext.label("read_subject"),
        ticket["url"].astext.label("url"),
        ticket["company"]["id"].astext.label("company_id"),
        ticket["company"]["name"].astext.label("company_name"),
    )


def _outcome() -> ColumnElement[str]:
    e = AgentExecution
    at_work = e.status.in_((ExecutionStatus.QUEUED, ExecutionStatus.RUNNING))
    # A dry run's note is on no ticket.
    has_note = and_(e.mode == "live", func.jsonb_typeof(e.output_result["note"]) == "object")
    return case(
        (at_work, TicketOutcome.AT_WORK.value),
        (and_(e.status == ExecutionStatus.COMPLETED, has_note), TicketOutcome.NOTED.value),
        (e.status == ExecutionStatus.COMPLETED, TicketOutcome.DONE.value),
        # The other words are the states' own.
        else_=e.status,
    )


def _is_newest() -> Condition:
    """Of a ticket's runs the last: so a page of tickets is read along the index of runs by time."""
    e, later = AgentExecution, aliased(AgentExecution)
    newer: Exists = exists(
        select(later.id).where(
            later.tenant_id == e.tenant_id,
            later.tool_type == e.tool_type,
            later.ticket_ref == e.ticket_ref,
            tuple_(later.queued_at, later.id) > tuple_(e.queued_at, e.id),
        )
    )
    return ~newer


def _last_read() -> LateralFromClause:
    """What the newest run that read the ticket found it to be called."""
    run, step = aliased(AgentExecution), aliased(ExecutionStep)
    e = AgentExecution
    return (
        select(*_face(step))
        .join(run, run.id == step.execution_id)
        .where(run.tool_type == e.tool_type, run.ticket_ref == e.ticket_ref, _read(step))
        .order_by(run.queued_at.desc(), step.position.desc())
        .limit(1)
        .lateral("face")
    )


def _runs_of_ticket() -> ScalarSelect[int]:
    run, e = aliased(AgentExecution), AgentExecution
    same = and_(run.tenant_id == e.tenant_id, run.tool_type == e.tool_type, run.ticket_ref == e.ticket_ref)
    return select(func.count()).select_from(run).where(same).correlate(e).scalar_subquery()


def _recent() -> Any:
    e = AgentExecution
    return (
        select(e.id, e.tool_type, e.ticket_ref, event_subject().label("subject"))
        .where(e.ticket_ref.is_not(None))
        .order_by(e.queued_at.desc(), e.id.desc())
        .limit(LOOKED_THROUGH)
        .subquery("recent")
    )


def _imported(matches: Condition) -> list[Select[*tuple[Any, ...]]]:
    """Tickets of the history, under either of their names."""
    h = TicketHistory
    return [select(h.tool_type, h.ticket_id).where(matches), select(h.tool_type, h.desk_id).where(matches)]


def _called(q: str) -> Condition:
    """Whether a ticket has this id or number, or these words in its subject."""
    e, h, step = AgentExecution, TicketHistory, ExecutionStep
    recent = _recent()
    words = or_(
        recent.c.subject.icontains(q, autoescape=True),
        step.output["subject"].astext.icontains(q, autoescape=True),
        step.output["display_id"].astext == q,
    )
    read = and_(step.execution_id == recent.c.id, _read(step))
    found = [
        select(recent.c.tool_type, recent.c.ticket_ref).outerjoin(step, read).where(words),
        *_imported(or_(h.ticket_id == q, h.subject.icontains(q, autoescape=True))),
    ]
    return or_(e.ticket_ref == q, tuple_(e.tool_type, e.ticket_ref).in_(union(*found)))


def _of_company(company_id: str) -> Condition:
    e, step = AgentExecution, ExecutionStep
    recent = _recent()
    read = and_(step.execution_id == recent.c.id, _read(step))
    found = [
        select(recent.c.tool_type, recent.c.ticket_ref)
        .join(step, read)
        .where(step.output["company"]["id"].astext == company_id),
        *_imported(TicketHistory.company_id == company_id),
    ]
    return tuple_(e.tool_type, e.ticket_ref).in_(union(*found))


def _conditions(filters: TicketFilters) -> list[Condition]:
    e = AgentExecution
    conditions = [e.ticket_ref.is_not(None), e.tool_type.is_not(None), _is_newest()]
    if filters.tool_type:
        conditions.append(e.tool_type == filters.tool_type)
    if filters.outcome:
        conditions.append(_outcome() == filters.outcome.value)
    if filters.since:
        conditions.append(e.queued_at >= filters.since)
    if filters.q:
        conditions.append(_called(filters.q))
    if filters.company:
        conditions.append(_of_company(filters.company))
    return conditions


async def list_tickets(
    session: AsyncSession, filters: TicketFilters, *, after: Key | None, limit: int
) -> Sequence[RowMapping]:
    """Tickets by their newest runs, newest first, at most ``limit`` rows after the given sort key."""
    e = AgentExecution
    chosen = select(e.id).where(*_conditions(filters)).order_by(e.queued_at.desc(), e.id.desc()).limit(limit)
    if after is not None:
        chosen = chosen.where(tuple_(e.queued_at, e.id) < tuple_(literal(after[0]), literal(after[1])))
    face = _last_read()
    statement = (
        select(
            *(e.tool_type, e.ticket_ref.label("ticket_id"), e.id.label("execution_id"), e.queued_at.label("last_at")),
            *(e.error_message, e.status),
            (e.mode == "dry_run").label("is_dry"),
            _outcome().label("outcome"),
            Agent.name.label("agent_name"),
            AgentVersion.version_number.label("agent_version"),
            event_subject().label("event_subject"),
            *face.c,
            _runs_of_ticket().label("runs"),
        )
        .join(Agent, Agent.id == e.agent_id)
        .join(AgentVersion, AgentVersion.id == e.agent_version_id)
        .outerjoin(face, literal(True))
        # Chosen first: what a ticket is called is looked up for those of the page alone.
        .where(e.id.in_(select(chosen.subquery("chosen").c.id)))
        .order_by(e.queued_at.desc(), e.id.desc())
    )
    return (await session.execute(statement)).mappings().all()


# -- one ticket ------------------------------------------------------------------------------


async def has_runs(session: AsyncSession, tool_type: str, ticket_id: str) -> bool:
    """Whether a run was started by, or wrote on, a ticket of this id."""
    # One after the other: for nearly every ticket the first, which costs nothing, answers.
    for runs in (_started_by(tool_type, [ticket_id]), _wrote_on(tool_type, [ticket_id])):
        if (await session.execute(runs.limit(1))).first() is not None:
            return True
    return False


async def imported_as(session: AsyncSession, tool_type: str, ref: str) -> Sequence[TicketHistory]:
    """Tickets of the history that have this id or number."""
    h = TicketHistory
    query = select(h).where(h.tool_type == tool_type, or_(h.ticket_id == ref, h.desk_id == ref)).limit(10)
    return (await session.scalars(query)).all()


async def find_by_number(session: AsyncSession, tool_type: str, number: str) -> str | None:
    """The id of the ticket that a run has lately read under this number."""
    recent, step = _recent(), ExecutionStep
    query = (
        select(recent.c.ticket_ref)
        .join(step, and_(step.execution_id == recent.c.id, _read(step)))
        .where(recent.c.tool_type == tool_type, step.output["display_id"].astext == number)
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def read_face(session: AsyncSession, tool_type: str, names: Collection[str]) -> RowMapping | None:
    """What the newest run that read a ticket found it to be called."""
    e, step = AgentExecution, ExecutionStep
    query = (
        select(*_face(step))
        .join(e, e.id == step.execution_id)
        .where(e.tool_type == tool_type, e.ticket_ref.in_(names), _read(step))
        .order_by(e.queued_at.desc(), step.position.desc())
        .limit(1)
    )
    return (await session.execute(query)).mappings().one_or_none()


def _is_here(tool_type: str, names: Collection[str]) -> Condition:
    """Whether a write went to one ticket: the run's own, one it names, or one it filed."""
    e, step = AgentExecution, ExecutionStep
    target = step.input["target"].astext
    own = and_(target.is_(None), e.tool_type == tool_type, e.ticket_ref.in_(names))
    filed = and_(target == f"{tool_type}/", step.output["ticket_id"].astext.in_(names))
    return or_(own, target.in_([f"{tool_type}/{name}" for name in names]), filed)


def _started_by(tool_type: str, names: Collection[str]) -> Select[UUID, datetime]:
    e = AgentExecution
    return select(e.id, e.queued_at).where(e.tool_type == tool_type, e.ticket_ref.in_(names))


def _wrote_on(tool_type: str, names: Collection[str]) -> Select[UUID, datetime]:
    """Runs of other tickets, or of none, that wrote on this one: of the newest alone.

    What a step was to write on is asked of its JSON, and under row-level security no index answers for that.
    """
    e, newest = AgentExecution, aliased(AgentExecution)
    looked_through = select(newest.id).order_by(newest.queued_at.desc(), newest.id.desc()).limit(LOOKED_THROUGH)
    wrote = and_(ExecutionStep.execution_id == e.id, ExecutionStep.kind == "write")
    here = and_(ExecutionStep.state != StepState.FAILED, _is_here(tool_type, names))
    return select(e.id, e.queued_at).join(ExecutionStep, wrote).where(e.id.in_(looked_through), here)


def _runs_about(tool_type: str, names: Collection[str]) -> Any:
    """Ids and times of runs that a ticket started, or that wrote on it."""
    return union(_started_by(tool_type, names), _wrote_on(tool_type, names)).subquery("about")


async def list_runs(
    session: AsyncSession, tool_type: str, names: Collection[str], *, after: Key | None, limit: int
) -> list[UUID]:
    """Ids of runs that had to do with a ticket, newest first."""
    about = _runs_about(tool_type, names)
    query = select(about.c.id).order_by(about.c.queued_at.desc(), about.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(tuple_(about.c.queued_at, about.c.id) < tuple_(literal(after[0]), literal(after[1])))
    return list((await session.execute(query)).scalars())


async def list_writes(
    session: AsyncSession, tool_type: str, names: Collection[str], runs: Collection[UUID]
) -> Sequence[RowMapping]:
    """What these runs wrote on a ticket, or may have written, and their questions to its requester, oldest first."""
    e, step = AgentExecution, ExecutionStep
    wrote = and_(step.kind == "write", step.state != StepState.FAILED, _is_here(tool_type, names))
    asked = and_(step.name == "await_requester", e.tool_type == tool_type, e.ticket_ref.in_(names))
    query = (
        select(
            *(step.execution_id, step.step_key, step.name, step.kind, step.state, step.input, step.output),
            *(step.started_at, step.finished_at),
            Agent.name.label("agent_name"),
        )
        .join(e, e.id == step.execution_id)
        .join(Agent, Agent.id == e.agent_id)
        .where(step.execution_id.in_(runs), or_(wrote, asked))
        .order_by(step.started_at, step.position)
    )
    return (await session.execute(query)).mappings().all()


async def list_reads(session: AsyncSession, runs: Collection[UUID]) -> Sequence[RowMapping]:
    """Which tools these runs read with, and how often, in the order of their first use."""
    step = ExecutionStep
    query = (
        select(step.execution_id, step.name, func.count().label("times"))
        .where(step.execution_id.in_(runs), step.kind == "tool", step.state == StepState.FINISHED)
        .group_by(step.execution_id, step.name)
        .order_by(func.min(step.position))
    )
    return (await session.execute(query)).mappings().all()


async def list_results(session: AsyncSession, runs: Collection[UUID]) -> Sequence[RowMapping]:
    """What these runs ended in, and what an undo among them was asked for."""
    e = AgentExecution
    asked = case((e.mode == "undo", e.input_payload), else_=None).label("input_payload")
    query = select(e.id, e.mode, e.output_result, asked).where(e.id.in_(runs))
    return (await session.execute(query)).mappings().all()

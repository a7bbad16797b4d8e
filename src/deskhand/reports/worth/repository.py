"""Every query of the monthly report. Private to it; runs inside a tenant's session that sees every company."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Subquery, and_, case, exists, func, or_, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.knowledge.models import EnhancementFeedback, TicketHistory
from deskhand.tenants.models import DeskCompany, RunCompany, TenantConfig
from deskhand.tenants.worth_rules import HOLD_OUT

_DESK = "desk"


async def tickets(session: AsyncSession, since: datetime, until: datetime, *, limit: int) -> Sequence[RowMapping]:
    """Tickets that live runs of the month were about, with what all their runs made of them and how they ended.

    Those whose first run is the oldest come first. ``companies``, ``drawn``, ``categories`` and ``priorities`` are
    lists of what single runs say, the telling one first.
    """
    told = _told(since, until, limit)
    ended = _ended(told)
    statement = (
        select(told, ended).outerjoin(ended, true()).order_by(told.c.first_at, told.c.tool_type, told.c.ticket_ref)
    )
    return (await session.execute(statement)).mappings().all()


async def desks_told(session: AsyncSession, desks: Sequence[str]) -> frozenset[str]:
    """Those of these desks whose solved tickets are imported, so that a ticket that is not among them is not solved."""
    h = TicketHistory
    # One by one, so that each is an index's first hit and no reading of the history.
    asked = {one: select(exists().where(h.tool_type == one, h.source == _DESK)) for one in desks}
    return frozenset([one for one, query in asked.items() if await session.scalar(query)])


async def votes(session: AsyncSession, since: datetime, until: datetime) -> Sequence[RowMapping]:
    """By ticket, how many said of notes of the month's runs that they helped, and that they did not."""
    f, e = EnhancementFeedback, AgentExecution
    helped = or_(f.feedback_type == "thumbs_up", f.rating_value > 3)
    not_helped = or_(f.feedback_type == "thumbs_down", f.rating_value < 3)
    query = (
        select(
            *(e.tool_type, e.ticket_ref),
            func.count().filter(helped).label("helped"),
            func.count().filter(not_helped).label("not_helped"),
        )
        .join(e, e.id == f.enhancement_id)
        .where(*_of_month(since, until))
        .group_by(e.tool_type, e.ticket_ref)
    )
    return (await session.execute(query)).mappings().all()


async def preferences(session: AsyncSession) -> dict[str, Any] | None:
    """Of the session's tenant."""
    found: dict[str, Any] | None = await session.scalar(select(TenantConfig.enhancement_preferences))
    return found


def _of_month(since: datetime, until: datetime) -> list[ColumnElement[bool]]:
    e = AgentExecution
    named = and_(e.ticket_ref.is_not(None), e.tool_type.is_not(None))
    return [e.queued_at >= since, e.queued_at < until, e.mode == "live", named]


def _told(since: datetime, until: datetime, limit: int) -> Subquery:
    """What runs tell of the month's tickets. All runs of a ticket are asked, whenever they were."""
    e, step = AgentExecution, ExecutionStep
    month = select(e.tenant_id, e.tool_type, e.ticket_ref).where(*_of_month(since, until)).distinct()
    of_month = month.subquery("of_month")
    drawn = and_(step.execution_id == e.id, step.step_key == HOLD_OUT, step.state == StepState.FINISHED)
    output = e.output_result
    noted = and_(e.status == ExecutionStatus.COMPLETED, func.jsonb_typeof(output["note"]) == "object")
    company = func.coalesce(_object(output["company"]), _object(step.output["company"]), _noted_company())
    suggested = output["triage"]
    return (
        select(
            *(e.tool_type, e.ticket_ref),
            func.min(e.queued_at).label("first_at"),
            func.bool_or(func.coalesce(noted, False)).label("noted"),
            _gathered(company, e.queued_at.desc()).label("companies"),
            # The first draw is the ticket's.
            _gathered(step.output["held"], step.position).label("drawn"),
            _gathered(suggested["category"]["value"].astext, e.queued_at.desc(), noted).label("categories"),
            _gathered(suggested["priority"]["value"].astext, e.queued_at.desc(), noted).label("priorities"),
        )
        .join(
            of_month,
            and_(
                *(e.tenant_id == of_month.c.tenant_id, e.tool_type == of_month.c.tool_type),
                e.ticket_ref == of_month.c.ticket_ref,
            ),
        )
        .outerjoin(step, drawn)
        .where(e.mode == "live")
        .group_by(e.tool_type, e.ticket_ref)
        .order_by(func.min(e.queued_at), e.tool_type, e.ticket_ref)
        .limit(limit)
        .subquery("told")
    )


def said_company() -> ColumnElement[Any]:
    """Id and name of the client company that a run says it was for, as a JSON object; one that failed has no output."""
    step = aliased(ExecutionStep)
    drawn = select(_object(step.output["company"])).where(
        step.execution_id == AgentExecution.id, step.step_key == HOLD_OUT, step.state == StepState.FINISHED
    )
    said = _object(AgentExecution.output_result["company"])
    return func.coalesce(said, drawn.scalar_subquery(), _noted_company())


def _noted_company() -> Any:
    r, d = RunCompany, DeskCompany
    return (
        select(func.jsonb_build_object("id", r.company_id, "name", func.coalesce(d.name, r.company_id)))
        .outerjoin(d, and_(d.tool_type == r.tool_type, d.company_id == r.company_id, d.tenant_id == r.tenant_id))
        # Empty of a run that worked for several.
        .where(r.tenant_id == AgentExecution.tenant_id, r.execution_id == AgentExecution.id, r.company_id != "")
        .scalar_subquery()
    )


def _object(value: Any) -> ColumnElement[Any]:
    # A JSON null is a value to the database, and would be taken for a company.
    return case((func.jsonb_typeof(value) == "object", value))


def _gathered(value: ColumnElement[Any], order: Any, *conditions: ColumnElement[bool]) -> Any:
    return func.jsonb_agg(aggregate_order_by(value, order)).filter(value.is_not(None), *conditions)


def _ended(told: Subquery) -> Any:
    """The ticket as its desk had it when it was solved."""
    h = TicketHistory
    named = or_(h.desk_id == told.c.ticket_ref, and_(h.desk_id.is_(None), h.ticket_id == told.c.ticket_ref))
    return (
        select(
            h.opened_at, h.resolved_date, h.touched_at, h.reopened, h.category, h.priority, h.company_id, h.company_name
        )
        .where(h.tool_type == told.c.tool_type, named)
        .order_by(h.desk_id.nulls_last())
        .limit(1)
        .lateral("ended")
    )

"""Every query of the chargeback. Private to it; runs inside a tenant's session that sees every company."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, String, Subquery, column, func, literal, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.models import AgentExecution, CostCorrection
from deskhand.knowledge.models import TicketHistory
from deskhand.reports.worth.repository import said_company
from deskhand.tenants.models import TenantConfig

Ticket = tuple[str, str]
"""Its desk and its id there."""


async def corrections(session: AsyncSession, since: datetime, until: datetime) -> Sequence[RowMapping]:
    """What gateways said in that time, with the run that each is about."""
    c, e = CostCorrection, AgentExecution
    query = (
        select(c.amount_usd, e.queued_at, e.tool_type, e.ticket_ref)
        .join(e, e.id == c.execution_id)
        .where(c.noted_at >= since, c.noted_at < until)
    )
    return (await session.execute(query)).mappings().all()


async def companies(session: AsyncSession, tickets: Iterable[Ticket]) -> dict[Ticket, tuple[str, str]]:
    """Id and name of each ticket's client company, as its runs said last, else its desk's history."""
    asked = sorted(set(tickets))
    said = await _rows(session, _said(_asked(asked)))
    left = [ticket for ticket in asked if ticket not in said]
    return {**said, **await _rows(session, _of_history(_asked(left)))}


async def tenant_of(session: AsyncSession) -> RowMapping:
    """The session's tenant: its id and its preferences."""
    query = select(TenantConfig.tenant_id, TenantConfig.enhancement_preferences.label("preferences"))
    return (await session.execute(query)).mappings().one()


def _asked(tickets: Sequence[Ticket]) -> Subquery:
    tools, refs = (literal([one[place] for one in tickets], ARRAY(String)) for place in (0, 1))
    listed = func.unnest(tools, refs).table_valued(column("tool_type", String), column("ticket_ref", String))
    listed = listed.render_derived("listed")
    return select(listed.c.tool_type, listed.c.ticket_ref).subquery("asked")


async def _rows(session: AsyncSession, query: Any) -> dict[Ticket, tuple[str, str]]:
    rows = (await session.execute(query)).mappings().all()
    return {
        (row["tool_type"], row["ticket_ref"]): (row["company_id"], row["company_name"] or row["company_id"])
        for row in rows
        if row["company_id"]
    }


def _said(asked: Subquery) -> Any:
    e = AgentExecution
    runs = (
        select(e.tool_type, e.ticket_ref, e.queued_at, said_company().label("company"))
        .where(tuple_(e.tool_type, e.ticket_ref).in_(select(asked.c.tool_type, asked.c.ticket_ref)))
        .subquery("runs")
    )
    told = (
        select(runs.c.tool_type, runs.c.ticket_ref, runs.c.company)
        .ext(distinct_on(runs.c.tool_type, runs.c.ticket_ref))
        .where(runs.c.company.is_not(None))
        .order_by(runs.c.tool_type, runs.c.ticket_ref, runs.c.queued_at.desc())
        .subquery("told")
    )
    return select(
        *(told.c.tool_type, told.c.ticket_ref),
        told.c.company["id"].astext.label("company_id"),
        told.c.company["name"].astext.label("company_name"),
    )


def _of_history(asked: Subquery) -> Any:
    h = TicketHistory
    named: ColumnElement[bool] = or_(
        h.desk_id == asked.c.ticket_ref, h.desk_id.is_(None) & (h.ticket_id == asked.c.ticket_ref)
    )
    found = (
        select(h.company_id, h.company_name)
        .where(h.tool_type == asked.c.tool_type, named)
        .order_by(h.desk_id.nulls_last())
        .limit(1)
        .lateral("found")
    )
    return select(asked, found).join(found, true())

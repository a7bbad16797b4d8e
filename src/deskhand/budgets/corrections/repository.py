"""Every query of corrections. Private to them; runs inside a tenant's session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, String, and_, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.models import AgentExecution, CostCorrection, ExecutionStep
from deskhand.engine.status import StepState


async def find_calls(session: AsyncSession, call_ids: Collection[str], since: datetime) -> Sequence[RowMapping]:
    """Calls that a gateway calls so, of runs whose event came since then: their run, step, id and both names."""
    s, e = ExecutionStep, AgentExecution
    answer_id = s.output["provider_response_id"].astext
    header_id = s.output["provider_details"]["call_id"].astext
    wanted = func.any(literal(list(call_ids), ARRAY(String)))
    query = (
        select(s.execution_id, s.step_key, answer_id.label("answer_id"), header_id.label("header_id"))
        .join(e, and_(e.id == s.execution_id, e.queued_at >= since))
        .where(s.kind == "model", s.state == StepState.FINISHED, or_(answer_id == wanted, header_id == wanted))
        .order_by(s.execution_id, s.position)
    )
    return (await session.execute(query)).mappings().all()


async def lock_run(session: AsyncSession, execution_id: UUID) -> AgentExecution | None:
    """The run, so that nobody else corrects it or starts it again meanwhile."""
    query = select(AgentExecution).where(AgentExecution.id == execution_id).with_for_update(key_share=True)
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def list_priced(session: AsyncSession, execution_id: UUID) -> dict[str, Decimal | None]:
    """By step, what each answered call of a run counted when it was made."""
    s = ExecutionStep
    query = select(s.step_key, s.cost_usd).where(
        s.execution_id == execution_id, s.kind == "model", s.state == StepState.FINISHED
    )
    return {row.step_key: row.cost_usd for row in await session.execute(query)}


async def list_of_run(session: AsyncSession, execution_id: UUID) -> Sequence[CostCorrection]:
    """Corrections of a run, the oldest first."""
    c = CostCorrection
    return (await session.scalars(select(c).where(c.execution_id == execution_id).order_by(c.noted_at, c.id))).all()


async def add_row(session: AsyncSession, **values: Any) -> CostCorrection:
    """Insert one."""
    row = CostCorrection(**values)
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return row


async def list_rows(
    session: AsyncSession, execution_id: UUID | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[CostCorrection]:
    """Corrections, the newest first."""
    c = CostCorrection
    query = select(c).order_by(c.noted_at.desc(), c.id.desc()).limit(limit)
    if execution_id is not None:
        query = query.where(c.execution_id == execution_id)
    if after is not None:
        query = query.where(tuple_(c.noted_at, c.id) < tuple_(*after))
    return (await session.scalars(query)).all()

"""Every query of calls. Private to them; runs inside a tenant's session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.models import AgentVersion
from deskhand.engine.models import AgentExecution, CostCorrection, ExecutionStep
from deskhand.reports.wanted import CACHED, REASONING, Wanted, count_in, of_kind

After = tuple[datetime, UUID, str]
"""When the call began, its run and its step."""


async def list_calls(
    session: AsyncSession, wanted: Wanted, execution_id: UUID | None, after: After | None, limit: int
) -> Sequence[RowMapping]:
    """Calls of these runs, the newest first."""
    e, s = AgentExecution, ExecutionStep
    conditions: list[ColumnElement[bool]] = [*wanted.conditions, of_kind(wanted), s.kind == "model"]
    if execution_id is not None:
        conditions.append(e.id == execution_id)
    if after is not None:
        conditions.append(tuple_(s.started_at, s.execution_id, s.step_key) < tuple_(*after))
    # Chosen first: what an answer says is read from those alone that are shown.
    chosen = (
        select(s.execution_id, s.step_key)
        .join(e, e.id == s.execution_id)
        .where(*conditions)
        .order_by(s.started_at.desc(), s.execution_id.desc(), s.step_key.desc())
        .limit(limit)
        .subquery("chosen")
    )
    query = (
        select(*_columns())
        .join(chosen, (chosen.c.execution_id == s.execution_id) & (chosen.c.step_key == s.step_key))
        .join(e, e.id == s.execution_id)
        .join(AgentVersion, AgentVersion.id == e.agent_version_id)
        .order_by(s.started_at.desc(), s.execution_id.desc(), s.step_key.desc())
    )
    return (await session.execute(query)).mappings().all()


def _columns() -> list[Any]:
    e, s = AgentExecution, ExecutionStep
    said = s.output["provider_response_id"].astext, s.output["provider_details"]["call_id"].astext
    return [
        s.started_at.label("began_at"),
        *(s.execution_id, s.step_key, s.state, s.cost_usd, e.agent_id),
        func.coalesce(e.tool_type + ":" + e.ticket_ref, "").label("ticket"),
        (e.mode == "dry_run").label("trial"),
        func.coalesce(AgentVersion.llm_config["model"].astext, "").label("asked_model"),
        func.coalesce(s.output["model_name"].astext, "").label("model"),
        func.coalesce(func.nullif(said[0], ""), said[1], "").label("call_id"),
        func.coalesce(s.tokens_in, 0).label("tokens_in"),
        func.coalesce(s.tokens_out, 0).label("tokens_out"),
        count_in(CACHED).label("tokens_cached"),
        count_in(REASONING).label("tokens_reasoning"),
        _told_last().label("gateway_usd"),
    ]


def _told_last() -> Any:
    c, s = CostCorrection, ExecutionStep
    return (
        select(c.gateway_usd)
        .where(c.tenant_id == s.tenant_id, c.execution_id == s.execution_id, c.step_key == s.step_key)
        .order_by(c.noted_at.desc(), c.id.desc())
        .limit(1)
        .scalar_subquery()
    )

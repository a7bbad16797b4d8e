"""Which runs a figure is about, and by what they are added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Text, cast, func, literal, null
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from deskhand.engine.models import AgentExecution, ExecutionStep

CACHED, REASONING = "{usage,cache_read_tokens}", "{usage,details,reasoning_tokens}"
"""Where a journaled answer says how much of what it read was cached, and of what it wrote was thoughts."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs.

    Attributes:
        bounds: The instants at which days begin, and at which the last one ends. Counted here and not by the database:
            its time zones may be others than ours.
        trials: Dry runs instead of real ones, where a query does not tell them apart.
        agent_id: Only of this agent.
    """

    bounds: Sequence[datetime]
    trials: bool = False
    agent_id: UUID | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """For the runs of either kind. One that takes something back asks no model and is no agent's success."""
        e = AgentExecution
        found = [e.queued_at >= self.bounds[0], e.queued_at < self.bounds[-1], e.mode != "undo"]
        return found if self.agent_id is None else [*found, e.agent_id == self.agent_id]


def of_kind(wanted: Wanted) -> ColumnElement[bool]:
    """Real runs, or trials."""
    return (AgentExecution.mode == "dry_run") == wanted.trials


def day_of(wanted: Wanted) -> ColumnElement[int]:
    """The number of a run's day within the range, from 1."""
    bounds = literal(list(wanted.bounds), ARRAY(TIMESTAMP(timezone=True)))
    return func.width_bucket(AgentExecution.queued_at, bounds, type_=Integer)


def key_of(wanted: Wanted, group: str | None) -> ColumnElement[Any]:
    """By what a run is added up."""
    e = AgentExecution
    if group == "day":
        return cast(day_of(wanted), Text)
    if group == "agent":
        return cast(e.agent_id, Text)
    if group == "model":
        return cast(e.agent_version_id, Text)
    if group == "tenant":
        return cast(e.tenant_id, Text)
    if group == "ticket":
        return func.coalesce(e.tool_type + ":" + e.ticket_ref, "")
    return cast(null(), Text)


def count_in(path: str) -> Any:
    """A count within the journaled answer of a call."""
    return func.call_tokens(ExecutionStep.output, cast(literal(path), ARRAY(Text)))

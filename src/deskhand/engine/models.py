"""Tables of a run: the execution row (truth about its state) and its steps (journal and trace)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.kit.db.base import Base, TenantModel, Timestamp, UuidPk

MAX_ATTEMPTS = 15
"""Starts that a new run has; a person who decides that one goes on grants as many again."""

_STATUSES = ", ".join(f"'{status}'" for status in ExecutionStatus)
_STATES = ", ".join(f"'{state}'" for state in StepState)


class AgentExecution(TenantModel, Base):
    """One run of one agent version. ``attempt`` is the fencing token: each start raises it by one, and every
    later write of the run names it, so a worker that lost the run can change nothing.

    ``queued_at`` is when the event was accepted; ``started_at`` is rewritten by each start.
    ``lane`` is what may have only one active run (a ticket of a desk); ``parked`` marks a queued run
    that was refused a slot and waits to be promoted; ``not_before`` delays a retry, and ends a wait; ``enqueue_seq``
    counts hand-overs to PgQueuer and ``queue_tag`` is its place there (start-time fair queueing: ``engine.sql``).
    ``crashes`` counts starts whose worker died without a word; failures that were reported count as attempts alone.
    ``listens_until`` is set while a run that asked its ticket's requester may be woken by an event of the ticket,
    ``heard`` once there was one that it has not looked at yet, ``answered`` is what it had read when it took an answer.
    ``retry_of`` names the run that this one repeats with a changed input, ``replay_of`` the one it tries again beside.
    Of the live runs of one agent on one ticket at most one waits for its first start:
    later events join it.
    """

    __tablename__ = "agent_executions"
    __table_args__ = (
        CheckConstraint(f"status IN ({_STATUSES})", name="status"),
        CheckConstraint("mode IN ('live', 'dry_run', 'undo')", name="mode"),
        ForeignKeyConstraint(
            # Each foreign key names the tenant too, so that PostgreSQL refuses a run that points to another tenant's
            # rows.
            ["tenant_id", "agent_id"],
            ["agents.tenant_id", "agents.id"],
            ondelete="CASCADE",
            name="fk_agent_executions_agent_id",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "trigger_id"],
            ["agent_triggers.tenant_id", "agent_triggers.id"],
            # Only the trigger's column: a bare SET NULL would take the tenant from the run as well.
            ondelete="SET NULL (trigger_id)",
            name="fk_agent_executions_trigger_id",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "agent_version_id"],
            ["agent_versions.tenant_id", "agent_versions.id"],
            name="fk_agent_executions_agent_version_id",
        ),
        UniqueConstraint("tenant_id", "id", name="uq_agent_executions_tenant_id_id"),
        Index("idx_agent_executions_agent_id", "agent_id"),
        Index("idx_agent_executions_trigger_id", "trigger_id"),
        Index("idx_agent_executions_agent_version_id", "agent_version_id"),
        Index("idx_agent_executions_started_at", desc("started_at")),
        Index("idx_agent_executions_tenant_queued_at", "tenant_id", desc("queued_at")),
        Index(
            # Partial, as is the index of what is ready: little waits, and what has ended is nearly all of the table.
            "idx_agent_executions_parked",
            "tenant_id",
            "queued_at",
            "id",
            postgresql_where=text("status = 'queued' AND parked"),
        ),
        Index(
            "idx_agent_executions_ready",
            "tenant_id",
            "queue_tag",
            postgresql_where=text("status = 'queued' AND NOT parked"),
        ),
        Index(
            # Every worker's sweep asks once a second which of the runs that wait go on unasked.
            "idx_agent_executions_wakes",
            "not_before",
            postgresql_where=text("status = 'waiting' AND not_before IS NOT NULL"),
        ),
        Index(
            # One run of an agent asks on one ticket at a time: an answer could not be told from another's.
            "uq_agent_executions_listening",
            "tenant_id",
            "agent_id",
            "tool_type",
            "ticket_ref",
            unique=True,
            postgresql_where=text("listens_until IS NOT NULL AND status IN ('queued', 'running', 'waiting')"),
        ),
        Index(
            "idx_agent_executions_answered",
            "tenant_id",
            "agent_id",
            "tool_type",
            "ticket_ref",
            postgresql_where=text("answered IS NOT NULL"),
        ),
        # BRIN: retention alone asks by it, for a stretch of the oldest, and it costs a write next to nothing.
        Index("idx_agent_executions_completed_at", "completed_at", postgresql_using="brin"),
        # Who asks whether a write was taken back already; of all runs next to none is an undo.
        Index("idx_agent_executions_undo", "tenant_id", "agent_id", postgresql_where=text("mode = 'undo'")),
        Index("idx_agent_executions_replay_of", "replay_of", postgresql_where=text("replay_of IS NOT NULL")),
        Index("idx_agent_executions_running", "tenant_id", postgresql_where=text("status = 'running'")),
        Index(
            # PostgreSQL itself refuses a ticket's second active run, whatever two workers believe.
            "uq_agent_executions_active_lane",
            "tenant_id",
            "lane",
            unique=True,
            postgresql_where=text("status = 'running' AND lane IS NOT NULL"),
        ),
        Index(
            # A first start is waited for once for each agent and ticket; a dry run writes nothing, so any number may
            # wait.
            "uq_agent_executions_pending_lane",
            "tenant_id",
            "agent_id",
            "lane",
            unique=True,
            postgresql_where=text("status = 'queued' AND attempt = 0 AND lane IS NOT NULL AND mode = 'live'"),
        ),
        Index(
            "uq_agent_executions_idempotency_key",
            "tenant_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index("idx_agent_executions_ticket_ref", "tenant_id", "tool_type", "ticket_ref"),
    )

    id: Mapped[UuidPk]
    agent_id: Mapped[UUID]
    trigger_id: Mapped[UUID | None]
    agent_version_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(String(20), server_default=text("'queued'"))
    tool_type: Mapped[str | None] = mapped_column(String(50))
    ticket_ref: Mapped[str | None] = mapped_column(String(100))
    lane: Mapped[str | None] = mapped_column(String(250))
    mode: Mapped[str] = mapped_column(String(10), server_default=text("'live'"))
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    max_attempts: Mapped[int] = mapped_column(Integer, server_default=text(str(MAX_ATTEMPTS)))
    crashes: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    parked: Mapped[bool] = mapped_column(server_default=text("false"))
    enqueue_seq: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    queue_tag: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    not_before: Mapped[Timestamp | None]
    listens_until: Mapped[Timestamp | None]
    heard: Mapped[bool] = mapped_column(server_default=text("false"))
    answered: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    queued_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    heartbeat_at: Mapped[Timestamp | None]
    worker_id: Mapped[str | None] = mapped_column(String(100))
    cancel_requested_at: Mapped[Timestamp | None]
    completed_at: Mapped[Timestamp | None]
    input_payload: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    output_result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error_code: Mapped[str | None] = mapped_column(String(50))
    error_message: Mapped[str | None] = mapped_column(Text)
    token_usage: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 8))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    retry_of: Mapped[UUID | None]
    replay_of: Mapped[UUID | None]
    dismissed_at: Mapped[Timestamp | None]

    def __repr__(self) -> str:
        return f"<AgentExecution(id={self.id}, status={self.status}, attempt={self.attempt})>"


class ExecutionStarts(TenantModel, Base):
    """How many runs of a tenant started in one minute, for ``rate_limits.executions_per_hour``."""

    __tablename__ = "execution_starts"
    __table_args__ = (PrimaryKeyConstraint("tenant_id", "minute", name="execution_starts_pkey"),)

    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    minute: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    starts: Mapped[int] = mapped_column(Integer, server_default=text("0"))

    def __repr__(self) -> str:
        return f"<ExecutionStarts(minute={self.minute}, starts={self.starts})>"


class Worker(Base):
    """A worker process as it showed itself last (``show_worker``); no tenant's, and bound to no run."""

    __tablename__ = "workers"

    worker_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    slots: Mapped[int] = mapped_column(Integer)
    running: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    def __repr__(self) -> str:
        return f"<Worker(worker_id={self.worker_id}, running={self.running}/{self.slots})>"


class ExecutionStep(TenantModel, Base):
    """One effect of a run: a model call, a tool call, a write. Written ``started`` before the effect and
    ``finished`` after it; what people see as the trace is what recovery reads as the journal.
    """

    __tablename__ = "execution_steps"
    __table_args__ = (
        PrimaryKeyConstraint("execution_id", "step_key", name="execution_steps_pkey"),
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint("kind IN ('model', 'tool', 'write', 'compute')", name="kind"),
        ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["agent_executions.tenant_id", "agent_executions.id"],
            ondelete="CASCADE",
            name="fk_execution_steps_execution_id",
        ),
        Index("idx_execution_steps_execution_position", "execution_id", "position"),
        Index("idx_execution_steps_mark", "tenant_id", "mark", postgresql_where=text("mark IS NOT NULL")),
        Index(
            # For `writes_on_ticket`: which writes of ours a webhook may be the echo of.
            "idx_execution_steps_target",
            "tenant_id",
            text("(input ->> 'target')"),
            postgresql_where=text("(input ->> 'target') IS NOT NULL"),
        ),
    )

    execution_id: Mapped[UUID]
    step_key: Mapped[str] = mapped_column(String(200))
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    attempt: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20), server_default=text("'started'"))
    idempotent: Mapped[bool] = mapped_column(server_default=text("true"))
    mark: Mapped[str | None] = mapped_column(String(64))
    input: Mapped[Any | None] = mapped_column(JSONB)
    output: Mapped[Any | None] = mapped_column(JSONB)
    error: Mapped[str | None] = mapped_column(Text)
    tokens_in: Mapped[int | None] = mapped_column(Integer)
    tokens_out: Mapped[int | None] = mapped_column(Integer)
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 8))
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    finished_at: Mapped[Timestamp | None]

    def __repr__(self) -> str:
        return f"<ExecutionStep(execution_id={self.execution_id}, step_key={self.step_key}, state={self.state})>"


class CostCorrection(TenantModel, Base):
    """What a gateway said of a call after it was counted: a row of its own, which nobody changes.

    ``gateway_usd`` is the gateway's figure, ``counted_usd`` what the call counted until then (none: its price was
    unknown), ``amount_usd`` by how much the run's cost is another one. The last of these for a run whose price was
    unknown ``makes_known`` all of it, and its amount is all that its calls come to.
    """

    __tablename__ = "cost_corrections"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["agent_executions.tenant_id", "agent_executions.id"],
            ondelete="CASCADE",
            name="fk_cost_corrections_execution_id",
        ),
        CheckConstraint("gateway_usd >= 0", name="gateway_usd"),
        Index("idx_cost_corrections_tenant_id_noted_at", "tenant_id", "noted_at"),
        Index("idx_cost_corrections_execution_id", "tenant_id", "execution_id"),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100))
    execution_id: Mapped[UUID]
    step_key: Mapped[str] = mapped_column(String(200))
    call_id: Mapped[str] = mapped_column(String(200))
    gateway_usd: Mapped[Decimal] = mapped_column(Numeric(14, 8))
    counted_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 8))
    amount_usd: Mapped[Decimal] = mapped_column(Numeric(14, 8))
    makes_known: Mapped[bool]
    noted_by: Mapped[str] = mapped_column(String(255))
    noted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())

    def __repr__(self) -> str:
        return f"<CostCorrection(execution_id={self.execution_id}, step_key={self.step_key}, amount={self.amount_usd})>"


__all__ = ["MAX_ATTEMPTS", "AgentExecution", "CostCorrection", "ExecutionStarts", "ExecutionStep", "Worker"]

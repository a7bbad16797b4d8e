"""Where a run stands."""

from __future__ import annotations

from enum import StrEnum


class ExecutionStatus(StrEnum):
    """Where a run stands; the database holds the same list (``ck_agent_executions_status``)."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """True when nothing more happens unless somebody asks for it."""
        return self in _FINAL


class StepState(StrEnum):
    """Where a step of a run's journal stands (``ck_execution_steps_state``)."""

    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


_FINAL = frozenset({ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED})

"""Shapes of how the installation, or one tenant of it, stands."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from deskhand.executions.schemas import FailureKind
from deskhand.pauses.schemas import PauseView

Reason = Literal["paused", "later", "ticket", "limit"]
"""Why a run is parked: a pause; a time that has not come; its ticket's other run; what its tenant may run."""


class Parked(BaseModel):
    """Runs that wait and are not handed to a worker, for one reason."""

    reason: Reason = Field(
        description="`paused`; `later`: tried again at its time; `ticket`: another run of the ticket is at work; "
        "`limit`: its tenant runs or started as many as it may."
    )
    runs: int
    oldest_at: datetime


class TenantQueue(BaseModel):
    """What one tenant has waiting and at work."""

    tenant_id: str
    running: int = Field(0, description="At work now.")
    ready: int = Field(0, description="Handed over, for the next worker that is free.")
    parked: list[Parked] = Field(default_factory=list)
    oldest_at: datetime | None = Field(None, description="When the oldest that waits came in.")

    @property
    def held(self) -> int:
        """How many are parked, for whatever reason."""
        return sum(one.runs for one in self.parked)

    @property
    def waiting(self) -> int:
        """How many wait in all."""
        return self.ready + self.held


class WorkerView(BaseModel):
    """A worker as it showed itself last."""

    worker_id: str | None = Field(description="Host, process and a random part; for the platform's administrators.")
    slots: int = Field(description="Runs that it takes at once.")
    running: int
    started_at: datetime
    seen_at: datetime
    is_alive: bool = Field(description="False once it was silent for 20 seconds.")


class Failing(BaseModel):
    """A desk or a model that runs met an error at in the last quarter of an hour."""

    kind: Literal["desk", "model"]
    name: str | None = Field(description="The desk's `tool_type`, or the model.")
    error_code: str | None = Field(description="Null where notes were made without the model.")
    runs: int
    tenants: int
    last_at: datetime


class Clock(BaseModel):
    """When schedules fire."""

    next_at: datetime | None = Field(description="The next time of any; null where none is to come or all are paused.")
    last_at: datetime | None = Field(description="The latest time of the last day.")


class Operations(BaseModel):
    """How it stands now: a tenant, or all of them for the platform."""

    pauses: list[PauseView]
    queues: list[TenantQueue] = Field(description="Tenants with something waiting or at work, the most waiting first.")
    more_tenants: int = Field(description="Of how many more such tenants nothing is said.")
    waiting: int = Field(description="Runs that wait, of all of them.")
    running: int
    oldest_at: datetime | None
    workers: list[WorkerView]
    failing: list[Failing]
    clock: Clock
    failures: list[FailureKind] = Field(description="Of a tenant: what failed and nobody dismissed.")

    @property
    def alive(self) -> int:
        """How many workers live."""
        return sum(one.is_alive for one in self.workers)

    @property
    def slots(self) -> int:
        """How many runs the living ones take at once."""
        return sum(one.slots for one in self.workers if one.is_alive)


__all__ = ["Clock", "Failing", "Operations", "Parked", "TenantQueue", "WorkerView"]

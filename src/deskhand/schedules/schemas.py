"""Shapes of schedules over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from deskhand.agents.schemas import Cron, Zone
from deskhand.engine.status import ExecutionStatus
from deskhand.kit.cron import check_cron, check_timezone
from deskhand.kit.schema import InputModel


class Upcoming(BaseModel):
    """One instant to come."""

    utc: datetime = Field(description="The instant in UTC.")
    local: datetime = Field(description="The same instant in the schedule's zone, with its offset.")
    abbreviation: str | None = Field(description="What the zone calls its time then.", examples=["CEST"])
    clock_changes: bool = Field(
        description="The zone's offset differs from that of the instant before (or of now, for the first one)."
    )


class SchedulePreview(BaseModel):
    """What an expression means."""

    schedule_cron: str
    schedule_timezone: str
    description: str = Field(description="The expression in words.", examples=["At 09:00 on Monday through Friday"])
    upcoming: list[Upcoming] = Field(description="The next five times.")


class ScheduleView(SchedulePreview):
    """A schedule and its next five times."""

    agent_id: UUID
    trigger_id: UUID
    misfire_policy: Literal["skip", "latest", "all"]
    misfire_max_age_seconds: int
    is_paused: bool
    next_fire_at: datetime | None = Field(description="When it fires next; null while it does not.")
    not_firing: str | None = Field(description="Why it does not fire at present, or null if it does.")


class PreviewRequest(InputModel):
    """An expression to try."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"schedule_cron": "0 9 * * 1-5", "schedule_timezone": "Europe/Berlin"}]}
    )

    schedule_timezone: Zone = Field("UTC", description="IANA zone the expression is read in.")
    schedule_cron: Cron = Field(description="Five-field cron expression.")

    @field_validator("schedule_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_timezone(value)

    @field_validator("schedule_cron")
    @classmethod
    def _valid_cron(cls, value: str, info: ValidationInfo) -> str:
        return check_cron(value, info.data.get("schedule_timezone", "UTC"))


class StartedRun(BaseModel):
    """The run that was started by hand."""

    execution_id: UUID = Field(description="Look it up in the API.")
    status: ExecutionStatus
    queued_at: datetime


class FireView(BaseModel):
    """What became of one instant."""

    model_config = ConfigDict(from_attributes=True)

    fire_at: datetime = Field(description="The instant the expression names.")
    outcome: Literal["fired", "skipped"]
    execution_id: UUID | None = Field(description="The run it started.")
    execution_status: ExecutionStatus | None = Field(description="How that run stands; null once it was pruned.")
    fired_at: datetime = Field(description="When it was dealt with.")


class ScheduleSummary(ScheduleView):
    """A schedule in a list, with its latest times."""

    agent_name: str
    last_fires: list[FireView] = Field(description="What became of its latest times, newest first, at most five.")

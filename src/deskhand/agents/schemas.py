"""Shapes of an agent: what comes in with its rules, what goes out without its secrets."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict

from deskhand.agents.event_filter import EventFilter
from deskhand.agents.llm_config import LLMConfig
from deskhand.agents.models import Agent, AgentTrigger
from deskhand.agents.outcomes import Outcome, read_outcome
from deskhand.agents.prompts import VARIABLES, check_prompt
from deskhand.kit.cron import CRON_PATTERN, ZONE_PATTERN, check_cron, check_timezone
from deskhand.kit.payloads.rules import check_payload_schema
from deskhand.kit.schema import NOT_BLANK, InputModel
from deskhand.kit.words import Word
from deskhand.tools.schemas import TOOL_IDS, AnyGrantView, OperationGrants
from deskhand.tools.values import read_grants, stored_grants

DISTINCT: JsonDict = {"uniqueItems": True}
MAX_TRIGGERS = 20
MAX_TOOLS = 20
PROMPT_LENGTH = (10, 32_000)


class AgentStatus(StrEnum):
    """Where an agent is in its life.

    - ``draft``: created, not activated; triggers are ignored. May become ``active``.
    - ``active``: runs when a trigger fires. May become ``suspended`` or ``inactive``.
    - ``suspended``: paused; triggers are ignored, webhook URL and secret are kept. May become ``active``
      or ``inactive``.
    - ``inactive``: deleted softly, hidden, triggers disabled for good. The end.
    """

    DRAFT = "draft"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    INACTIVE = "inactive"


class TriggerType(StrEnum):
    """What starts an agent: an HTTP POST of a desk, or the clock."""

    WEBHOOK = "webhook"
    SCHEDULE = "schedule"


AgentName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    Field(json_schema_extra=NOT_BLANK),
]
Description = Annotated[str, StringConstraints(max_length=10_000)]
Prompt = Annotated[
    str,
    StringConstraints(min_length=PROMPT_LENGTH[0], max_length=PROMPT_LENGTH[1]),
    AfterValidator(check_prompt),
]
ToolId = Annotated[str, StringConstraints(min_length=1, max_length=100), Field(json_schema_extra=TOOL_IDS)]
ToolGrants = dict[ToolId, OperationGrants]
Cron = Annotated[str, StringConstraints(max_length=100), Field(json_schema_extra={"pattern": CRON_PATTERN})]
Zone = Annotated[str, StringConstraints(max_length=64), Field(json_schema_extra={"pattern": ZONE_PATTERN})]
NEVER_DRAFT_AGAIN = "Invalid status transition: an agent cannot go back to draft, for example active → draft"

SCHEDULE_FIELDS = ("schedule_cron", "schedule_timezone", "misfire_policy", "misfire_max_age_seconds")
_WEBHOOK_ONLY = ("webhook_url", "hmac_secret", "payload_schema", "note_word")
WEBHOOK_STATE = ("payload_schema", "note_word", "event_filter")


class AgentTriggerCreate(InputModel):
    """A trigger of a new agent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"trigger_type": "webhook", "payload_schema": {"type": "object", "required": ["ticket_id"]}},
                {"trigger_type": "schedule", "schedule_cron": "0 9 * * *", "schedule_timezone": "Europe/Berlin"},
            ]
        }
    )

    trigger_type: TriggerType
    webhook_url: str | None = Field(
        None,
        max_length=500,
        pattern=r"^/agents/[^/\s]+/webhook$",
        description="Made by the server: `/agents/{agent_id}/webhook`. What is sent here is replaced by it.",
    )
    hmac_secret: SecretStr | None = Field(
        None,
        min_length=16,
        max_length=500,
        description="What the sender signs with: 32 random characters or more. Left out, one is made and shown once.",
    )
    schedule_cron: Cron | None = Field(None, description="Five-field cron expression.")
    schedule_timezone: Zone = Field("UTC", description="IANA zone the expression is read in.")
    misfire_policy: Literal["skip", "latest", "all"] = Field(
        "latest", description="What to do about instants that were missed."
    )
    misfire_max_age_seconds: int = Field(
        3600, ge=0, le=604_800, description="Missed instants older than this are dropped."
    )
    payload_schema: dict[str, Any] | None = Field(
        None, description="JSON schema a webhook's body must match: see the reference on webhooks for what it may be."
    )

    note_word: Word | None = Field(
        None,
        description="A webhook starts a run only for an internal note in which a technician, never the requester,"
        " writes this word; left out, every event does.",
        examples=["#handover"],
    )
    event_filter: EventFilter | None = Field(
        None,
        description="Which events of a webhook start a run; left out, all that the desk's plugin acts on. Of a"
        " schedule, which of its times: `hours` alone may be asked.",
    )

    @field_validator("schedule_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_timezone(value)

    @field_validator("payload_schema")
    @classmethod
    def _valid_schema(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if value is None else check_payload_schema(value)

    @model_validator(mode="after")
    def validate_schedule_trigger(self) -> AgentTriggerCreate:
        """Each kind of trigger has its own fields: a schedule needs its cron, a webhook must not have one."""
        self._judge()
        return self

    def _judge(self) -> None:
        if self.trigger_type == TriggerType.SCHEDULE:
            if not self.schedule_cron:
                raise ValueError("schedule_cron required when trigger_type=schedule")
            check_cron(self.schedule_cron, self.schedule_timezone)
            wrong = [name for name in _WEBHOOK_ONLY if getattr(self, name) is not None]
            # A tick of the clock has no ticket that anything else could be asked of.
            if self.event_filter is not None and not self.event_filter.asks_hours_alone:
                raise ValueError("event_filter may ask for hours alone when trigger_type=schedule")
        else:
            wrong = ["schedule_cron"] if self.schedule_cron is not None else []
        if wrong:
            raise ValueError(f"{', '.join(wrong)} not allowed when trigger_type={self.trigger_type.value}")


class AgentTriggerUpdate(AgentTriggerCreate):
    """A trigger in an update: with its ``id`` it stays the same trigger and keeps its secret and what is not named."""

    read_only = frozenset(
        {"has_secret", "previous_secret_valid_until", "next_fire_at", "is_paused", "created_at", "updated_at"}
    )

    id: UUID | None = Field(None, description="An existing trigger; left out, a new one is made.")

    def _judge(self) -> None:
        if self.id is None:  # one that exists is completed by what is stored, and judged then
            super()._judge()

    def completed(self, stored: AgentTrigger) -> AgentTriggerCreate:
        """The trigger as it is to be: what the update does not name stays as it is stored.

        Raises:
            ValidationError: The two together are no trigger.
        """
        stored_fields = {
            name: getattr(stored, name)
            for name in (*SCHEDULE_FIELDS, *WEBHOOK_STATE)
            if name not in self.model_fields_set and getattr(stored, name) is not None
        }
        named = {name: getattr(self, name) for name in self.model_fields_set if name != "id"}
        if self.trigger_type == TriggerType.WEBHOOK:
            stored_fields.pop("schedule_cron", None)
        return AgentTriggerCreate.model_validate({**stored_fields, **named})


class _ToolRules(InputModel):
    """Rules on tools that creating and updating share."""

    @field_validator("tool_ids", check_fields=False)
    @classmethod
    def _no_repetition(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and len(set(value)) != len(value):
            raise ValueError("must not name a tool twice")
        return value


_CREATE_EXAMPLE: JsonDict = {
    "name": "Ticket Enhancement Agent",
    "description": "Adds similar tickets and next steps to every new ticket.",
    "system_prompt": "You help the technicians of a service desk. Write short notes and cite your sources.",
    "llm_config": {"provider": "litellm", "model": "gpt-4", "temperature": 0.2, "max_tokens": 1024},
    "status": "draft",
    "triggers": [{"trigger_type": "webhook"}, {"trigger_type": "schedule", "schedule_cron": "0 9 * * 1"}],
    "tool_ids": ["servicedesk_plus"],
}


class AgentCreate(_ToolRules):
    """A new agent, with its triggers and tools."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CREATE_EXAMPLE]})

    name: AgentName = Field(description="Name for people.")
    description: Description | None = None
    system_prompt: Prompt = Field(
        description="What the model is told to be and do: its system prompt, whole. Variables: "
        + ", ".join(f"`{{{{{name}}}}}`" for name in VARIABLES)
        + "."
    )
    llm_config: LLMConfig
    status: AgentStatus = AgentStatus.DRAFT
    created_by: str | None = Field(
        None, max_length=255, description="Taken from the credential; what is sent here is replaced by it."
    )
    triggers: list[AgentTriggerCreate] = Field(default_factory=list, max_length=MAX_TRIGGERS)
    tool_ids: list[ToolId] = Field(
        default_factory=list,
        max_length=MAX_TOOLS,
        description="Tools it may use: see `GET /api/v1/tools`.",
        json_schema_extra=DISTINCT,
    )
    tool_operations: ToolGrants = Field(
        default_factory=dict,
        description="What it may do with each tool: a list of operations, or operation to mode and scope. A desk that"
        " is not named gets reading and adding notes, another tool its reading.",
    )

    outcome: Outcome = Field(default_factory=Outcome, description="What its runs end in.")

    @model_validator(mode="after")
    def _needs_a_trigger(self) -> AgentCreate:
        if self.status != AgentStatus.DRAFT and not self.triggers:
            raise ValueError("At least one trigger is required for an agent that is not a draft")
        stray = sorted(set(self.tool_operations) - set(self.tool_ids))
        if stray:
            raise ValueError(f"tool_operations names tools that are not in tool_ids: {', '.join(stray)}")
        return self


class AgentUpdate(_ToolRules):
    """Changes to an agent: what is left out, or null, stays; ``description`` alone is cleared by null."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Night shift", "llm_config": {"model": "gpt-4", "temperature": 0.1}}]}
    )

    name: AgentName | None = None
    description: Description | None = None
    system_prompt: Prompt | None = None
    llm_config: LLMConfig | None = None
    status: AgentStatus | None = Field(None, description="A state that the lifecycle allows next; never `draft`.")
    triggers: list[AgentTriggerUpdate] | None = Field(
        None, max_length=MAX_TRIGGERS, description="The whole list: triggers that are not in it are removed."
    )
    tool_ids: Annotated[list[ToolId], Field(max_length=MAX_TOOLS, json_schema_extra=DISTINCT)] | None = Field(
        None, description="The whole list."
    )
    tool_operations: ToolGrants | None = Field(None, description="Grants of the tools named; others keep theirs.")

    outcome: Outcome | None = Field(None, description="What its runs end in, whole.")

    @model_validator(mode="after")
    def _never_back_to_draft(self) -> AgentUpdate:
        if self.status == AgentStatus.DRAFT and not self._stays_draft():
            raise ValueError(NEVER_DRAFT_AGAIN)
        ids = [trigger.id for trigger in self.triggers or () if trigger.id is not None]
        if len(ids) != len(set(ids)):
            raise ValueError("triggers names the same id twice")
        return self

    def _stays_draft(self) -> bool:
        return False


_RESPONSE_EXAMPLE: JsonDict = {
    "id": "550e8400-e29b-41d4-a716-446655440000",
    "tenant_id": "acme-corp",
    "name": "Ticket Enhancement Agent",
    "description": "Adds similar tickets and next steps to every new ticket.",
    "status": "active",
    "system_prompt": "You help the technicians of a service desk. Write short notes and cite your sources.",
    "llm_config": {"provider": "litellm", "model": "gpt-4", "temperature": 0.2, "max_tokens": 1024},
    "created_at": "2026-05-04T09:00:00Z",
    "updated_at": "2026-05-04T09:00:00Z",
    "created_by": "api-key:dhk_ab12cd34",
    "triggers": [
        {
            "id": "0c5c1c3c-1111-4c1c-9c1c-0c5c1c3c0c5c",
            "trigger_type": "webhook",
            "webhook_url": "/agents/550e8400-e29b-41d4-a716-446655440000/webhook",
            "has_secret": True,
        }
    ],
    "tool_ids": ["servicedesk_plus"],
    "tool_operations": {"servicedesk_plus": ["get_ticket", "search_tickets", "add_note"]},
    "revision": 3,
    "current_version": 1,
}


class AgentResponse(BaseModel):
    """An agent as it is shown. Secrets of its triggers are not in it."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_RESPONSE_EXAMPLE]})

    id: UUID
    tenant_id: str
    name: str
    description: str | None
    status: AgentStatus
    system_prompt: str
    llm_config: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    created_by: str | None
    triggers: list[dict[str, Any]] = Field(default_factory=list, description="Its triggers, without their secrets.")
    tool_ids: list[str] = Field(default_factory=list)
    tool_operations: dict[str, list[str] | dict[str, AnyGrantView]] = Field(
        default_factory=dict, description="What it may do with each tool; a plain list means `allow` and `own`."
    )
    outcome: dict[str, Any] = Field(default_factory=dict, description="What its runs end in.")
    revision: int = Field(1, description="Counts every change; the ETag.")
    current_version: int = Field(1, description="Counts changes of prompt, model, tools and triggers.")

    @model_validator(mode="before")
    @classmethod
    def _from_row(cls, data: Any) -> Any:
        if not isinstance(data, Agent):
            return data
        computed = {"triggers", "tool_ids", "tool_operations", "outcome", "webhook_secrets"}
        row = {name: getattr(data, name) for name in cls.model_fields if name not in computed}
        counters = {name: row.pop(name) or 1 for name in ("revision", "current_version")}
        tools = sorted(data.tools, key=lambda tool: tool.tool_id)
        return {
            **row,
            **counters,
            "outcome": read_outcome(data.outcome).as_stored(),
            "triggers": [trigger_view(trigger) for trigger in in_order(data.triggers)],
            "tool_ids": [tool.tool_id for tool in tools],
            "tool_operations": {tool.tool_id: stored_grants(read_grants(tool.operations or ())) for tool in tools},
        }


def in_order(triggers: list[AgentTrigger]) -> list[AgentTrigger]:
    """Triggers, oldest first; those made together by id, so that the order is always the same."""
    return sorted(triggers, key=lambda trigger: (str(trigger.created_at), str(trigger.id)))


def trigger_view(trigger: AgentTrigger) -> dict[str, Any]:
    """A trigger as it is shown: what it is and when it fires, never its secret."""
    shown: dict[str, Any] = {"id": trigger.id, "trigger_type": trigger.trigger_type}
    if trigger.trigger_type == TriggerType.WEBHOOK:
        shown |= {
            "webhook_url": trigger.webhook_url,
            "has_secret": trigger.hmac_secret is not None,
            "previous_secret_valid_until": trigger.previous_hmac_secret_expires_at,
            "payload_schema": trigger.payload_schema,
            "note_word": trigger.note_word,
        }
    else:
        shown |= {name: getattr(trigger, name) for name in (*SCHEDULE_FIELDS, "next_fire_at")}
    return {
        **shown,
        "event_filter": trigger.event_filter,
        "is_paused": bool(trigger.is_paused),
        "created_at": trigger.created_at,
        "updated_at": trigger.updated_at,
    }


__all__ = [
    "AgentCreate",
    "AgentResponse",
    "AgentStatus",
    "AgentTriggerCreate",
    "AgentTriggerUpdate",
    "AgentUpdate",
    "LLMConfig",
    "TriggerType",
]

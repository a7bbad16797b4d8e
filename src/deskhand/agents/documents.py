"""An agent as a file: the format of ``deskhand apply``, ``deskhand export`` and of the templates.

Its fields are those of the API, but for what belongs to one installation: ids, webhook addresses and secrets. A secret
is a reference (``env:NAME``, ``file:PATH``) that is followed where the file is applied, and is never written out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from deskhand.agents.event_filter import EventFilter
from deskhand.agents.llm_config import LLMConfig, SentLLMConfig
from deskhand.agents.models import Agent, AgentTrigger
from deskhand.agents.outcomes import Outcome, read_outcome
from deskhand.agents.schemas import (
    DISTINCT,
    MAX_TOOLS,
    MAX_TRIGGERS,
    SCHEDULE_FIELDS,
    WEBHOOK_STATE,
    AgentName,
    AgentStatus,
    AgentTriggerCreate,
    Description,
    Prompt,
    ToolGrants,
    TriggerType,
)
from deskhand.kit.schema import InputModel
from deskhand.tools.values import read_grants, stored_grants

API_VERSION = "deskhand/v1"
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,199}|file:[^\x00\n]{1,1000}", re.ASCII)


def _reference(value: SecretStr) -> SecretStr:
    if not _REFERENCE.fullmatch(value.get_secret_value()):
        # What was written may be the secret itself, so it is not repeated.
        raise ValueError("must say where the secret is, env:NAME or file:PATH, and never hold it")
    return value


SecretReference = Annotated[SecretStr, AfterValidator(_reference)]
"""Where a secret is, ``env:NAME`` or ``file:PATH``; never the secret."""


class TriggerDocument(AgentTriggerCreate):
    """A trigger in a file."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"trigger_type": "schedule", "schedule_cron": "0 9 * * *", "schedule_timezone": "Asia/Tokyo"}]
        }
    )

    webhook_url: None = Field(None, description="Made by the server; not written here.")
    hmac_secret: SecretReference | None = Field(
        None,
        description="Where the secret of a webhook is: `env:NAME`, or `file:PATH` (from the file's own folder). Left"
        " out, the stored one stays, and a new webhook gets one, which is shown once.",
    )
    is_paused: bool = Field(False, description="Of a schedule: it does not fire until it is resumed.")

    def _judge(self) -> None:
        super()._judge()
        if self.is_paused and self.trigger_type != TriggerType.SCHEDULE:
            raise ValueError("is_paused not allowed when trigger_type=webhook")

    def content(self) -> dict[str, Any]:
        """What it says, without its secret; short where a field has nothing to say."""
        return _trigger_content(self, is_paused=self.is_paused)


class AgentDocument(InputModel):
    """An agent in a file."""

    api_version: Literal["deskhand/v1"] = Field(alias="apiVersion", description="The format.")
    kind: Literal["Agent"]
    name: AgentName = Field(description="Name for people; files know an agent by it, so it must be the only one.")
    description: Description | None = None
    status: Literal[AgentStatus.DRAFT, AgentStatus.ACTIVE, AgentStatus.SUSPENDED] = AgentStatus.DRAFT
    system_prompt: Prompt
    llm_config: SentLLMConfig
    outcome: Outcome = Field(default_factory=Outcome, description="What its runs end in.")
    tools: ToolGrants = Field(
        default_factory=dict,
        max_length=MAX_TOOLS,
        description="What it may do with each tool: a list of operations, or operation to mode and scope.",
    )
    triggers: list[TriggerDocument] = Field(default_factory=list, max_length=MAX_TRIGGERS, json_schema_extra=DISTINCT)

    @field_validator("status", mode="before")
    @classmethod
    def _one_of_three(cls, value: Any) -> Any:
        # A file says how an agent is to be; that it is to be gone is said by taking the file away.
        if value == AgentStatus.INACTIVE:
            raise ValueError("an agent is deleted by taking its file away and applying with --prune, not by 'inactive'")
        return value

    @model_validator(mode="after")
    def _needs_a_trigger(self) -> AgentDocument:
        if self.status != AgentStatus.DRAFT and not self.triggers:
            raise ValueError("At least one trigger is required for an agent that is not a draft")
        return self

    def content(self) -> dict[str, Any]:
        """What it says, in the form in which ``content_of`` says it of a stored agent."""
        return {
            "name": self.name,
            "description": self.description,
            "status": self.status.value,
            "system_prompt": self.system_prompt,
            "llm_config": _ordered(self.llm_config.as_stored()),
            "outcome": self.outcome.as_stored(),
            "tools": {
                tool_id: stored_grants({name: how.grant for name, how in grants.items()})
                for tool_id, grants in sorted(self.tools.items())
            },
            "triggers": in_one_order([trigger.content() for trigger in self.triggers]),
        }


def content_of(agent: Agent) -> dict[str, Any]:
    """What a file would say of a stored agent."""
    tools = sorted(agent.tools, key=lambda tool: tool.tool_id)
    return {
        "name": agent.name,
        "description": agent.description,
        "status": agent.status,
        "system_prompt": agent.system_prompt,
        "llm_config": _ordered(agent.llm_config),
        "outcome": read_outcome(agent.outcome).as_stored(),
        "tools": {tool.tool_id: stored_grants(read_grants(tool.operations)) for tool in tools},
        "triggers": in_one_order([trigger_content(trigger) for trigger in agent.triggers]),
    }


def trigger_content(trigger: AgentTrigger) -> dict[str, Any]:
    """What a file would say of a stored trigger."""
    return _trigger_content(trigger, is_paused=bool(trigger.is_paused))


def as_file(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content as it stands in a file: with its format, and without what has nothing to say."""
    said = {name: value for name, value in content.items() if value not in (None, [], {})}
    return {"apiVersion": API_VERSION, "kind": "Agent", **said}


def in_one_order(triggers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Triggers in an order that follows from what they say: ids, which order those made together, differ everywhere."""
    # A plain webhook first: it is the one that a desk's rule sends to.
    return sorted(triggers, key=lambda trigger: ("note_word" in trigger, json.dumps(trigger, sort_keys=True)))


def _trigger_content(trigger: AgentTriggerCreate | AgentTrigger, *, is_paused: bool) -> dict[str, Any]:
    kind = TriggerType(trigger.trigger_type)
    own: dict[str, Any] = {}
    if kind is TriggerType.SCHEDULE:
        own = {name: getattr(trigger, name) for name in SCHEDULE_FIELDS}
        own |= {"is_paused": True} if is_paused else {}
    # A schedule has of these no more than a filter.
    chosen = {name: value for name in WEBHOOK_STATE if (value := getattr(trigger, name)) is not None}
    own |= {name: value.as_stored() if isinstance(value, EventFilter) else value for name, value in chosen.items()}
    return {"trigger_type": kind.value, **own}


def _ordered(config: Mapping[str, Any]) -> dict[str, Any]:
    """Model settings with the known ones first: JSONB gives keys back in an order of its own."""
    known = [name for name in LLMConfig.model_fields if name in config]
    return {name: config[name] for name in (*known, *sorted(config.keys() - set(known)))}

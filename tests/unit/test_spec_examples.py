"""The specification's code examples, copied with only the import paths changed.

``src.schemas.agent`` is ``deskhand.agents.schemas``, ``src.plugins.registry`` is
``deskhand.plugins.registry`` and ``src.schemas.tenant`` is ``deskhand.tenants.schemas``. Examples in
SQL run in ``tests/tenancy`` and ``tests/integration``; those that build a migration step are what the
migrations themselves do.
"""

# ruff: noqa: UP045
from __future__ import annotations

import json
from typing import Any, Optional

import pytest
from pydantic import ConfigDict, ValidationError


def test_database_schema_agent_creation() -> None:
    from deskhand.agents.schemas import AgentCreate, AgentTriggerCreate, LLMConfig  # noqa: PLC0415 - as in the text

    agent = AgentCreate(
        name="Ticket Enhancement Agent",
        system_prompt="You are a helpful assistant for ticket enhancement...",
        llm_config=LLMConfig(model="gpt-4", temperature=0.7, max_tokens=4096),
        status="draft",  # type: ignore[arg-type] # as in the text; Pydantic makes the enum of it
        triggers=[
            AgentTriggerCreate(
                trigger_type="webhook",  # type: ignore[arg-type] # as in the text
                webhook_url="/agents/uuid-123/webhook",
            )
        ],
        tool_ids=["servicedesk_plus"],
    )
    assert agent.triggers[0].webhook_url == "/agents/uuid-123/webhook"
    assert agent.llm_config.max_tokens == 4096


def test_database_schema_registered_plugins() -> None:
    from deskhand.plugins.registry import PluginManager  # noqa: PLC0415 - as in the text

    manager = PluginManager()
    available = manager.list_registered_plugins()
    assert "servicedesk_plus" in [p["tool_type"] for p in available]


def test_database_schema_plugin_not_found() -> None:
    from deskhand.plugins.errors import PluginNotFoundError  # noqa: PLC0415 - as in the text
    from deskhand.plugins.registry import PluginManager  # noqa: PLC0415 - as in the text

    with pytest.raises(PluginNotFoundError, match=r"^Plugin 'fax_machine' not registered$"):
        PluginManager().get_plugin("fax_machine")


def test_database_schema_jira_tenant() -> None:
    from deskhand.tenants.schemas import TenantConfigCreate  # noqa: PLC0415 - as in the text

    config = TenantConfigCreate(
        tenant_id="jira-tenant",
        name="Jira Tenant",
        tool_type="jira",
        jira_url="https://company.atlassian.net",  # Required
        jira_api_token="token",  # type: ignore[arg-type] # Required
        jira_project_key="PROJ",  # Required
        webhook_signing_secret="secret",  # type: ignore[arg-type]
    )
    assert config.jira_project_key == "PROJ"
    with pytest.raises(ValidationError, match="Jira requires: jira_url, jira_api_token, jira_project_key"):
        TenantConfigCreate(tenant_id="jira-tenant", name="Jira Tenant", tool_type="jira")


@pytest.mark.parametrize(
    "text",
    [
        """{
          "trigger_type": "webhook",
          "webhook_url": "/agents/550e8400-e29b-41d4-a716-446655440000/webhook",
          "hmac_secret": "encrypted_secret_here",
          "payload_schema": {
            "type": "object",
            "properties": {"ticket_id": {"type": "string"}, "action": {"type": "string"}},
            "required": ["ticket_id"]
          }
        }""",
        """{"trigger_type": "schedule", "schedule_cron": "0 9 * * *"}""",
        """{"trigger_type": "webhook", "webhook_url": "/agents/uuid-123/webhook", "hmac_secret": "encrypted-secret"}""",
        """{"trigger_type": "schedule", "schedule_cron": "0 * * * *"}""",
    ],
)
def test_trigger_examples(text: str) -> None:
    from deskhand.agents.schemas import AgentTriggerCreate  # noqa: PLC0415 - as in the text

    assert AgentTriggerCreate.model_validate(json.loads(text)).trigger_type == json.loads(text)["trigger_type"]


@pytest.mark.parametrize("cron", ["0 * * * *", "0 9 * * *", "0 9 * * 1", "*/15 * * * *"])
def test_common_cron_patterns(cron: str) -> None:
    from deskhand.agents.schemas import AgentTriggerCreate, TriggerType  # noqa: PLC0415 - as in the text

    assert AgentTriggerCreate(trigger_type=TriggerType.SCHEDULE, schedule_cron=cron).schedule_cron == cron


@pytest.mark.parametrize(
    "text",
    [
        """{"provider": "litellm", "model": "gpt-4", "temperature": 0.7, "max_tokens": 4096, "top_p": 1.0,
            "frequency_penalty": 0.0, "presence_penalty": 0.0, "stop_sequences": [],
            "response_format": {"type": "text"}}""",
        """{"provider": "litellm", "model": "gpt-4", "temperature": 0.7, "max_tokens": 4096, "top_p": 1.0,
            "frequency_penalty": 0.0}""",
    ],
)
def test_llm_config_examples(text: str) -> None:
    from deskhand.agents.schemas import LLMConfig  # noqa: PLC0415 - as in the text

    assert LLMConfig.model_validate(json.loads(text)).as_stored() == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        """{"tool_config": {"default_category": "Network Issues", "default_priority": "High",
             "auto_assign_technician": "john.doe@company.com", "sla_policy_id": 12345},
            "priority_mapping": {"critical": "Urgent", "high": "High", "medium": "Medium", "low": "Low"},
            "custom_fields": {"department": "IT", "location": "Building A"}}""",
        """{"tool_config": {"default_issue_type": "Bug", "default_project_key": "SUPPORT",
             "default_priority": "High", "auto_assign_user": "john.doe@company.com"},
            "priority_mapping": {"critical": "Highest", "high": "High", "medium": "Medium", "low": "Low"},
            "custom_fields": {"customfield_10000": "tenant-id-value", "customfield_10001": "escalation-tier-1"},
            "workflow_config": {"auto_transition_on_resolve": true, "target_status": "Resolved"}}""",
    ],
)
def test_enhancement_preferences_examples(text: str) -> None:
    from deskhand.tenants.schemas import EnhancementPreferences  # noqa: PLC0415 - as in the text

    given = json.loads(text)
    assert EnhancementPreferences.model_validate(given).model_dump(mode="json", exclude_unset=True) == given


def test_story_llm_config_pattern() -> None:
    from pydantic import BaseModel, Field, field_validator  # noqa: PLC0415 - as in the text

    class LLMConfig(BaseModel):
        model: str
        temperature: float = Field(0.7, ge=0.0, le=2.0)  # Range validation
        max_tokens: int = Field(4096, ge=1, le=32000)

        @field_validator("model", mode="after")  # New v2 syntax
        @classmethod
        def validate_model(cls, v: str) -> str:
            allowed = ["gpt-4", "gpt-3.5-turbo", "claude-3-5-sonnet"]
            if v not in allowed:
                raise ValueError(f"Model must be one of {allowed}")
            return v

    from deskhand.agents.schemas import LLMConfig as Ours  # noqa: PLC0415 - the product beside the pattern

    for name in ("gpt-4", "gpt-3.5-turbo", "claude-3-5-sonnet"):
        assert (
            Ours(model=name).model_dump(include={"model", "temperature", "max_tokens"})
            == LLMConfig(model=name).model_dump()
        )


def test_story_trigger_and_enum_patterns() -> None:
    from enum import Enum  # noqa: PLC0415 - as in the text

    from pydantic import BaseModel, model_validator  # noqa: PLC0415 - as in the text

    from deskhand.agents.schemas import AgentStatus, TriggerType  # noqa: PLC0415 - the product's own

    class AgentTriggerCreate(BaseModel):
        trigger_type: TriggerType
        schedule_cron: Optional[str] = None

        @model_validator(mode="after")  # Cross-field validation
        def validate_schedule_trigger(self) -> AgentTriggerCreate:
            if self.trigger_type == TriggerType.SCHEDULE and not self.schedule_cron:
                raise ValueError("schedule_cron required when trigger_type=schedule")
            return self

    class AgentResponse(BaseModel):
        llm_config: dict[str, Any]  # JSONB serialized as dict

        model_config = ConfigDict(from_attributes=True)  # New v2 syntax (replaces orm_mode)

    AgentTriggerCreate.model_rebuild(_types_namespace={"TriggerType": TriggerType, "Optional": Optional})
    with pytest.raises(ValidationError, match="schedule_cron required when trigger_type=schedule"):
        AgentTriggerCreate(trigger_type=TriggerType.SCHEDULE)
    assert issubclass(AgentStatus, str)
    assert issubclass(AgentStatus, Enum)
    assert AgentResponse(llm_config={}).llm_config == {}

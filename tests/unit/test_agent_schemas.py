"""Story 8.2, task 7: the schemas by themselves."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from deskhand.agents.models import Agent, AgentTool, AgentTrigger
from deskhand.agents.schemas import (
    AgentCreate,
    AgentResponse,
    AgentStatus,
    AgentTriggerCreate,
    AgentUpdate,
    LLMConfig,
    TriggerType,
)

PROMPT = "You are a helpful assistant for ticket enhancement."


def _create(**fields: Any) -> AgentCreate:
    return AgentCreate.model_validate(
        {"name": "Agent", "system_prompt": PROMPT, "llm_config": {"model": "gpt-4"}, **fields}
    )


def _stored() -> Agent:
    agent = Agent(
        id=uuid.uuid4(),
        tenant_id="acme-corp",
        name="Agent",
        description=None,
        status="active",
        system_prompt=PROMPT,
        llm_config={"model": "gpt-4", "top_p": 1.0},
        created_by="api-key:dhk_12345678",
        created_at=datetime(2026, 5, 4, 9, 30, tzinfo=UTC),
        updated_at=datetime(2026, 5, 4, 9, 31, tzinfo=UTC),
        revision=4,
        current_version=2,
    )
    agent.triggers = [
        AgentTrigger(id=uuid.uuid4(), trigger_type="webhook", webhook_url="/agents/x/webhook", hmac_secret="hidden")
    ]
    agent.tools = [AgentTool(tool_id="servicedesk_plus", operations=["get_ticket"]), AgentTool(tool_id="jira")]
    return agent


# -- LLMConfig -------------------------------------------------------------------------------


def test_llm_config_valid() -> None:
    config = LLMConfig(model="claude-3-5-sonnet")
    assert (config.provider, config.temperature, config.max_tokens) == ("litellm", 0.7, 4096)


@pytest.mark.parametrize(("value", "good"), [(0.0, True), (2.0, True), (-0.01, False), (2.01, False)])
def test_llm_config_temperature_range(value: float, good: bool) -> None:
    assert _accepts(LLMConfig, model="gpt-4", temperature=value) is good


@pytest.mark.parametrize(("value", "good"), [(1, True), (32000, True), (0, False), (32001, False)])
def test_llm_config_max_tokens_range(value: int, good: bool) -> None:
    assert _accepts(LLMConfig, model="gpt-4", max_tokens=value) is good


def test_llm_config_invalid_model() -> None:
    with pytest.raises(ValidationError) as refused:
        LLMConfig(model="gpt-4-tubro")
    assert "gpt-4-turbo" in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4", "gpt-4-turbo", "gpt-3.5-turbo", "claude-3-5-sonnet", "claude-3-opus", "claude-3-sonnet",
        "claude-3-haiku", "ollama/llama3", "ollama/mistral",
    ],
)  # fmt: skip
def test_llm_config_knows_every_model_of_the_specification(name: str) -> None:
    assert LLMConfig(model=name).model == name


def test_llm_config_takes_what_the_gateway_lists() -> None:
    assert not _accepts(LLMConfig, model="our-own-finetune-xyz")
    assert LLMConfig.model_validate({"model": "our-own-finetune-xyz"}, context={"models": ["our-own-finetune-xyz"]})
    assert not _accepts(LLMConfig, model="our-own-finetune-xyz"), "what one asker may use is kept nowhere"


def test_llm_config_keeps_unknown_keys_and_drops_unset_known_ones() -> None:
    config = LLMConfig.model_validate({"model": "gpt-4", "top_p": 0.5, "seed": 7, "extra_body": {"a": [None]}})
    assert config.as_stored() == {
        "provider": "litellm", "model": "gpt-4", "temperature": 0.7, "max_tokens": 4096, "top_p": 0.5,
        "seed": 7, "extra_body": {"a": [None]},
    }  # fmt: skip


@pytest.mark.parametrize("key", ["api_key", "apikey", "openai_api_key", "client_secret", "password", "access_token"])
def test_llm_config_refuses_credentials(key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        LLMConfig.model_validate({"model": "gpt-4", key: "sk-very-secret"})
    assert "sk-very-secret" not in str(refused.value)


# -- AgentTriggerCreate ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "zone", "good"),
    [
        ("0 9 * * *", "UTC", True),
        ("*/15 * * * *", "Europe/Berlin", True),
        ("0 9 * * MON", "America/New_York", True),
        ("0 9 * * *", "Mars/Olympus", False),
        ("0 9 * *", "UTC", False),
        ("* * * * * *", "UTC", False),
        ("61 * * * *", "UTC", False),
        ("0 0 30 2 *", "UTC", False),
        ("@daily", "UTC", False),
    ],
)
def test_trigger_cron_is_valid_in_its_zone(cron: str, zone: str, good: bool) -> None:
    assert _accepts(AgentTriggerCreate, trigger_type="schedule", schedule_cron=cron, schedule_timezone=zone) is good


@pytest.mark.parametrize(
    "fields",
    [
        {"trigger_type": "schedule", "schedule_cron": "0 9 * * *", "hmac_secret": "0123456789abcdef"},
        {"trigger_type": "schedule", "schedule_cron": "0 9 * * *", "payload_schema": {}},
        {"trigger_type": "schedule", "schedule_cron": "0 9 * * *", "webhook_url": "/agents/x/webhook"},
        {"trigger_type": "webhook", "schedule_cron": "0 9 * * *"},
        {"trigger_type": "webhook", "webhook_url": "https://elsewhere.example.com/hook"},
        {"trigger_type": "webhook", "hmac_secret": "short"},
        {"trigger_type": "webhook", "payload_schema": {"type": 5}},
        {"trigger_type": "webhook", "payload_schema": {"properties": {"a": {"$ref": "https://x.example/s.json"}}}},
        {"trigger_type": "mail"},
    ],
)
def test_trigger_cross_rules(fields: dict[str, Any]) -> None:
    assert not _accepts(AgentTriggerCreate, **fields)


def test_trigger_secret_is_never_shown() -> None:
    trigger = AgentTriggerCreate.model_validate({"trigger_type": "webhook", "hmac_secret": "0123456789abcdef"})
    assert "0123456789abcdef" not in repr(trigger) + str(trigger) + trigger.model_dump_json()


# -- AgentCreate -----------------------------------------------------------------------------


def test_agent_create_valid() -> None:
    agent = _create(tool_ids=["servicedesk_plus"])
    assert (agent.status, agent.triggers, agent.created_by) == (AgentStatus.DRAFT, [], None)


def test_agent_create_missing_name() -> None:
    with pytest.raises(ValidationError) as refused:
        AgentCreate.model_validate({"system_prompt": PROMPT, "llm_config": {"model": "gpt-4"}})
    assert refused.value.errors()[0]["loc"] == ("name",)


@pytest.mark.parametrize(
    ("name", "good"), [("", False), ("   ", False), ("x", True), ("x" * 255, True), ("x" * 256, False)]
)
def test_agent_create_name_length(name: str, good: bool) -> None:
    fields = {"name": name, "system_prompt": PROMPT, "llm_config": {"model": "gpt-4"}}
    assert _accepts(AgentCreate, **fields) is good


@pytest.mark.parametrize(("length", "good"), [(9, False), (10, True), (32000, True), (32001, False)])
def test_agent_create_invalid_prompt_length(length: int, good: bool) -> None:
    fields = {"name": "Agent", "system_prompt": "x" * length, "llm_config": {"model": "gpt-4"}}
    assert _accepts(AgentCreate, **fields) is good


def test_agent_create_with_triggers() -> None:
    agent = _create(status="active", triggers=[{"trigger_type": "webhook"}])
    assert agent.triggers[0].trigger_type is TriggerType.WEBHOOK


def test_agent_create_schedule_requires_cron() -> None:
    with pytest.raises(ValidationError, match="schedule_cron required when trigger_type=schedule"):
        _create(triggers=[{"trigger_type": "schedule"}])


@pytest.mark.parametrize("status", ["active", "suspended", "inactive"])
def test_agent_create_needs_a_trigger_unless_draft(status: str) -> None:
    with pytest.raises(ValidationError, match="At least one trigger is required"):
        _create(status=status)


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_ids": ["jira", "jira"]},
        {"tool_ids": [""]},
        {"tool_ids": ["x" * 101]},
        {"tool_ids": [], "tool_operations": {"jira": ["add_note"]}},
        {"description": "half a pair \ud800"},
        {"name": "nul \x00"},
        {"unknown": 1},
    ],
)
def test_agent_create_refuses(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _create(**fields)


# -- AgentUpdate -----------------------------------------------------------------------------


def test_agent_update_partial() -> None:
    update = AgentUpdate.model_validate({"name": "Renamed"})
    assert update.model_fields_set == {"name"}
    assert (update.name, update.system_prompt, update.status) == ("Renamed", None, None)


def test_agent_update_invalid_status_transition() -> None:
    with pytest.raises(ValidationError, match="active → draft"):
        AgentUpdate.model_validate({"status": "draft"})
    assert AgentUpdate.model_validate({"status": "suspended"}).status is AgentStatus.SUSPENDED


def test_agent_update_empty() -> None:
    assert AgentUpdate().model_dump(exclude_unset=True) == {}


# -- AgentResponse ---------------------------------------------------------------------------


def test_agent_response_from_orm() -> None:
    agent = _stored()
    response = AgentResponse.model_validate(agent)
    assert (response.id, response.status, response.revision) == (agent.id, AgentStatus.ACTIVE, 4)
    assert response.tool_ids == ["jira", "servicedesk_plus"]
    assert response.tool_operations["servicedesk_plus"] == ["get_ticket"]
    assert response.triggers[0]["webhook_url"] == "/agents/x/webhook"
    assert AgentResponse.model_config.get("from_attributes") is True


def test_agent_response_serialization() -> None:
    text = AgentResponse.model_validate(_stored()).model_dump_json()
    shown = json.loads(text)
    assert shown["status"] == "active"
    assert shown["llm_config"] == {"model": "gpt-4", "top_p": 1.0}
    assert shown["triggers"][0]["has_secret"] is True
    assert "hidden" not in text


def test_agent_response_datetime_format() -> None:
    shown = AgentResponse.model_validate(_stored()).model_dump(mode="json")
    assert shown["created_at"] == "2026-05-04T09:30:00Z"
    assert datetime.fromisoformat(shown["updated_at"]) == datetime(2026, 5, 4, 9, 31, tzinfo=UTC)


# -- enums -----------------------------------------------------------------------------------


def test_agent_status_values() -> None:
    assert [status.value for status in AgentStatus] == ["draft", "active", "suspended", "inactive"]
    assert [kind.value for kind in TriggerType] == ["webhook", "schedule"]


def test_agent_status_json_serialization() -> None:
    assert json.dumps({"status": AgentStatus.ACTIVE}) == '{"status": "active"}'
    assert isinstance(AgentStatus.ACTIVE, str)


@pytest.mark.parametrize("schema", [LLMConfig, AgentTriggerCreate, AgentCreate, AgentUpdate, AgentResponse])
def test_every_example_in_the_documentation_is_valid(schema: type[BaseModel]) -> None:
    examples = schema.model_json_schema()["examples"]
    assert examples
    for example in examples:
        schema.model_validate(example)


def _accepts(schema: type[BaseModel], **fields: Any) -> bool:
    try:
        schema.model_validate(fields)
    except ValidationError:
        return False
    return True

"""Story 8.2, task 6: the models by themselves, without a database."""

from __future__ import annotations

import uuid
from typing import cast

from sqlalchemy import DefaultClause, Table, inspect
from sqlalchemy.dialects.postgresql import JSONB

from deskhand.agents.models import Agent, AgentTool, AgentTrigger
from deskhand.kit.db.base import TenantModel


def _agent() -> Agent:
    return Agent(
        id=uuid.UUID("550e8400-e29b-41d4-a716-446655440000"),
        tenant_id="acme-corp",
        name="Ticket Enhancement Agent",
        description="Adds context to tickets.",
        status="draft",
        system_prompt="You are a helpful assistant for ticket enhancement.",
        llm_config={"provider": "litellm", "model": "gpt-4"},
        created_by="admin@acme.example",
    )


def _server_default(table: Table, column: str) -> str:
    return str(cast(DefaultClause, table.c[column].server_default).arg)


def test_create_agent() -> None:
    agent = _agent()
    assert (agent.tenant_id, agent.name, agent.status) == ("acme-corp", "Ticket Enhancement Agent", "draft")
    assert agent.description == "Adds context to tickets."
    assert agent.system_prompt.startswith("You are")
    assert agent.llm_config["model"] == "gpt-4"
    assert agent.created_by == "admin@acme.example"
    assert agent.triggers == []
    assert agent.tools == []


def test_agent_default_values() -> None:
    table = cast(Table, Agent.__table__)
    assert _server_default(table, "created_at") == "now()"
    assert _server_default(table, "updated_at") == "now()"
    assert table.c.updated_at.onupdate is not None
    assert _server_default(table, "llm_config") == "'{}'::jsonb"
    assert _server_default(table, "id") == "gen_random_uuid()"
    assert not any(table.c[name].nullable for name in ("tenant_id", "name", "status", "system_prompt", "llm_config"))


def test_agent_repr() -> None:
    agent = _agent()
    assert repr(agent) == f"<Agent(id={agent.id}, name=Ticket Enhancement Agent, status=draft)>"


def test_create_agent_trigger() -> None:
    trigger = AgentTrigger(
        trigger_type="webhook",
        webhook_url="/agents/550e8400-e29b-41d4-a716-446655440000/webhook",
        hmac_secret="gAAAA-an-encrypted-secret",
        payload_schema={"type": "object", "required": ["ticket_id"]},
    )
    assert trigger.trigger_type == "webhook"
    assert trigger.schedule_cron is None
    assert trigger.payload_schema == {"type": "object", "required": ["ticket_id"]}
    assert repr(trigger) == "<AgentTrigger(id=None, type=webhook)>"
    assert "secret" not in repr(trigger)


def test_agent_trigger_schedule() -> None:
    trigger = AgentTrigger(trigger_type="schedule", schedule_cron="0 9 * * *")
    assert (trigger.schedule_cron, trigger.webhook_url, trigger.hmac_secret) == ("0 9 * * *", None, None)
    assert cast(Table, AgentTrigger.__table__).c.trigger_type.type.length == 20  # type: ignore[attr-defined] # String


def test_agent_trigger_relationship() -> None:
    agent = _agent()
    trigger = AgentTrigger(trigger_type="webhook")
    agent.triggers.append(trigger)
    assert trigger.agent is agent
    relation = inspect(Agent).relationships["triggers"]
    assert relation.cascade.delete_orphan
    assert relation.lazy == "raise"


def test_create_agent_tool() -> None:
    agent_id = uuid.uuid4()
    tool = AgentTool(agent_id=agent_id, tool_id="servicedesk_plus")
    assert (tool.agent_id, tool.tool_id) == (agent_id, "servicedesk_plus")
    assert repr(tool) == f"<AgentTool(agent_id={agent_id}, tool_id=servicedesk_plus)>"


def test_agent_tools_relationship() -> None:
    agent = _agent()
    agent.tools = [AgentTool(tool_id="jira"), AgentTool(tool_id="servicedesk_plus")]
    assert {tool.agent for tool in agent.tools} == {agent}
    assert inspect(Agent).relationships["tools"].cascade.delete_orphan


def test_agent_tool_composite_pk() -> None:
    table = cast(Table, AgentTool.__table__)
    assert [column.name for column in table.primary_key.columns] == ["agent_id", "tool_id"]


def test_llm_config_is_jsonb() -> None:
    table = cast(Table, Agent.__table__)
    assert isinstance(table.c.llm_config.type, JSONB)


def test_every_agent_table_belongs_to_a_tenant() -> None:
    assert all(issubclass(model, TenantModel) for model in (Agent, AgentTrigger, AgentTool))


def test_indexes_have_the_specifications_names() -> None:
    names = {index.name for model in (Agent, AgentTrigger, AgentTool) for index in cast(Table, model.__table__).indexes}
    assert names >= {
        "idx_agents_tenant_id_status",
        "idx_agents_created_at",
        "idx_agent_triggers_agent_id",
        "idx_agent_triggers_type",
        "idx_agent_tools_agent_id",
        "idx_agent_tools_tool_id",
    }

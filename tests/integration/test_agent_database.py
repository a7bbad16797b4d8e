"""Story 8.2, task 8: agents on a live PostgreSQL, as the application's own role."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload
from tests.conftest import DatabaseUrls

from deskhand.agents.models import Agent, AgentTool, AgentTrigger
from deskhand.kit.db.session import Database
from deskhand.tenants.models import TenantConfig

MakeTenant = Callable[..., Awaitable[TenantConfig]]
PROMPT = "You are a helpful assistant for ticket enhancement."


def _agent(tenant_id: str = "acme", **fields: Any) -> Agent:
    values = {"name": "Agent", "status": "draft", "system_prompt": PROMPT, "llm_config": {"model": "gpt-4"}, **fields}
    return Agent(tenant_id=tenant_id, **values)


def _full_agent() -> Agent:
    agent = _agent()
    agent.triggers = [
        AgentTrigger(tenant_id="acme", trigger_type="webhook", hmac_secret="a-token"),
        AgentTrigger(tenant_id="acme", trigger_type="schedule", schedule_cron="0 9 * * *"),
    ]
    agent.tools = [AgentTool(tenant_id="acme", tool_id=name) for name in ("servicedesk_plus", "jira", "zendesk")]
    return agent


async def _store(db: Database, *agents: Agent) -> list[uuid.UUID]:
    async with db.tenant_session(agents[0].tenant_id) as session:
        session.add_all(agents)
        await session.flush()
        return [agent.id for agent in agents]


async def _load(session: AsyncSession, agent_id: uuid.UUID) -> Agent:
    query = select(Agent).where(Agent.id == agent_id)
    query = query.options(selectinload(Agent.triggers), selectinload(Agent.tools))
    return (await session.execute(query)).scalar_one()


async def _count(session: AsyncSession, model: type[Agent | AgentTrigger | AgentTool]) -> int:
    return (await session.execute(select(func.count()).select_from(model))).scalar_one()


async def test_insert_agent(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    async with clean_db.tenant_session("acme") as session:
        bare = text(
            "INSERT INTO agents (tenant_id, name, status, system_prompt) VALUES ('acme', 'Bare', 'draft', :prompt)"
            " RETURNING id, llm_config, created_at, updated_at, description, revision, current_version"
        )
        row = (await session.execute(bare, {"prompt": PROMPT})).one()
    assert row.id.version == 4
    assert row.llm_config == {}
    assert row.created_at == row.updated_at
    assert (row.description, row.revision, row.current_version) == (None, 1, 1)


async def test_query_agent_by_tenant(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    await _store(clean_db, _agent(name="One"), _agent(name="Two"))
    async with clean_db.tenant_session("acme") as session:
        query = select(Agent.name).where(Agent.tenant_id == "acme").order_by(Agent.name)
        assert (await session.scalars(query)).all() == ["One", "Two"]


async def test_update_agent_status(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    (agent_id,) = await _store(clean_db, _agent())
    async with clean_db.tenant_session("acme") as session:
        agent = await session.get_one(Agent, agent_id)
        agent.status = "active"
    async with clean_db.tenant_session("acme") as session:
        agent = await session.get_one(Agent, agent_id)
        assert agent.status == "active"
        assert agent.updated_at > agent.created_at


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (before, after)
        for before in ("draft", "active", "suspended", "inactive")
        for after in ("draft", "active", "suspended", "inactive", "broken")
        if before != after
    ],
)
async def test_the_database_enforces_the_lifecycle(
    clean_db: Database, make_tenant: MakeTenant, before: str, after: str
) -> None:
    await make_tenant("acme")
    (agent_id,) = await _store(clean_db, _agent(status=before))
    allowed = {
        ("draft", "active"), ("active", "suspended"), ("active", "inactive"),
        ("suspended", "active"), ("suspended", "inactive"),
    }  # fmt: skip
    statement = update(Agent).where(Agent.id == agent_id).values(status=after)
    if (before, after) in allowed:
        async with clean_db.tenant_session("acme") as session:
            await session.execute(statement)
        return
    with pytest.raises(IntegrityError):
        async with clean_db.tenant_session("acme") as session:
            await session.execute(statement)


async def test_delete_agent_cascade(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    (agent_id,) = await _store(clean_db, _full_agent())
    async with clean_db.tenant_session("acme") as session:
        assert (await _count(session, AgentTrigger), await _count(session, AgentTool)) == (2, 3)
        await session.execute(delete(Agent).where(Agent.id == agent_id))
    async with clean_db.tenant_session("acme") as session:
        assert (await _count(session, AgentTrigger), await _count(session, AgentTool)) == (0, 0)


async def test_tenant_isolation(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    await make_tenant("globex")
    (acme_id,) = await _store(clean_db, _full_agent())
    await _store(clean_db, _agent("globex", name="Theirs"))
    async with clean_db.tenant_session("globex") as session:
        assert (await session.scalars(select(Agent.name))).all() == ["Theirs"]
        assert await session.get(Agent, acme_id) is None
        assert await _count(session, AgentTrigger) == 0
        changed = await session.execute(text("UPDATE agents SET name = 'Mine' WHERE tenant_id = 'acme' RETURNING id"))
        assert changed.all() == []
    with pytest.raises(DBAPIError):
        async with clean_db.tenant_session("globex") as session:
            session.add(_agent("acme", name="Smuggled"))
    with pytest.raises((IntegrityError, ProgrammingError)):
        async with clean_db.tenant_session("globex") as session:
            session.add(AgentTool(tenant_id="globex", agent_id=acme_id, tool_id="jira"))
    async with clean_db.anonymous_session() as session:
        assert await _count(session, Agent) == 0


async def test_index_performance(clean_db: Database, database_urls: DatabaseUrls) -> None:
    """The plan uses the index; how long it takes is measured in ``benchmarks/data_layer.py``."""
    connection = await asyncpg.connect(database_urls.superuser_url)
    try:
        await connection.execute(
            """
            INSERT INTO tenant_configs (tenant_id, name, webhook_signing_secret_encrypted)
                SELECT 't-' || n, 'Tenant', 'token' FROM generate_series(1, 200) n;
            INSERT INTO agents (tenant_id, name, status, system_prompt)
                SELECT 't-' || n, 'Agent ' || m, CASE WHEN m % 2 = 0 THEN 'active' ELSE 'draft' END, 'A short prompt.'
                FROM generate_series(1, 200) n, generate_series(1, 20) m;
            ANALYZE agents;
            """
        )
    finally:
        await connection.close()
    explain = "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM agents WHERE tenant_id = 't-7'"
    async with clean_db.tenant_session("t-7") as session:
        for query in (explain, explain + " AND status = 'active'"):
            plan = (await session.execute(text(query))).scalar_one()
            assert "idx_agents_tenant_id_status" in json.dumps(plan), json.dumps(plan)
            print(f"{plan[0]['Execution Time']:.3f} ms: {query}")  # noqa: T201 - a figure for people


async def test_jsonb_insert(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    config = {
        "provider": "litellm", "model": "gpt-4", "temperature": 0.7, "max_tokens": 4096, "top_p": 1.0,
        "frequency_penalty": 0.0, "presence_penalty": 0.0, "stop_sequences": [], "response_format": {"type": "text"},
    }  # fmt: skip
    (agent_id,) = await _store(clean_db, _agent(llm_config=config))
    async with clean_db.tenant_session("acme") as session:
        assert (await session.get_one(Agent, agent_id)).llm_config == config


async def test_jsonb_query(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    await _store(
        clean_db,
        _agent(name="A", llm_config={"model": "gpt-4", "temperature": 0.9}),
        _agent(name="B", llm_config={"model": "claude-3-5-sonnet", "temperature": 0.1}),
    )
    async with clean_db.tenant_session("acme") as session:
        by_model = select(Agent.name).where(Agent.llm_config["model"].astext == "gpt-4")
        assert (await session.scalars(by_model)).all() == ["A"]
        creative = text("SELECT name FROM agents WHERE (llm_config->>'temperature')::float > 0.8")
        assert (await session.scalars(creative)).all() == ["A"]


async def test_jsonb_update(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    config = {"model": "claude-3-5-sonnet", "temperature": 0.1}
    (agent_id,) = await _store(clean_db, _agent(llm_config=config))
    async with clean_db.tenant_session("acme") as session:
        await session.execute(
            text(
                """
                UPDATE agents SET llm_config = jsonb_set(llm_config, '{model}', '"claude-3-5-sonnet-20241022"')
                WHERE llm_config->>'model' = 'claude-3-5-sonnet'
                """
            )
        )
    async with clean_db.tenant_session("acme") as session:
        stored = (await session.get_one(Agent, agent_id)).llm_config
    assert stored == {"model": "claude-3-5-sonnet-20241022", "temperature": 0.1}


async def test_agent_trigger_relationship(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    (agent_id,) = await _store(clean_db, _full_agent())
    async with clean_db.tenant_session("acme") as session:
        agent = await _load(session, agent_id)
        assert {trigger.trigger_type for trigger in agent.triggers} == {"webhook", "schedule"}
        triggers = (await session.scalars(select(AgentTrigger).options(selectinload(AgentTrigger.agent)))).all()
        assert all(trigger.agent is agent and trigger.tenant_id == "acme" for trigger in triggers)


async def test_agent_tool_relationship(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    (agent_id,) = await _store(clean_db, _full_agent())
    async with clean_db.tenant_session("acme") as session:
        agent = await _load(session, agent_id)
        assert {tool.tool_id for tool in agent.tools} == {"servicedesk_plus", "jira", "zendesk"}
        assert "add_note" in agent.tools[0].operations
    with pytest.raises(IntegrityError):
        await _store_tool_again(clean_db, agent_id)


async def test_cascade_delete_triggers(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    (agent_id,) = await _store(clean_db, _full_agent())
    async with clean_db.tenant_session("acme") as session:
        agent = await _load(session, agent_id)
        agent.triggers = agent.triggers[:1]  # delete-orphan: what leaves the list leaves the table
    async with clean_db.tenant_session("acme") as session:
        assert await _count(session, AgentTrigger) == 1
        await session.delete(await _load(session, agent_id))
    async with clean_db.tenant_session("acme") as session:
        assert [await _count(session, model) for model in (Agent, AgentTrigger, AgentTool)] == [0, 0, 0]


async def test_an_agent_needs_an_existing_tenant(clean_db: Database) -> None:
    with pytest.raises(IntegrityError):
        await _store(clean_db, _agent("nobody"))


@pytest.mark.parametrize(
    "fields", [{"trigger_type": "mail"}, {"trigger_type": "schedule"}, {"trigger_type": "webhook", "agent_id": None}]
)
async def test_a_trigger_is_of_a_known_kind(
    clean_db: Database, make_tenant: MakeTenant, fields: dict[str, Any]
) -> None:
    await make_tenant("acme")
    (agent_id,) = await _store(clean_db, _agent())
    with pytest.raises(IntegrityError):
        async with clean_db.tenant_session("acme") as session:
            session.add(AgentTrigger(**{"tenant_id": "acme", "agent_id": agent_id, **fields}))


async def _store_tool_again(db: Database, agent_id: uuid.UUID) -> None:
    async with db.tenant_session("acme") as session:
        session.add(AgentTool(tenant_id="acme", agent_id=agent_id, tool_id="jira"))

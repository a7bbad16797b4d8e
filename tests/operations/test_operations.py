"""How things stand: what waits and why, workers, what fails, by tenant for the platform and one's own for a tenant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy import select, text, update
from tests.conftest import DatabaseUrls
from tests.support.api import Api
from tests.support.console import Console

from deskhand.agents.models import Agent, AgentTrigger, AgentVersion
from deskhand.engine.models import AgentExecution


@pytest.fixture
def console(api: Api) -> Console:
    return Console(api.url, api.db, api.app)


async def agent_of(api: Api, client: httpx2.AsyncClient, tenant: str = "acme", **fields: Any) -> Agent:
    made = await api.agent(client, **fields)
    async with api.db.tenant_session(tenant) as session:
        return await session.get_one(Agent, made["id"])


async def stands(client: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/v1/operations")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def reasons(queue: dict[str, Any]) -> dict[str, int]:
    return {one["reason"]: one["runs"] for one in queue["parked"]}


async def test_an_empty_installation_has_nothing_to_tell(api: Api) -> None:
    acme, platform = await api.tenant(), await api.platform()
    for client in (acme, platform):
        now = await stands(client)
        assert (now["waiting"], now["running"], now["oldest_at"], now["queues"]) == (0, 0, None, [])
        assert (now["workers"], now["failing"], now["failures"]) == ([], [], [])
        assert now["clock"] == {"next_at": None, "last_at": None}


async def test_what_waits_is_told_by_its_reason(api: Api, console: Console) -> None:
    acme = await api.tenant()
    agent, paused = await agent_of(api, acme), await agent_of(api, acme, name="Paused")
    await acme.post("/api/v1/pauses", json={"agent_id": str(paused.id), "reason": "r"})
    now = await console.now()
    lane = "servicedesk_plus/7"
    await console.execution(agent, status="running", attempt=1, ticket="7", lane=lane)
    await console.execution(agent, status="queued", ticket="1")
    await console.execution(agent, status="queued", ticket="7", lane=lane, parked=True, attempt=1)
    await console.execution(
        agent, status="queued", ticket="2", parked=True, attempt=2, not_before=now + timedelta(hours=1)
    )
    for ticket in ("3", "4"):
        await console.execution(agent, status="queued", ticket=ticket, parked=True)
    oldest = await console.execution(paused, status="queued", ticket="5", parked=True, ago=3600)
    await console.execution(paused, status="queued", ticket="6", parked=True, mode="undo")

    shown = await stands(acme)
    (queue,) = shown["queues"]
    assert (queue["tenant_id"], queue["ready"], queue["running"]) == ("acme", 1, 1)
    # An undo goes on while its agent is paused; it waits for a slot like any other.
    assert reasons(queue) == {"ticket": 1, "later": 1, "limit": 3, "paused": 1}
    assert (shown["waiting"], shown["running"]) == (7, 1)
    async with api.db.tenant_session("acme") as session:
        came = await session.scalar(select(AgentExecution.queued_at).where(AgentExecution.id == oldest))
    assert datetime.fromisoformat(shown["oldest_at"]) == came

    await (await api.platform()).post("/api/v1/pauses", json={"reason": "r"})
    (queue,) = (await stands(acme))["queues"]
    assert (queue["ready"], reasons(queue)) == (0, {"paused": 7})


async def test_the_platform_sees_each_tenant_and_a_tenant_itself(api: Api, console: Console) -> None:
    clients = {tenant: await api.tenant(tenant) for tenant in ("acme", "globex")}
    for tenant, runs in (("acme", 1), ("globex", 2)):
        agent = await agent_of(api, clients[tenant], tenant, name=f"Secret of {tenant}")
        for number in range(runs):
            await console.execution(agent, status="queued", ticket=str(number))
        await console.execution(agent, status="failed", attempt=1, error_code="desk-auth", error_message="secret")
    platform = await api.platform()
    everything = await stands(platform)
    assert [(one["tenant_id"], one["ready"]) for one in everything["queues"]] == [("globex", 2), ("acme", 1)]
    assert (everything["waiting"], everything["failures"], everything["more_tenants"]) == (3, [], 0)
    assert "ecret" not in str(everything)
    own = await stands(clients["acme"])
    assert [(one["tenant_id"], one["ready"]) for one in own["queues"]] == [("acme", 1)]
    assert "globex" not in str(own)


async def test_workers_by_name_for_the_platform_and_by_number_for_a_tenant(
    api: Api, database_urls: DatabaseUrls
) -> None:
    acme, platform = await api.tenant(), await api.platform()
    superuser = await asyncpg.connect(database_urls.superuser_url)
    try:
        await superuser.execute(
            "INSERT INTO workers (worker_id, slots, running, seen_at) VALUES"
            " ('host-a:1:x', 20, 3, now()), ('host-b:2:y', 10, 4, now() - interval '21 seconds')"
        )
    finally:
        await superuser.close()
    shown = (await stands(platform))["workers"]
    assert [(one["worker_id"], one["slots"], one["running"], one["is_alive"]) for one in shown] == [
        ("host-a:1:x", 20, 3, True),
        ("host-b:2:y", 10, 4, False),
    ]
    told = (await stands(acme))["workers"]
    assert [(one["worker_id"], one["slots"], one["is_alive"]) for one in told] == [
        (None, 20, True),
        (None, 10, False),
    ]
    assert "host-" not in str(told)


async def test_desks_and_models_that_fail_now(api: Api, console: Console) -> None:
    acme = await api.tenant()
    agent = await agent_of(api, acme)
    now = await console.now()
    recent = {"attempt": 1, "started_at": now}
    await console.execution(agent, status="failed", error_code="desk-auth", completed_at=now, ticket="1", **recent)
    await console.execution(agent, status="queued", error_code="desk-auth", ticket="2", parked=True, **recent)
    await console.execution(agent, status="failed", error_code="model-timeout", completed_at=now, ticket="3", **recent)
    degraded = {"output_result": {"degraded": True}, "completed_at": now}
    await console.execution(agent, status="completed", ticket="4", **recent, **degraded)
    await console.execution(agent, status="completed", ticket="5", completed_at=now, **recent)
    await console.execution(agent, status="failed", error_code="limit-reached", completed_at=now, ticket="6", **recent)
    old = now - timedelta(minutes=16)
    await console.execution(
        agent, status="failed", error_code="desk-auth", ticket="7", attempt=1, started_at=old, completed_at=old
    )
    found = {(one["kind"], one["name"], one["error_code"]): one["runs"] for one in (await stands(acme))["failing"]}
    async with api.db.tenant_session("acme") as session:
        model = (await session.scalars(select(AgentVersion.llm_config))).first()["model"]
    assert found == {
        ("desk", "servicedesk_plus", "desk-auth"): 2,
        ("model", model, "model-timeout"): 1,
        ("model", model, None): 1,
    }


async def test_the_next_time_of_a_schedule_that_is_to_fire(api: Api) -> None:
    acme = await api.tenant()
    schedule = {"trigger_type": "schedule", "schedule_cron": "0 9 * * *"}
    agent = await api.agent(acme, triggers=[schedule])
    assert (await stands(acme))["clock"]["next_at"] is None, "a draft fires nothing"
    assert (await acme.post(f"/api/v1/agents/{agent['id']}/activate")).status_code == 200
    async with api.db.tenant_session("acme") as session:
        due = await session.scalar(select(AgentTrigger.next_fire_at))
        await session.execute(
            text(
                "INSERT INTO schedule_fires (tenant_id, trigger_id, fire_at, outcome)"
                " SELECT tenant_id, id, now() - age, outcome FROM agent_triggers, (VALUES"
                " (interval '2 hours', 'fired'), (interval '1 hour', 'skipped'), (interval '2 days', 'fired'))"
                " v (age, outcome)"
            )
        )
        latest = await session.scalar(text("SELECT now() - interval '2 hours'"))
    clock = (await stands(acme))["clock"]
    assert datetime.fromisoformat(clock["next_at"]) == due
    assert datetime.fromisoformat(clock["last_at"]) == latest
    await acme.post("/api/v1/pauses", json={"reason": "r"})
    assert (await stands(acme))["clock"]["next_at"] is None


async def test_failed_runs_by_what_they_failed_with(api: Api, console: Console) -> None:
    acme, globex = await api.tenant(), await api.tenant("globex")
    first, second = await agent_of(api, acme), await agent_of(api, acme, name="Second")
    now = await console.now()
    for age, agent, message in ((3, first, "older"), (1, second, "Key dhk_" + "a" * 43), (2, first, "middle")):
        await console.execution(
            agent, status="failed", attempt=1, error_code="desk-auth", error_message=message,
            completed_at=now - timedelta(minutes=age), ticket=str(age),
        )  # fmt: skip
    await console.execution(first, status="failed", attempt=1, error_code=None, completed_at=now, ticket="8")
    await console.execution(
        first, status="failed", attempt=1, error_code="desk-auth", dismissed_at=now, completed_at=now, ticket="9"
    )
    await console.execution(
        await agent_of(api, globex, "globex"), status="failed", attempt=1, error_code="desk-auth", completed_at=now
    )
    shown = (await acme.get("/api/v1/executions/failures")).json()
    assert [(one["error_code"], one["runs"], one["agents"]) for one in shown] == [("desk-auth", 3, 2), (None, 1, 1)]
    assert "dhk_aaa" not in str(shown), "no credential of an error's words"
    assert shown[0]["example"].startswith("Key ")
    assert datetime.fromisoformat(shown[0]["first_at"]) == now - timedelta(minutes=3)
    assert (await stands(acme))["failures"] == shown

    listed = (
        await acme.get("/api/v1/executions", params={"error_code": "desk-auth", "needs_attention": "true"})
    ).json()
    assert len(listed["items"]) == 3
    told = (await acme.post("/api/v1/executions/dismiss", json={"error_code": "desk-auth"})).json()
    assert len(told["dismissed"]) == 3
    assert [one["error_code"] for one in (await acme.get("/api/v1/executions/failures")).json()] == [None]


async def test_more_tenants_than_are_shown_are_counted(
    api: Api, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deskhand.operations.service.SHOWN_TENANTS", 1)
    for tenant, runs in (("acme", 1), ("globex", 2), ("initech", 1)):
        agent = await agent_of(api, await api.tenant(tenant), tenant)
        for number in range(runs):
            await console.execution(agent, status="queued", ticket=str(number))
    now = await stands(await api.platform())
    assert ([one["tenant_id"] for one in now["queues"]], now["more_tenants"], now["waiting"]) == (["globex"], 2, 4)
    async with api.db.tenant_session("globex") as session:
        await session.execute(update(AgentExecution).values(status="cancelled"))
    assert (await stands(await api.platform()))["waiting"] == 2

"""Trying an agent over the API: who may, what is refused, and in which words."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import func, select
from tests.support.api import Api

from deskhand.agents.models import Agent
from deskhand.engine.models import AgentExecution
from deskhand.executions.trials.endpoints import router

EVENT = {"event": "request.created", "request_id": "1042", "subject": "VPN drops"}
SCHEMA = {"type": "object", "required": ["ticket_id"], "properties": {"ticket_id": {"type": "string"}}}


async def attempt(client: httpx2.AsyncClient, agent: dict[str, Any], **wanted: Any) -> httpx2.Response:
    return await client.post(f"{router.prefix}/agents/{agent['id']}/try", json=wanted)


async def runs(api: Api) -> int:
    async with api.db.tenant_session("acme") as session:
        return (await session.scalar(select(func.count()).select_from(AgentExecution))) or 0


def fault_of(answer: httpx2.Response) -> tuple[str, str]:
    [fault] = answer.json()["errors"]
    return fault["pointer"], fault["detail"]


async def test_a_try_is_an_operators_and_of_ones_own_tenant(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = await api.agent(admin)
    for role, status in (("viewer", 403), ("editor", 403), ("operator", 202)):
        answer = await attempt(await api.member("acme", role), agent, payload=EVENT)
        assert answer.status_code == status, role
    stranger = await api.tenant("globex")
    foreign, missing = await attempt(stranger, agent, payload=EVENT), await attempt(admin, {"id": uuid4()})
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert await runs(api) == 1


async def test_a_draft_and_an_active_agent_are_tried_and_others_are_not(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = await api.agent(admin)
    assert (await attempt(admin, agent, payload=EVENT)).status_code == 202
    for step, status in (("activate", 202), ("suspend", 409)):
        await admin.post(f"/api/v1/agents/{agent['id']}/{step}")
        answer = await attempt(admin, agent, payload=EVENT)
        assert answer.status_code == status
    assert answer.json()["detail"] == "The agent is 'suspended', not 'active'. Nothing was started."
    await admin.delete(f"/api/v1/agents/{agent['id']}")
    assert "'inactive'" in (await attempt(admin, agent, payload=EVENT)).json()["detail"]
    assert await runs(api) == 2


@pytest.mark.parametrize(
    ("wanted", "pointer", "words"),
    [
        ({}, "/ticket_ref", "say which ticket is meant"),
        ({"ticket_ref": "1", "agent_version": 7}, "/agent_version", "the agent has no version 7; it is at 1"),
        ({"ticket_ref": "1", "tool_type": "jira"}, "/tool_type", "has no desk 'jira'; it has servicedesk_plus"),
        ({"payload": {"what": "ever"}}, "/payload", "needs `event` and a numeric `request_id`"),
        ({"payload": {**EVENT, "event": "request.deleted"}}, "/payload", "which starts nothing"),
    ],
)
async def test_what_cannot_be_tried_names_its_field(
    api: Api, admin: httpx2.AsyncClient, wanted: dict[str, Any], pointer: str, words: str
) -> None:
    answer = await attempt(admin, await api.agent(admin), **wanted)
    assert answer.status_code == 422, answer.text
    assert fault_of(answer)[0] == pointer
    assert words in fault_of(answer)[1]
    assert await runs(api) == 0


async def test_a_ticket_and_an_event_at_once_are_refused(api: Api, admin: httpx2.AsyncClient) -> None:
    answer = await attempt(admin, await api.agent(admin), ticket_ref="1", payload=EVENT)
    assert (answer.status_code, "not both" in answer.text) == (422, True)


async def test_a_desk_that_is_away_is_said_and_nothing_starts(api: Api, admin: httpx2.AsyncClient) -> None:
    answer = await attempt(admin, await api.agent(admin), ticket_ref="1042")
    assert answer.status_code in (502, 503)
    assert await runs(api) == 0


async def test_a_desk_without_a_connection_is_said_beside_its_field(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = await api.agent(admin, tool_ids=["jira", "servicedesk_plus"])
    answer = await attempt(admin, agent, ticket_ref="OPS-1", tool_type="jira")
    assert answer.status_code == 422
    pointer, words = fault_of(answer)
    assert (pointer, words.startswith("The connection to Jira")) == ("/tool_type", True)


async def test_an_event_of_its_own_is_held_to_the_webhooks_schema(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = await api.agent(admin, triggers=[{"trigger_type": "webhook", "payload_schema": SCHEMA}])
    wrong = await attempt(admin, agent, payload={"ticket": "1042"})
    assert wrong.status_code == 422
    assert fault_of(wrong)[0].startswith("/payload")
    for unfit in ("", "9" * 101):
        long = await attempt(admin, agent, payload={"ticket_id": unfit})
        assert fault_of(long) == ("/payload", "the id of its ticket must have 1 to 100 characters")
    right = await attempt(admin, agent, payload={"ticket_id": "1042"})
    assert (right.status_code, right.json()["ticket_ref"]) == (202, "1042")


async def test_an_agent_without_a_desk_takes_any_event_or_none_and_no_ticket(
    api: Api, admin: httpx2.AsyncClient
) -> None:
    agent = await api.agent(admin, tool_ids=["knowledge"])
    for wanted in ({}, {"payload": {"what": "ever"}}):
        answer = await attempt(admin, agent, **wanted)
        assert (answer.status_code, answer.json().get("ticket_ref")) == (202, None), answer.text
    assert fault_of(await attempt(admin, agent, ticket_ref="1"))[1].startswith("this version of the agent has no desk")


async def test_a_tenant_that_was_deactivated_tries_nothing(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = await api.agent(admin)
    async with api.db.tenant_session("acme") as session:
        row = await session.get_one(Agent, agent["id"])
        assert row.status == "draft"
    assert (await (await api.platform()).post("/api/v1/tenants/acme/deactivate")).is_success
    assert (await attempt(admin, agent, payload=EVENT)).status_code in (401, 403, 409)
    async with api.db.tenant_session("acme") as session:
        assert (await session.scalar(select(func.count()).select_from(AgentExecution))) == 0

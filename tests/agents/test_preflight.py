"""Whoever activates an agent is told what will fail when it runs; nothing is refused for it, and nothing hangs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.support.api import AGENT, Api
from tests.support.desks import DESK_KEY, new_simulator

from deskhand.agents import preflight
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.llm.errors import ModelUnavailableError
from deskhand.simulators.base.server import run_in_process
from deskhand.simulators.models import LlmSimulator

KEY = "sk-the-gateways-virtual-key"
READS: dict[str, Any] = {"tool_operations": {"servicedesk_plus": ["get_ticket"]}}
"""An agent that writes nothing, and is told nothing of notes that were not tried."""


@contextlib.asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """The address of something that takes connections and never says a word."""
    over = asyncio.Event()

    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        over.set()
        server.close()


@contextlib.asynccontextmanager
async def desk_of(api: Api) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a tenant whose desk answers."""
    simulator = new_simulator("servicedesk_plus")
    async with run_in_process(simulator.build()) as server:
        yield await api.tenant(servicedesk_url=server.url, servicedesk_api_key=DESK_KEY)


async def activated(client: httpx2.AsyncClient, api: Api, **fields: Any) -> list[str]:
    agent = await api.agent(client, **fields)
    answer = await client.post(f"/api/v1/agents/{agent['id']}/activate")
    assert (answer.status_code, answer.json()["status"]) == (200, "active"), answer.text
    return list(answer.json()["warnings"])


async def test_where_all_answers_nothing_is_said_and_a_model_nobody_serves_is(api: Api) -> None:
    async with LlmSimulator(api_key=KEY, models=("gpt-4", "anthropic/*")) as llm, desk_of(api) as acme:
        api.state.gateway = GatewaySettings(base_url=llm.base_url, api_key=KEY)
        # Nobody has tried a note there, and an agent that only reads shows nobody anything.
        assert await activated(acme, api, **READS) == []
        (untried,) = await activated(acme, api)
        assert untried.startswith("No note was tried on ManageEngine ServiceDesk Plus yet")
        assert await activated(acme, api, **READS, llm_config={"model": "gpt-4-turbo"}) == [
            "The gateway does not list the model 'gpt-4-turbo'; there are 'anthropic/*', 'gpt-4'; did you mean 'gpt-4'?"
        ]
        api.state.listed_models = frozenset({"anthropic/claude-own"})
        assert await activated(acme, api, **READS, llm_config={"model": "anthropic/claude-own"}) == []


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        ({"api_key": "sk-wrong"}, "cannot be asked now"),
        ({"base_url": "http://127.0.0.1:9"}, "cannot be asked now"),
        ({"base_url": "http://no-such-host.invalid/v1"}, "cannot be asked now"),
    ],
)
async def test_a_gateway_that_refuses_or_is_away_is_told(api: Api, gateway: dict[str, str], said: str) -> None:
    async with LlmSimulator(api_key=KEY, models=("gpt-4",)) as llm, desk_of(api) as acme:
        api.state.gateway = GatewaySettings(**{"base_url": llm.base_url, "api_key": KEY, **gateway})  # type: ignore[arg-type]
        (warning,) = await activated(acme, api, **READS)
        assert said in warning
        assert KEY not in warning


async def test_an_embedded_model_that_does_not_run_is_told(api: Api) -> None:
    def away() -> EmbeddedEndpoint:
        raise ModelUnavailableError("The embedded model is not running or still loading.")

    async with LlmSimulator(models=("tiny",)) as llm, desk_of(api) as acme:
        embedded = {**READS, "llm_config": {"provider": "embedded", "model": "auto"}}
        assert await activated(acme, api, **embedded) == []
        api.state.gateway = GatewaySettings(embedded=away)
        (warning,) = await activated(acme, api, **embedded)
        assert "The embedded model is not running" in warning
        api.state.gateway = GatewaySettings(embedded=lambda: EmbeddedEndpoint(llm.base_url, "", "tiny"))
        assert await activated(acme, api, **embedded) == []


async def test_what_is_silent_is_told_in_bounded_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "SECONDS", 0.2)
    async with silent() as url:
        acme = await api.tenant(servicedesk_url=url)
        api.state.gateway = GatewaySettings(base_url=f"{url}/v1")
        model, desk = await activated(acme, api)
    assert model == "What serves models did not answer within 0.2 s; runs fail while it does not."
    assert desk == "ManageEngine ServiceDesk Plus did not answer within 0.2 s; runs fail while it does not."


async def test_a_desk_that_refuses_the_key_and_one_that_is_granted_and_not_connected_are_told(api: Api) -> None:
    simulator = new_simulator("servicedesk_plus")
    async with run_in_process(simulator.build()) as server, LlmSimulator(models=("gpt-4",)) as llm:
        acme = await api.tenant(servicedesk_url=server.url, servicedesk_api_key="wrong")
        api.state.gateway = GatewaySettings(base_url=llm.base_url)
        jira, desk = await activated(acme, api, tool_ids=["servicedesk_plus", "jira"])
    assert jira.startswith("Jira Service Management Cloud cannot be used: The connection to Jira")
    assert "jira_url is missing" in jira
    assert desk.startswith(
        "ManageEngine ServiceDesk Plus does not let agents work: Address, credentials and reading requests: "
    )
    assert "wrong" not in desk


async def test_every_way_to_be_active_tells_it_and_a_draft_asks_nobody(api: Api) -> None:
    async with LlmSimulator(models=("other",)) as llm, desk_of(api) as acme:
        api.state.gateway = GatewaySettings(base_url=llm.base_url)
        draft = (await acme.post("/api/v1/agents", json={**AGENT, **READS})).json()
        url = f"/api/v1/agents/{draft['id']}"
        assert (draft["warnings"], llm.seen) == ([], [])
        created = (await acme.post("/api/v1/agents", json={**AGENT, **READS, "status": "active"})).json()
        ways = [
            created,
            (await acme.patch(url, json={"status": "active"})).json(),
            (await acme.patch(url, json={"llm_config": {"model": "gpt-4-turbo"}})).json(),
            (await acme.post(f"{url}/versions/1/rollback")).json(),
        ]
        await acme.post(f"{url}/suspend")
        ways.append((await acme.post(f"{url}/resume")).json())
        assert [len(one["warnings"]) for one in ways] == [1] * len(ways)
        asked = len(llm.seen)
        renamed = (await acme.patch(url, json={"name": "Another name"})).json()
        assert (renamed["warnings"], len(llm.seen)) == ([], asked)
        assert (await acme.patch(url, json=renamed)).status_code == 200

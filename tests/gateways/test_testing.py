"""The test of a connection says exactly what is wrong, and what it lists is offered to agents from then on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.support.api import AGENT, Api
from tests.support.gateways import connected

from deskhand.gateways.probe import probe
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings, lists
from deskhand.simulators.base.server import run_in_process
from deskhand.simulators.models import LlmSimulator, Reply

PATH = "/api/v1/model-connections"
KEY = "sk-the-key-of-the-house"
HTTP = HttpClientFactory()


@pytest.fixture
async def gate() -> AsyncIterator[LlmSimulator]:
    async with LlmSimulator(api_key=KEY, models=("house-large", "house-small")) as running:
        yield running


def way(gate: LlmSimulator, **more: Any) -> GatewaySettings:
    return GatewaySettings(base_url=gate.base_url, api_key=KEY, timeout=5.0, slug="house", kind="litellm_proxy", **more)


async def test_what_answers_is_found_with_what_it_lists(gate: LlmSimulator) -> None:
    report = await probe(way(gate, aliases={"gpt-4": "house-large"}), HTTP, model="gpt-4")
    assert (report.ok, report.listed_models) == (True, ["house-large", "house-small"])
    assert [(one.name, one.detail) for one in report.checks] == [
        ("models", "It lists 2 models."),
        ("chat", "'house-large' answered."),
    ]
    assert gate.chats[0].body["model"] == "house-large"


async def test_a_wrong_key_a_dead_host_and_a_wrong_alias_are_told_apart(gate: LlmSimulator) -> None:
    refused = await probe(replace(way(gate), api_key="sk-wrong-key-of-nobody"), HTTP)
    assert not refused.ok
    assert "refused the key. Check the key of the model connection 'house'" in refused.checks[0].detail
    assert "sk-wrong-key-of-nobody" not in refused.checks[0].detail
    dead = await probe(replace(way(gate), base_url="http://127.0.0.1:1/v1"), HTTP)
    assert "Could not reach the model connection 'house' at 127.0.0.1:1" in dead.checks[0].detail
    alias = await probe(way(gate, aliases={"gpt-4": "house-larg"}), HTTP)
    assert (alias.ok, alias.checks[1].name) == (False, "alias")
    assert "did you mean 'house-large'?" in alias.checks[1].detail


async def test_a_gateway_that_lists_nothing_is_judged_by_its_model() -> None:
    async with LlmSimulator(models=()) as gate:
        assert (await probe(way(gate), HTTP)).checks[0].detail == "It answers, and lists no model."
        gate.replies.extend([Reply(status=404, error={"message": "model_not_found"}), Reply(raw=b'{"object": "x"}')])
        for says in ("There is no model 'm'", "not with a chat completion"):
            report = await probe(way(gate), HTTP, model="m")
            assert not report.ok
            assert says in report.checks[-1].detail


async def test_a_gateway_without_a_list_is_well_if_its_model_answers() -> None:
    async def chat(_request: Request) -> JSONResponse:
        return JSONResponse({"choices": [{"message": {"content": "OK"}}]})

    routes = [Route("/v1/chat/completions", chat, methods=["POST"])]
    async with run_in_process(Starlette(routes=routes)) as server:
        gateway = GatewaySettings(base_url=f"{server.url}/v1", timeout=5.0, slug="house")
        alone = await probe(gateway, HTTP)
        assert (alone.ok, alone.listed_models) == (False, None)
        report = await probe(gateway, HTTP, model="m")
    assert (report.ok, report.listed_models) == (True, None)
    assert "It lists no models, but answers" in report.checks[0].detail


async def test_a_tenants_address_passes_the_guard_and_the_platforms_need_not(gate: LlmSimulator) -> None:
    report = await probe(way(gate, is_guarded=True), HTTP)
    assert not report.ok
    assert "cannot be called" in report.checks[0].detail
    assert gate.seen == []
    assert (await probe(way(gate), HTTP)).ok


async def test_what_has_no_address_says_what_can_be_known() -> None:
    sdk = await probe(GatewaySettings(slug="v", kind="litellm_sdk"), HTTP)
    assert [one.name for one in sdk.checks] == ["library"]
    embedded = await probe(GatewaySettings(slug="e", kind="embedded"), HTTP)
    assert not embedded.ok
    assert "deskhand doctor" in embedded.checks[0].detail
    broken = await probe(GatewaySettings(slug="b", fault="The key cannot be read."), HTTP)
    assert (broken.ok, broken.checks[0].detail) == (False, "The key cannot be read.")


def test_a_pattern_lists_all_that_fit() -> None:
    assert lists(["openai/*"], "openai/gpt-4o")
    assert lists(["gpt-4o"], "gpt-4o")
    assert not lists(["openai/*", "x"], "anthropic/claude")


async def test_what_a_test_lists_is_offered_and_agents_may_name_it(api: Api, gate: LlmSimulator) -> None:
    platform, acme, globex = await api.platform(), await api.tenant(), await api.tenant("globex")
    more = {"kind": "litellm_proxy", "base_url": gate.base_url, "aliases": {"claude-house": "house-small"}}
    await connected(platform, api_key=KEY, tenants=["acme"], **more)
    agent = {**AGENT, "llm_config": {"model": "house-large"}}
    assert (await acme.post("/api/v1/agents", json=agent)).status_code == 422
    report = await platform.post(f"{PATH}/house/test", json={"model": "claude-house"})
    assert report.json()["ok"], report.text
    shown = (await platform.get(f"{PATH}/house")).json()
    assert (shown["listed_models"], shown["check_fault"]) == (["house-large", "house-small"], None)
    assert shown["checked_at"] is not None

    async def offered(client: Any) -> dict[str, bool]:
        page = (await client.get("/api/v1/models", params={"q": "house"})).json()
        return {one["name"]: one["listed"] for one in page["items"]}

    assert await offered(acme) == {"claude-house": True, "house-large": True, "house-small": True}
    assert await offered(globex) == {}
    agent["llm_config"]["connection"] = "house"
    made = await acme.post("/api/v1/agents", json={**agent, "status": "draft"})
    assert made.status_code == 201, made.text
    foreign = await globex.post(
        "/api/v1/agents", json={**AGENT, "llm_config": {"model": "gpt-4", "connection": "house"}}
    )
    assert foreign.status_code == 422
    assert foreign.json()["errors"][0]["pointer"] == "/llm_config/connection"
    assert (await acme.post(f"{PATH}/house/test", json={})).status_code == 404


async def test_a_failed_test_is_kept_with_what_was_wrong(api: Api, gate: LlmSimulator) -> None:
    platform = await api.platform()
    await connected(platform, kind="litellm_proxy", base_url=gate.base_url, api_key="sk-wrong-key-of-nobody")
    report = (await platform.post(f"{PATH}/house/test", json={})).json()
    assert (report["ok"], report["listed_models"]) == (False, None)
    shown = (await platform.get(f"{PATH}/house")).json()
    assert shown["check_fault"] == report["checks"][0]["detail"]
    assert "refused the key" in shown["check_fault"]

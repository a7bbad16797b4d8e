"""What the configured gateway lists, agents may use; asked over loopback when the API starts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from cryptography.fernet import Fernet
from structlog.testing import capture_logs
from tests.conftest import DatabaseUrls
from tests.support.api import AGENT, TLS, Api
from tests.support.logins import PROVER

from deskhand.agents.llm_config import LLMConfig
from deskhand.api import ApiConfig, create_app
from deskhand.appstate import AppState
from deskhand.kit.db.session import Database
from deskhand.simulators.base.server import run_in_process
from deskhand.simulators.models import LlmSimulator

KEY = "sk-the-gateways-virtual-key"
OWN_MODEL = "our-own-finetune-of-november"


@contextlib.asynccontextmanager
async def _started(urls: DatabaseUrls, base_url: str, key: str) -> AsyncIterator[AppState]:
    """An API that has started with this gateway, and answers; what its requests share."""
    config = ApiConfig(
        database_url=urls.app_url,
        prover=PROVER,
        encryption_keys=(Fernet.generate_key().decode(),),
        public_url="http://127.0.0.1",
        llm_base_url=base_url,
        llm_api_key=key,
        pool_size=2,
    )
    app = create_app(config)
    async with run_in_process(app) as server, httpx2.AsyncClient(base_url=server.url, verify=TLS) as client:
        assert (await client.get("/readyz")).status_code == 200
        yield app.state.deskhand


async def test_the_gateway_is_asked_once_when_the_api_starts(clean_db: Database, database_urls: DatabaseUrls) -> None:
    async with (
        LlmSimulator(api_key=KEY, models=(OWN_MODEL, "gpt-4")) as gateway,
        _started(database_urls, gateway.base_url, KEY) as state,
    ):
        assert state.listed_models == {OWN_MODEL, "gpt-4"}
        assert [seen.path for seen in gateway.seen] == ["/v1/models"]


async def test_models_of_the_gateway_are_allowed(api: Api) -> None:
    api.state.listed_models = frozenset({OWN_MODEL})
    client = await api.tenant()
    agent = await api.agent(client, llm_config={"model": OWN_MODEL}, status="active")
    other = await api.agent(client)
    path = f"/api/v1/agents/{other['id']}"
    changed = await client.patch(path, json={"llm_config": {"model": OWN_MODEL}})
    assert changed.json()["llm_config"]["model"] == agent["llm_config"]["model"] == OWN_MODEL
    for method, address, sent in (("POST", "/api/v1/agents", AGENT), ("PATCH", path, {})):
        body = {**sent, "llm_config": {"model": "our-own-finetune-of-december"}}
        refused = await client.request(method, address, json=body)
        assert refused.status_code == 422
        (fault,) = refused.json()["errors"]
        assert fault["pointer"] == "/llm_config/model"
        assert OWN_MODEL in fault["detail"], "the near match is the gateway's own"


async def test_what_the_gateway_no_longer_lists_cannot_be_activated(api: Api) -> None:
    api.state.listed_models = frozenset({OWN_MODEL})
    client = await api.tenant()
    agent = await api.agent(client, llm_config={"model": OWN_MODEL})
    api.state.listed_models = frozenset()
    refused = await client.post(f"/api/v1/agents/{agent['id']}/activate")
    assert "/llm_config/model" in [fault["pointer"] for fault in refused.json()["errors"]]


@pytest.mark.parametrize("broken", ["down", "wrong key"])
async def test_a_gateway_that_fails_is_logged_and_the_api_runs(
    clean_db: Database, database_urls: DatabaseUrls, broken: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(LlmSimulator(api_key=KEY, models=(OWN_MODEL,)))
        url, key = gateway.base_url, KEY if broken == "down" else "sk-wrong"
        if broken == "down":
            await stack.aclose()
        with capture_logs() as logged:
            async with _started(database_urls, url, key) as state:
                assert state.listed_models == frozenset()
    (warning,) = [one for one in logged if one["event"] == "gateway_models_unknown"]
    assert "gateway at 127.0.0.1" in warning["reason"]
    assert key not in str(logged)
    assert LLMConfig(model="gpt-4").model == "gpt-4", "the specification's models stay"

"""What the configured gateway lists, agents may use; asked over loopback when the API starts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from cryptography.fernet import Fernet
from structlog.testing import capture_logs
from tests.conftest import DatabaseUrls
from tests.support.api import TLS

from deskhand.agents import llm_config
from deskhand.agents.llm_config import LLMConfig
from deskhand.api import ApiConfig, create_app
from deskhand.kit.db.session import Database
from deskhand.simulators.base.server import run_in_process
from deskhand.simulators.models import LlmSimulator

KEY = "sk-the-gateways-virtual-key"
OWN_MODEL = "our-own-finetune-of-november"


@pytest.fixture(autouse=True)
def _no_models_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_config, "_gateway_models", set())


@contextlib.asynccontextmanager
async def _api(urls: DatabaseUrls, base_url: str, key: str) -> AsyncIterator[httpx2.AsyncClient]:
    config = ApiConfig(
        database_url=urls.app_url,
        encryption_keys=(Fernet.generate_key().decode(),),
        public_url="http://127.0.0.1",
        llm_base_url=base_url,
        llm_api_key=key,
        pool_size=2,
    )
    async with (
        run_in_process(create_app(config)) as server,
        httpx2.AsyncClient(base_url=server.url, verify=TLS) as client,
    ):
        yield client


async def test_models_of_the_gateway_are_allowed(clean_db: Database, database_urls: DatabaseUrls) -> None:
    assert LLMConfig.model_fault(OWN_MODEL) is not None
    async with LlmSimulator(api_key=KEY, models=(OWN_MODEL, "gpt-4")) as gateway:
        async with _api(database_urls, gateway.base_url, KEY) as client:
            assert (await client.get("/readyz")).status_code == 200
        assert [seen.path for seen in gateway.seen] == ["/v1/models"]
    assert LLMConfig(model=OWN_MODEL).model == OWN_MODEL
    fault = LLMConfig.model_fault("our-own-finetune-of-december")
    assert fault is not None
    assert OWN_MODEL in fault, "the near match is the gateway's own"


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
            async with _api(database_urls, url, key) as client:
                assert (await client.get("/readyz")).status_code == 200
    (warning,) = [one for one in logged if one["event"] == "gateway_models_unknown"]
    assert "gateway at 127.0.0.1" in warning["reason"]
    assert key not in str(logged)
    assert LLMConfig.model_fault(OWN_MODEL) is not None
    assert LLMConfig(model="gpt-4").model == "gpt-4", "the specification's models stay"

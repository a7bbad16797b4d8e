"""How the agents of a tenant reach models: which connection is whose default, and what one that fails leaves alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from tests.support.api import Api
from tests.support.gateways import connected

from deskhand.errors import ConfigurationError
from deskhand.gateways.reach import reach_of
from deskhand.kit.crypto import SecretBox
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.gateway import GatewayModel, build_model
from deskhand.llm.places import Place, place_of
from deskhand.llm.served import why_unserved

HOUSE = GatewaySettings(base_url="http://127.0.0.1:9/v1", api_key="sk-of-the-installation", timeout=3.0)
GATE = {"kind": "openai_compatible", "api_key": "sk-of-acme"}
Reach = Callable[[str], Awaitable[GatewaySettings]]


@pytest.fixture
def reach(api: Api) -> Reach:
    async def of(tenant: str = "acme") -> GatewaySettings:
        async with api.db.tenant_session(tenant) as session:
            return await reach_of(session, tenant, HOUSE, api.state.secrets)

    return of


def base_url(gateway: GatewaySettings, **config: str) -> str:
    model = build_model({"model": "gpt-4", **config}, gateway, HttpClientFactory())
    assert isinstance(model, GatewayModel)
    return model.base_url


async def test_whose_and_where_a_connection_is_goes_with_each_text(api: Api, reach: Reach) -> None:
    acme, platform = await api.tenant(), await api.platform()
    await connected(platform, "eu", **GATE, base_url="https://eu.example.com/v1", region="EU", is_default=True)
    default = await reach("acme")
    assert place_of(default) == Place("eu", "eu.example.com", is_local=False, region="EU")
    assert place_of(default.chosen({"connection": "installation"})).region == ""
    changed = await platform.patch("/api/v1/model-connections/eu", json={"region": " us-east-1 "})
    assert (changed.status_code, changed.json()["region"]) == (200, "us-east-1")
    assert place_of(await reach("acme")).region == "us-east-1"
    # Whoever may not see its address may see where it is.
    (seen,) = (await acme.get("/api/v1/model-connections")).json()
    assert (seen["base_url"], seen["region"]) == (None, "us-east-1")
    refused = await platform.patch("/api/v1/model-connections/eu", json={"region": "x" * 61})
    assert refused.status_code == 422


async def test_the_settings_are_the_default_until_the_platform_or_the_tenant_says_another(
    api: Api, reach: Reach
) -> None:
    acme, platform = await api.tenant(), await api.platform()
    await api.tenant("globex")
    assert base_url(await reach("acme")) == HOUSE.base_url
    assert base_url(await reach("acme"), connection="installation") == HOUSE.base_url
    await connected(platform, "shared", **GATE, base_url="http://10.0.0.1/v1", is_default=True, tenants=["acme"])
    assert base_url(await reach("acme")) == "http://10.0.0.1/v1"
    assert base_url(await reach("globex")) == HOUSE.base_url
    await connected(acme, "own", **GATE, base_url="https://own.example.com/v1", is_default=True)
    gateway = await reach("acme")
    assert base_url(gateway) == "https://own.example.com/v1"
    assert base_url(gateway, connection="shared") == "http://10.0.0.1/v1"
    assert base_url(gateway, connection="installation") == HOUSE.base_url
    assert (gateway.others["own"].is_guarded, gateway.others["shared"].is_guarded) == (True, False)
    with pytest.raises(ConfigurationError, match=r"no model connection 'ownn'.*did you mean 'own'"):
        base_url(gateway, connection="ownn")


async def test_a_tenants_own_goes_before_a_shared_one_of_the_same_slug(api: Api, reach: Reach) -> None:
    acme, platform = await api.tenant(), await api.platform()
    await connected(platform, "house", **GATE, base_url="http://10.0.0.1/v1")
    await connected(acme, "house", **GATE, base_url="https://own.example.com/v1")
    assert base_url(await reach("acme"), connection="house") == "https://own.example.com/v1"


async def test_an_alias_is_the_connections_own(api: Api, reach: Reach) -> None:
    acme = await api.tenant()
    await connected(acme, **GATE, base_url="https://own.example.com/v1", aliases={"gpt-4": "gpt-4o"})
    gateway = await reach("acme")
    assert build_model({"model": "gpt-4", "connection": "house"}, gateway, HttpClientFactory()).model_name == "gpt-4o"
    assert build_model({"model": "gpt-4"}, gateway, HttpClientFactory()).model_name == "gpt-4"


async def test_a_key_that_cannot_be_read_stops_its_own_connection_alone(api: Api) -> None:
    acme = await api.tenant()
    await connected(acme, "lost", **GATE, base_url="https://own.example.com/v1")
    async with api.db.tenant_session("acme") as session:
        gateway = await reach_of(session, "acme", HOUSE, SecretBox([Fernet.generate_key().decode()]))
    assert base_url(gateway) == HOUSE.base_url
    with pytest.raises(ConfigurationError, match="The key of the model connection 'lost' cannot be used"):
        base_url(gateway, connection="lost")
    why = await why_unserved({"model": "gpt-4", "connection": "lost"}, gateway, HttpClientFactory(), seconds=1)
    assert why is not None
    assert "cannot be used" in why


async def test_what_no_other_model_may_read_goes_to_a_local_connection_alone(api: Api, reach: Reach) -> None:
    platform = await api.platform()
    await api.tenant()
    await connected(platform, "far", **GATE, base_url="http://10.0.0.1/v1")
    await connected(platform, "near", **GATE, base_url="http://10.0.0.2/v1", is_local=True)
    gateway = await reach("acme")
    guarded = replace(gateway, only_local="The ticket is of the board")
    assert base_url(guarded, connection="near") == "http://10.0.0.2/v1"
    with pytest.raises(ConfigurationError, match="no model but a local one"):
        base_url(guarded, connection="far")

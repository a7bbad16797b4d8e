"""Ways to models: which one an agent's settings choose, what it is called in sentences, and whose pool it uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from deskhand.errors import ConfigurationError
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings, lists, transport_to, why_not_here
from deskhand.llm.errors import ModelAuthError, ModelBadRequestError
from deskhand.llm.gateway import build_model
from deskhand.llm.places import places_of
from deskhand.llm.served import NO_WAY, ask_embedded, why_unserved
from deskhand.llm.transport import GatewayTransport, classify
from deskhand.simulators.models import LlmSimulator

HTTP = HttpClientFactory()
OWN = GatewaySettings(base_url="https://own.example.com/v1", api_key="sk-own", aliases={"gpt-4": "gpt-4o"})
HOUSE = GatewaySettings(base_url="https://house.example.com/v1", slug="house", ident="1")
WAYS = replace(OWN, others={"house": HOUSE, "broken": replace(HOUSE, slug="broken", fault="Its key cannot be read.")})


@pytest.fixture
async def pool() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient() as client:
        yield client


def test_without_a_name_the_way_itself_is_chosen() -> None:
    assert WAYS.chosen({}).base_url == OWN.base_url
    assert WAYS.chosen({"connection": None}).base_url == OWN.base_url
    assert WAYS.chosen({"connection": "house"}).base_url == HOUSE.base_url


def test_what_is_not_there_or_cannot_be_used_says_so() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'house'"):
        WAYS.chosen({"connection": "hause"})
    with pytest.raises(ConfigurationError, match="cannot be read"):
        WAYS.chosen({"connection": "broken"})


def test_a_boundary_holds_for_every_way() -> None:
    guarded = replace(WAYS, only_local="The board's")
    assert guarded.chosen({"connection": "house"}).only_local == "The board's"
    assert set(guarded.chosen({"connection": "house"}).others) == {"house", "broken"}


def test_an_agent_that_asks_local_models_alone_goes_no_other_way() -> None:
    only = {"model": "gpt-4o", "local_only": True}
    local = replace(OWN, is_local=True)
    assert why_not_here(OWN, only).startswith("The agent's llm_config says local_only: no model but a local one")
    assert [why_not_here(local, only), why_not_here(OWN, {}), why_not_here(OWN, {"local_only": False})] == ["", "", ""]
    # A library chooses its vendor by the model's name, whatever somebody said of the installation.
    assert why_not_here(replace(local, base_url=None), only)
    with pytest.raises(ConfigurationError, match="local_only"):
        build_model(only, OWN, HTTP)
    # In a chain, each link for itself.
    chain = {**only, "fallbacks": [{"model": "gpt-4", "connection": "house"}]}
    asked = build_model(chain, replace(OWN, others={"house": replace(HOUSE, is_local=True)}), HTTP)
    assert [place.connection for place in places_of(asked)] == ["house"]


def test_names_stand_for_others_at_their_own_way_alone() -> None:
    assert OWN.name_of("gpt-4") == "gpt-4o"
    assert OWN.name_of("gpt-4o") == "gpt-4o"
    assert HOUSE.name_of("gpt-4") == "gpt-4"


def test_what_is_listed() -> None:
    assert lists({"gpt-4"}, "gpt-4")
    assert lists(["anthropic/*"], "anthropic/claude")
    assert not lists(["anthropic/*"], "openai/gpt-4")
    assert not lists(["gpt-[4]"], "gpt-4")
    assert not lists([], "gpt-4")


async def test_a_guarded_way_never_uses_the_operators_pool(pool: httpx2.AsyncClient) -> None:
    way = replace(HOUSE, client=pool)
    trusted = transport_to(way, HTTP, GatewayTransport)
    guarded = transport_to(replace(way, is_guarded=True), HTTP, GatewayTransport)
    assert (trusted._client, guarded._client) == (pool, None)
    assert (trusted._factory.allow_private, guarded._factory.allow_private) == (True, False)


async def test_a_guarded_way_into_our_network_is_refused_in_words() -> None:
    async with LlmSimulator() as simulator:
        way = GatewaySettings(base_url=simulator.base_url, slug="house", is_guarded=True)
        with pytest.raises(ModelBadRequestError, match=r"model connection 'house' at 127.0.0.1.* cannot be called"):
            await transport_to(way, HTTP, GatewayTransport).get("/models")
        assert simulator.seen == []


def test_a_refused_key_names_where_it_is_kept() -> None:
    for place in ("DESKHAND_LLM_API_KEY", "the key of the model connection 'house'"):
        error = classify(401, "", where="the gateway", model="gpt-4", key_place=place)
        assert isinstance(error, ModelAuthError)
        assert error.detail == f"The gateway refused the key for 'gpt-4'. Check {place}."


async def test_what_is_unserved_is_told_by_the_connection_that_is_named() -> None:
    async with LlmSimulator(models=("large",)) as simulator:
        way = GatewaySettings(base_url=simulator.base_url, slug="house")
        ways = replace(OWN, others={"house": way, "sdk": GatewaySettings(slug="sdk", kind="litellm_sdk")})
        named = {"connection": "house"}
        assert await why_unserved({**named, "model": "large"}, ways, HTTP, seconds=5) is None
        why = await why_unserved({**named, "model": "larg"}, ways, HTTP, seconds=5)
        assert why is not None
        assert why.startswith("The model connection 'house' does not list the model 'larg'")
        gone = await why_unserved({"connection": "gone", "model": "large"}, ways, HTTP, seconds=5)
        assert gone is not None
        assert "no model connection 'gone'" in gone
        sdk = await why_unserved({"connection": "sdk", "model": "large"}, ways, HTTP, seconds=5)
        assert sdk in (None, NO_WAY.format(name="large"))
    assert await ask_embedded(GatewaySettings(kind="embedded"), HTTP) == []

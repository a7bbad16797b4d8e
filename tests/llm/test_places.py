"""Where a model's questions go: by its connection, link by link, and nowhere for the one on this machine."""

from __future__ import annotations

from dataclasses import replace

from pydantic_ai.models.test import TestModel
from tests.llm.memory_journal import MemoryJournal

from deskhand.kit.http import HttpClientFactory
from deskhand.llm.calls import DistinctCalls
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.durability import SENT_TO
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentTask, run_agent
from deskhand.llm.places import HERE, Place, place_of, places_of

OWN = GatewaySettings(base_url="https://user:word@LLM.example:8443/v1", slug="house")


def test_a_place_is_a_connection_and_a_host_and_no_address() -> None:
    assert place_of(OWN) == Place("house", "llm.example", is_local=False)
    assert place_of(replace(OWN, is_local=True)).is_local
    assert place_of(replace(OWN, region="EU")).as_kept() == {
        "connection": "house", "host": "llm.example", "is_local": False, "region": "EU",
    }  # fmt: skip
    # A library chooses the vendor's: nobody can call that local.
    assert place_of(GatewaySettings(is_local=True)) == Place("installation", "", is_local=False)


def test_of_a_chain_each_link_in_its_order() -> None:
    endpoint = EmbeddedEndpoint(base_url="http://127.0.0.1:1/v1", api_key="k", model="m")
    spare = replace(OWN, slug="spare", base_url="https://spare.example/v1", is_local=True)
    way = replace(OWN, others={"spare": spare}, embedded=lambda: endpoint)
    config = {"model": "gpt-4o", "fallbacks": [{"model": "gpt-4", "connection": "spare"}]}
    chain = build_model(config, way, HttpClientFactory())
    assert places_of(DistinctCalls(chain)) == (
        Place("house", "llm.example", is_local=False),
        Place("spare", "spare.example", is_local=True),
    )
    assert places_of(build_model({"provider": "embedded"}, way, HttpClientFactory())) == (HERE,)


async def test_a_model_that_nobody_reaches_over_a_connection_has_no_place() -> None:
    assert places_of(TestModel()) == ()
    journal = MemoryJournal()
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    await run_agent(AgentTask("Help.", "Ticket", schema), TestModel(), journal)
    assert SENT_TO not in journal.rows["model#1"].input

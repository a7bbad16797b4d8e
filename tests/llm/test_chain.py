"""A chain of models: what leads to the next one, what does not, who is paid, how long it may take, and who is told."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic_ai.profiles import ModelProfile
from tests.llm.conftest import KEY
from tests.llm.memory_journal import MemoryJournal
from tests.llm.test_paid import SCHEMA, Jar

from deskhand.errors import ConfigurationError
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.breaker import OPEN_AFTER, OPEN_SECONDS, Breaker, Breakers
from deskhand.llm.chain import RESTING, ChainModel
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.durability import measure_response
from deskhand.llm.embedded.constrained import ConstrainedModel
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.llm.errors import ModelAuthError, ModelError, ModelQuotaError, ModelTimeoutError, ModelUnavailableError
from deskhand.llm.fallbacks import TRIGGERS, chain_of
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentOutcome, AgentTask, run_agent
from deskhand.simulators.models import LlmSimulator, Reply

GOOD = Reply(content={"category": "access"})
FAULTS = {
    "rate_limit": Reply(status=429, error={"message": "Too many requests"}),
    "unavailable": Reply(status=503, error={"message": "overloaded"}),
    "timeout": Reply(status=504, error={"message": "upstream"}),
    "context": Reply(status=400, error={"code": "context_length_exceeded"}),
    "filter": Reply(status=400, error={"code": "content_filter"}),
    "budget": Reply(status=429, error={"code": "insufficient_quota"}),
}


class Pair:
    """Two gateways, the second behind the connection ``spare``."""

    def __init__(self, first: LlmSimulator, second: LlmSimulator) -> None:
        self.first, self.second = first, second
        own = GatewaySettings(base_url=first.base_url, api_key=KEY, timeout=5.0)
        spare = replace(own, base_url=second.base_url, slug="spare", ident="spare")
        self.gateway = replace(own, others={"spare": spare})

    def model(self, **config: Any) -> Any:
        wanted = {"model": "gpt-4o", "max_tokens": 100, "fallbacks": [{"model": "gpt-4o-mini", "connection": "spare"}]}
        return build_model({**wanted, **config}, self.gateway, HttpClientFactory())

    async def ask(
        self, journal: MemoryJournal | None = None, *, within: float | None = None, **config: Any
    ) -> AgentOutcome:
        deadline = None if within is None else time.monotonic() + within
        task = AgentTask("Be brief.", "Which category?", SCHEMA, deadline=deadline)
        return await run_agent(task, self.model(**config), journal)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with LlmSimulator(api_key=KEY) as first, LlmSimulator(api_key=KEY) as second:
        yield Pair(first, second)


def told(journal: MemoryJournal) -> list[dict[str, str]]:
    """What the journal's last model step says of models that did not answer."""
    answers = [json.loads(row.output) for row in journal.rows.values() if row.kind == "model" and row.output]
    return list((answers[-1]["provider_details"] or {}).get("fallbacks", []))


@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_each_trigger_leads_to_the_next_model_and_is_told(pair: Pair, trigger: str) -> None:
    journal = MemoryJournal()
    pair.first.replies.append(FAULTS[trigger])
    outcome = await pair.ask(journal)
    assert outcome.model_name == "gpt-4o-mini"
    assert [seen.body["model"] for seen in pair.second.chats] == ["gpt-4o-mini"]
    assert [(one["model"], one["connection"], one["reason"]) for one in told(journal)] == [
        ("gpt-4o", "installation", trigger)
    ]


@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_a_failure_that_is_no_trigger_of_the_agent_ends_it_there(pair: Pair, trigger: str) -> None:
    pair.first.replies.append(FAULTS[trigger])
    others = [one for one in TRIGGERS if one != trigger]
    with pytest.raises(ModelError):
        await pair.ask(fallback_on=others)
    assert pair.second.chats == []


async def test_a_refused_key_is_nobodys_trigger(pair: Pair) -> None:
    pair.first.replies.append(Reply(status=401, error={"code": "invalid_api_key"}))
    with pytest.raises(ModelAuthError):
        await pair.ask()
    assert pair.second.chats == []


async def test_where_all_fail_the_last_error_names_those_before_it(pair: Pair) -> None:
    pair.first.replies.append(FAULTS["rate_limit"])
    pair.second.replies.append(FAULTS["unavailable"])
    with pytest.raises(ModelUnavailableError, match=r"Before it the chain tried 'gpt-4o' \(rate_limit\)"):
        await pair.ask()


async def test_one_that_hangs_leaves_time_for_the_next_and_the_chain_has_one_deadline(pair: Pair) -> None:
    pair.first.replies.extend([Reply(delay=30.0)] * 2)
    jar = Jar()
    assert (await pair.ask(MemoryJournal(purse=jar), within=2.0)).model_name == "gpt-4o-mini"
    # Nobody knows what became of the call that was given up.
    assert jar.settled[0] == (None, 0, 0)
    pair.second.replies.append(Reply(delay=30.0))
    with pytest.raises(ModelTimeoutError):
        await pair.ask(within=1.0)
    pair.gateway = replace(pair.gateway, timeout=0.6)
    pair.first.replies.append(Reply(delay=30.0))
    assert (await pair.ask()).model_name == "gpt-4o-mini"


async def test_money_is_reserved_for_the_model_that_is_called(pair: Pair) -> None:
    jar = Jar()
    pair.first.replies.append(FAULTS["unavailable"])
    outcome = await pair.ask(MemoryJournal(purse=jar))
    assert [name for name, _, _ in jar.reserved] == ["gpt-4o", "gpt-4o-mini"]
    dear, cheap = (most for _, most, _ in jar.reserved)
    assert dear is not None
    assert cheap is not None
    assert cheap < dear
    assert (jar.released, [cost for cost, _, _ in jar.settled]) == (1, [outcome.cost_usd])


class Short(Jar):
    """A purse with money for a cheap call."""

    async def reserve(self, *, model: str, most_usd: Decimal | None, tokens: int, seconds: float) -> Any:
        if most_usd is not None and most_usd > Decimal("0.0005"):
            raise ModelQuotaError("The budget is near its end.")
        return await super().reserve(model=model, most_usd=most_usd, tokens=tokens, seconds=seconds)


async def test_near_its_end_a_budget_still_pays_for_a_cheaper_model(pair: Pair) -> None:
    journal = MemoryJournal(purse=Short())
    assert (await pair.ask(journal)).model_name == "gpt-4o-mini"
    assert pair.first.chats == []
    assert [one["reason"] for one in told(journal)] == ["budget"]
    # No gateway was asked, so none is to blame.
    for _ in range(OPEN_AFTER):
        await pair.ask(MemoryJournal(purse=Short()))
    assert (await pair.ask()).model_name == "gpt-4o"


async def test_what_fails_again_and_again_rests_and_is_tried_again_by_one_call(pair: Pair) -> None:
    now = [0.0]
    pair.gateway = replace(pair.gateway, breakers=Breakers(lambda: now[0]))
    pair.first.script = lambda _: FAULTS["unavailable"]
    for _ in range(OPEN_AFTER):
        await pair.ask()
    assert len(pair.first.chats) == OPEN_AFTER
    journal = MemoryJournal()
    await pair.ask(journal)
    assert [one["reason"] for one in told(journal)] == [RESTING]
    assert len(pair.first.chats) == OPEN_AFTER
    now[0] += OPEN_SECONDS
    await pair.ask()
    await pair.ask()
    assert len(pair.first.chats) == OPEN_AFTER + 1
    now[0] += OPEN_SECONDS
    pair.first.script = lambda _: GOOD
    assert [(await pair.ask()).model_name for _ in range(2)] == ["gpt-4o", "gpt-4o"]


async def test_the_last_is_asked_even_while_it_rests(pair: Pair) -> None:
    pair.first.script = pair.second.script = lambda _: FAULTS["unavailable"]
    for _ in range(OPEN_AFTER + 2):
        with pytest.raises(ModelUnavailableError):
            await pair.ask()
    assert len(pair.second.chats) == OPEN_AFTER + 2


def test_a_breaker_heeds_how_long_it_is_asked_to_wait_and_forgets_on_success() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(OPEN_AFTER):
        assert breaker.allows()
        breaker.failed(retry_after=90.0)
    now[0] = 89.0
    assert not breaker.allows()
    now[0] = 90.0
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.succeeded()
    assert [breaker.allows(), breaker.allows()] == [True, True]
    assert Breakers().of("a") is not Breakers().of("a")


async def test_what_a_crash_left_is_answered_from_the_journal_and_names_who_answered(pair: Pair) -> None:
    journal = MemoryJournal()
    pair.first.replies.append(FAULTS["timeout"])
    await pair.ask(journal)
    calls = len(pair.first.chats), len(pair.second.chats)
    again = await pair.ask(journal.next_attempt())
    assert (len(pair.first.chats), len(pair.second.chats)) == calls
    assert again.model_name == "gpt-4o-mini"


def test_the_figures_know_why_it_moved_on() -> None:
    tried = [{"reason": "timeout"}, {"reason": RESTING}]
    used = measure_response({"model_name": "m", "usage": {}, "provider_details": {"fallbacks": tried}})
    assert used.moved_on == ("timeout", RESTING)
    assert measure_response({"model_name": "m", "usage": {}, "provider_details": None}).moved_on == ()


def test_an_agents_own_word_goes_before_its_tenants() -> None:
    tenant = {"fallbacks": [{"model": "gpt-4o-mini"}], "fallback_on": ["timeout"]}
    own = {"model": "gpt-4o", "temperature": 0.1, "connection": "house"}
    configs, triggers = chain_of(own, tenant)
    assert configs[1] == {**own, "model": "gpt-4o-mini", "provider": "litellm"}
    assert triggers == {"timeout"}
    assert chain_of({**own, "fallbacks": []}, tenant) == ([own], frozenset(TRIGGERS))
    configs, triggers = chain_of({**own, "fallbacks": [{"model": "auto", "connection": None}]}, tenant)
    assert (configs[1]["provider"], configs[1]["connection"], triggers) == ("embedded", "house", frozenset(TRIGGERS))
    assert chain_of(own, {}) == ([own], frozenset(TRIGGERS))


async def test_a_connection_that_is_gone_is_passed_by_and_told(pair: Pair) -> None:
    journal = MemoryJournal()
    outcome = await pair.ask(journal, connection="gone")
    assert outcome.model_name == "gpt-4o-mini"
    assert [(one["connection"], one["reason"]) for one in told(journal)] == [("gone", "configuration")]
    with pytest.raises(ConfigurationError, match="no model connection 'gone'"):
        pair.model(connection="gone", fallbacks=[{"model": "gpt-4", "connection": "lost"}])


def test_the_embedded_model_begins_no_chain_and_may_end_one(pair: Pair) -> None:
    endpoint = EmbeddedEndpoint(base_url=pair.first.base_url, api_key=KEY, model="small")
    pair.gateway = replace(pair.gateway, embedded=lambda: endpoint)
    assert isinstance(pair.model(provider="embedded", model="auto"), ConstrainedModel)
    assert isinstance(pair.model(fallbacks=[{"model": "auto"}]), ChainModel)


def test_models_that_no_one_question_can_be_put_to_make_no_chain(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def profile(name: str, _settings: object = None) -> ModelProfile:
        native = name == "gpt-4o"
        return ModelProfile(supports_json_schema_output=native, supports_tools=not native)

    monkeypatch.setattr("deskhand.llm.gateway.profile_of", profile)
    with pytest.raises(ConfigurationError, match="calls no tools"):
        pair.model()

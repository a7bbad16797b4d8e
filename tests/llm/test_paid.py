"""What a call may cost is set aside before it, and what it cost is paid after: whatever became of the call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage
from tests.llm.conftest import KEY
from tests.llm.memory_journal import Killed, MemoryJournal

from deskhand.kit.http import HttpClientFactory
from deskhand.llm import catalogue
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.llm.errors import ModelError, ModelQuotaError, ModelRefusedError, ModelTimeoutError
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentTask, run_agent
from deskhand.llm.paid import LONGEST_ANSWER, Paid
from deskhand.simulators.models import LlmSimulator, Reply

SCHEMA = {"type": "object", "properties": {"category": {"type": "string"}}, "required": ["category"]}
COST = "x-litellm-response-cost"


@dataclass
class Jar:
    """A purse that remembers."""

    is_empty: bool = False
    pays: bool = True
    reserved: list[tuple[str, Decimal | None, int]] = field(default_factory=list)
    settled: list[tuple[Decimal | None, int, int]] = field(default_factory=list)
    released: int = 0

    async def reserve(self, *, model: str, most_usd: Decimal | None, tokens: int, seconds: float) -> UUID | None:
        assert seconds > 0
        if self.is_empty:
            raise ModelQuotaError("The budget is used up.")
        self.reserved.append((model, most_usd, tokens))
        return uuid4() if self.pays else None

    async def settle(
        self, reservation: UUID, *, cost_usd: Decimal | None, tokens_in: int, tokens_out: int, call_id: str | None
    ) -> None:
        assert reservation
        self.settled.append((cost_usd, tokens_in, tokens_out))

    async def release(self, reservation: UUID) -> None:
        assert reservation
        self.released += 1


async def ask(jar: Jar, gateway: GatewaySettings, http: HttpClientFactory, **config: object) -> Decimal | None:
    model = build_model({"provider": "litellm", "model": "gpt-4o", "max_tokens": 100, **config}, gateway, http)
    task = AgentTask("Be brief.", "Which category?", SCHEMA)
    return (await run_agent(task, model, MemoryJournal(purse=jar))).cost_usd


async def test_each_call_of_a_run_is_paid_at_the_gateways_own_price(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    jar = Jar()
    simulator.replies.extend(
        [
            Reply(content={"wrong": 1}, headers={COST: "0.002"}),
            Reply(content={"category": "access"}, headers={COST: "0.003"}),
        ]
    )
    assert await ask(jar, gateway, http) == Decimal("0.005")
    assert [cost for cost, _, _ in jar.settled] == [Decimal("0.002"), Decimal("0.003")]
    assert jar.released == 0
    for (name, most, _), (cost, *used) in zip(jar.reserved, jar.settled, strict=True):
        assert name == "gpt-4o"
        assert most is not None
        assert cost is not None
        assert most > cost
        assert min(used) > 0


async def test_a_purse_that_refuses_keeps_the_model_from_being_asked(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    with pytest.raises(ModelQuotaError):
        await ask(Jar(is_empty=True), gateway, http)
    assert simulator.chats == []


async def test_where_no_budget_pays_nothing_is_settled(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    jar = Jar(pays=False)
    simulator.replies.append(Reply(content={"category": "access"}))
    await ask(jar, gateway, http)
    assert (len(jar.reserved), jar.settled, jar.released) == (1, [], 0)


@pytest.mark.parametrize(
    ("reply", "is_free"),
    [
        (Reply(status=401), True),
        (Reply(status=429), True),
        (Reply(status=500), True),
        (Reply(status=400, error={"code": "content_filter", "message": "withheld"}), False),
        (Reply(status=504), False),
        (Reply(hang_up=True), False),
        (Reply(raw=b"<html>Bad gateway</html>"), False),
    ],
    ids=["key", "limit", "server", "filter", "gateway-timeout", "cut-off", "no-json"],
)
async def test_a_call_that_failed_is_given_back_only_where_no_model_can_have_worked_on_it(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory, reply: Reply, is_free: bool
) -> None:
    jar = Jar()
    simulator.replies.append(reply)
    with pytest.raises(ModelError):
        await ask(jar, gateway, http)
    assert (jar.released, jar.settled) == ((1, []) if is_free else (0, [(None, 0, 0)]))


async def test_a_gateway_that_is_not_there_costs_nothing(http: HttpClientFactory) -> None:
    jar = Jar()
    with pytest.raises(ModelError):
        await ask(jar, GatewaySettings(base_url="http://127.0.0.1:1/v1", api_key="k"), http)
    assert (jar.released, jar.settled) == (1, [])


async def test_a_call_that_its_run_abandons_is_paid_in_full() -> None:
    jar, begun = Jar(), asyncio.Event()

    async def slow(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    call = asyncio.create_task(Paid(FunctionModel(slow), jar).request([], None, ModelRequestParameters()))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (jar.released, jar.settled) == (0, [(None, 0, 0)])


@pytest.mark.parametrize("error", [ModelTimeoutError("late"), ModelRefusedError("withheld")])
async def test_what_may_have_been_worked_on_is_paid(error: ModelError) -> None:
    def failing(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        raise error

    jar = Jar()
    with pytest.raises(type(error)):
        await Paid(FunctionModel(failing), jar).request([], None, ModelRequestParameters())
    assert (jar.released, jar.settled) == (0, [(None, 0, 0)])


@pytest.mark.parametrize(
    ("name", "settings", "answer"),
    [
        ("gpt-4o", {"max_tokens": 50}, 50),
        ("gpt-4o", {"max_tokens": 50, "extra_body": {"max_completion_tokens": 70}}, 70),
        ("somebodys-own", {}, LONGEST_ANSWER),
    ],
)
async def test_the_bound_counts_every_byte_of_the_request_and_the_longest_answer(
    name: str, settings: ModelSettings, answer: int
) -> None:
    def reply(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart("yes")], usage=RequestUsage(input_tokens=9, output_tokens=1))

    jar, text = Jar(), "日本" * 500
    tool = ToolDefinition(name="look_up", description="d" * 300, parameters_json_schema={"type": "object"})
    messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(text)])]
    model = Paid(FunctionModel(reply, model_name=name), jar)
    await model.request(messages, settings, ModelRequestParameters(function_tools=[tool]))
    ((_, most, tokens),) = jar.reserved
    assert tokens - answer > len(text.encode()) + 300
    known = catalogue.facts(name)
    assert (most is None) is (known is None or known.price is None)
    assert jar.settled == [(None, 9, 1)]


async def test_the_model_of_this_machine_is_free(simulator: LlmSimulator, http: HttpClientFactory) -> None:
    jar = Jar(is_empty=True)
    endpoint = EmbeddedEndpoint(simulator.base_url, KEY, "qwen2.5-coder-1.5b")
    model = build_model({"provider": "embedded", "model": "auto"}, GatewaySettings(embedded=lambda: endpoint), http)
    outcome = await run_agent(AgentTask("Be brief.", "Which?", SCHEMA), model, MemoryJournal(purse=jar))
    assert outcome.cost_usd == 0
    assert (jar.reserved, jar.settled, jar.released) == ([], [], 0)


async def test_a_run_that_comes_back_pays_only_for_what_it_asks_anew(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    """The answer of the first call is in the journal; of the second, the worker died before it was."""
    jar = Jar()
    model = build_model({"provider": "litellm", "model": "gpt-4o", "max_tokens": 100}, gateway, http)
    task = AgentTask("Be brief.", "Which category?", SCHEMA)
    simulator.replies.extend(
        [
            Reply(content={"wrong": 1}, headers={COST: "0.002"}),
            Reply(content={"category": "access"}, headers={COST: "0.003"}),
            Reply(content={"category": "access"}, headers={COST: "0.004"}),
        ]
    )
    journal = MemoryJournal(purse=jar)
    journal.die_at = "model#2"
    with pytest.raises(Killed):
        await run_agent(task, model, journal)
    outcome = await run_agent(task, model, MemoryJournal(rows=journal.rows, purse=jar))
    assert outcome.output == {"category": "access"}
    assert [cost for cost, _, _ in jar.settled] == [Decimal("0.002"), Decimal("0.003"), Decimal("0.004")]
    assert outcome.cost_usd == Decimal("0.006"), "the run's own account has the call whose answer it has"


async def test_a_run_without_a_journal_pays_nothing(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    simulator.replies.append(Reply(content={"category": "access"}, headers={COST: "0.002"}))
    model = build_model({"provider": "litellm", "model": "gpt-4o"}, gateway, http)
    assert (await run_agent(AgentTask("Be brief.", "Which?", SCHEMA), model, None)).cost_usd == Decimal("0.002")


@pytest.mark.parametrize(
    "limit", [{"max_tokens": 0}, {"max_tokens": -5}, {"max_tokens": "many"}, {"extra_body": "x"}], ids=str
)
async def test_a_limit_that_is_none_is_not_counted_on(limit: ModelSettings) -> None:
    def reply(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart("yes")])

    jar = Jar()
    await Paid(FunctionModel(reply, model_name="somebodys-own"), jar).request([], limit, ModelRequestParameters())
    ((_, most, tokens),) = jar.reserved
    assert most is None
    assert tokens >= LONGEST_ANSWER

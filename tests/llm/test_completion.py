"""What servers send in the place of a chat completion, and what becomes of it: fault by fault, over real HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.llm.conftest import ANSWER, lookup

from deskhand.kit.http import HttpClientFactory
from deskhand.llm.completion import Completion, read_completion, read_cost, read_usage
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.errors import (
    InvalidOutputError,
    ModelError,
    ModelRateLimitedError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentOutcome, AgentTask, run_agent
from deskhand.simulators.models import LlmSimulator, Reply

TEXT = '{"category": "access"}'
GOOD = {"role": "assistant", "content": TEXT}


def body(message: Any = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": GOOD if message is None else message, "finish_reason": "stop"}
    return {
        "id": "c1",
        "model": "gpt-4o",
        "choices": [choice],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    } | more


def calling(*calls: Any, **more: Any) -> dict[str, Any]:
    return body({"role": "assistant", "content": None, "tool_calls": list(calls), **more})


def call(arguments: Any, name: Any = "get_ticket", ident: Any = "c1") -> dict[str, Any]:
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


def error(**fields: Any) -> dict[str, Any]:
    return {"error": fields}


async def asked(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory, *bodies: Any
) -> AgentOutcome:
    simulator.replies.extend(Reply(raw=one if isinstance(one, bytes) else json.dumps(one).encode()) for one in bodies)
    task = AgentTask("Be brief.", "Which category?", ANSWER, tools=[lookup([])])
    return await run_agent(task, build_model({"model": "gpt-4o"}, gateway, http), None)


REFUSED = {
    "an error 429": (error(message="Provider returned error", code=429), ModelRateLimitedError, True),
    "an error '429' as text": (error(message="slow down", code="429"), ModelRateLimitedError, True),
    "an error by its type": (error(message="x", type="rate_limit_error"), ModelRateLimitedError, True),
    "an error 502": (error(message="lost", code=502), ModelUnavailableError, True),
    "an error 503 beside choices": ({**error(message="none", code=503), "choices": []}, ModelUnavailableError, True),
    "an error 524": ({**error(message="late", code=524), "choices": []}, ModelTimeoutError, True),
    "an error without a code": (error(message="Something broke"), ModelUnavailableError, True),
    "an error in words": ({"error": "upstream died"}, ModelUnavailableError, True),
    "a null error": ({"error": None, "choices": []}, ModelUnavailableError, True),
    "an error in the choice": ({"choices": [{"error": {"code": 503}}]}, ModelUnavailableError, True),
    "an error beside an empty message": (body({"content": ""}, **error(code=503)), ModelUnavailableError, True),
    "no choices": ({"id": "x"}, ModelUnavailableError, True),
    "choices null": ({"choices": None}, ModelUnavailableError, True),
    "choices an object": ({"choices": {"0": {}}}, ModelUnavailableError, True),
    "choices: [null]": ({"choices": [None]}, ModelUnavailableError, True),
    "choices: [text]": ({"choices": ["x"]}, ModelUnavailableError, True),
    "a message that is text": ({"choices": [{"message": "hi"}]}, ModelUnavailableError, True),
    "a list": ([1], ModelUnavailableError, True),
    "half of it": (b'{"choices": [{"mess', ModelUnavailableError, True),
    "ten thousand brackets": (b"[" * 10_000, ModelUnavailableError, True),
    "a refusal": (body({"content": None, "refusal": "I can't help with that."}), ModelRefusedError, False),
    "a refusal as a part": (body({"content": [{"type": "refusal", "refusal": "No."}]}), ModelRefusedError, False),
    "a filter": (body({"content": ""}, choices=[{"message": {"content": ""}, "finish_reason": "content_filter"}]),
                 ModelRefusedError, False),
    **{f"a finish for {why}": (body({"content": ""}, choices=[{"message": {"content": ""}, "finish_reason": why}]),
                               ModelRefusedError, False) for why in ("SAFETY", "refusal", "guardrail_intervened")},
    "a filter as an error": (error(message="blocked", code="content_filter"), ModelRefusedError, False),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
async def test_what_is_no_answer_is_named_and_asked_once(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory, fault: str
) -> None:
    sent, kind, retryable = REFUSED[fault]
    with pytest.raises(ModelError) as caught:
        await asked(simulator, gateway, http, sent)
    assert (type(caught.value), caught.value.retryable) == (kind, retryable)
    assert len(simulator.chats) == 1


UNDERSTOOD = {
    "plain": body(),
    "thoughts before it": body({"content": f"<think>\nThey want {{a}} category.\n</think>\n\n{TEXT}"}),
    "two thoughts before it": body({"content": f"<think>a</think><thinking>b</thinking>{TEXT}"}),
    "thoughts without their opening": body({"content": f"They want a {{category}}.\n</think>\n{TEXT}"}),
    "thoughts beside it": body({"content": TEXT, "reasoning_content": "hm"}),
    "thoughts beside it, other name": body({"content": TEXT, "reasoning": "hm", "reasoning_details": [{"a": 1}]}),
    "thoughts in brackets": body({"content": f"[THINK]They want {{a}}.[/THINK]{TEXT}"}),
    "thoughts in capitals": body({"content": f"<THINK>They want {{a}}.</THINK>{TEXT}"}),
    "thoughts between triangles": body({"content": f"◁think▷They want {{a}}.◁/think▷{TEXT}"}),
    "thoughts as Ollama has them": body({"content": TEXT, "thinking": "hm"}),
    "the answer as an object": body({"content": json.loads(TEXT)}),
    "an answer as if streamed": body(choices=[{"delta": {"content": TEXT}}]),
    "an answer as of a completion": body(choices=[{"text": TEXT}]),
    "a finish of another vendor": body(choices=[{"message": GOOD, "finish_reason": "end_turn"}]),
    "thoughts of another type": body({"content": TEXT, "reasoning_content": {"a": [1]}}),
    "a byte order mark": body({"content": "\ufeff" + TEXT}),
    "a code fence": body({"content": f"```json\n{TEXT}\n```"}),
    "words around it": body({"content": f"Here you are:\n{TEXT}\nAnything else?"}),
    "encoded twice": body({"content": json.dumps(TEXT)}),
    "a list of parts": body({"content": [{"type": "text", "text": TEXT}]}),
    "a part without its type": body({"content": [{"text": TEXT}]}),
    "an object of one part": body({"content": {"type": "text", "text": TEXT}}),
    "texts and odd parts": body({"content": [None, 5, {"type": "image"}, {"type": "text", "text": None}, TEXT]}),
    "a thought part": body({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                                        {"type": "text", "text": TEXT}]}),
    "an empty refusal": body({"content": TEXT, "refusal": ""}),
    "a null error beside it": body(**{"error": None}),
    "an odd error beside it": body(**error(code=1, message="warning")),
    "a null choice before it": body(choices=[None, {"message": GOOD}]),
    "nothing but the message": {"choices": [{"message": {"content": TEXT}}]},
    "names of other types": body(id=7, model=["x"], object=None, created="now", system_fingerprint={}),
    "calls null": body({"content": TEXT, "tool_calls": None}),
    "calls an object": body({"content": TEXT, "tool_calls": {"a": 1}}),
    "a reason of another type": body(choices=[{"message": GOOD, "finish_reason": ["stop"]}]),
    "usage null": body(usage=None),
    "usage a list": body(usage=[1]),
    "counts as words": body(usage={"prompt_tokens": "many", "completion_tokens": "few"}),
    "counts below zero": body(usage={"prompt_tokens": -5_000_000, "completion_tokens": -1}),
    "counts beyond 32 bits": body(usage={"prompt_tokens": 2**40, "completion_tokens": 2**70}),
    "counts of other types": body(usage={"prompt_tokens": [1], "completion_tokens": {}, "prompt_tokens_details": 7}),
    "counts NaN": json.dumps(body()).replace(": 10", ": NaN").replace(": 5", ": Infinity").encode(),
    "half a character": json.dumps(body({"content": TEXT, "reasoning_content": "\ud83d \x00"})).encode(),
}  # fmt: skip


UNCOUNTED = {fault for fault in UNDERSTOOD if fault.startswith(("usage", "count", "nothing but"))}


@pytest.mark.parametrize("fault", UNDERSTOOD)
async def test_a_good_answer_stays_good(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory, fault: str
) -> None:
    outcome = await asked(simulator, gateway, http, UNDERSTOOD[fault])
    assert outcome.output == {"category": "access"}
    assert len(simulator.chats) == 1
    counted = (outcome.usage.tokens_in, outcome.usage.tokens_out)
    if fault in UNCOUNTED:
        assert counted[0] >= len(json.dumps(simulator.chats[0].body["messages"])) / 4, "never less than it was"
        assert 5 <= counted[1] < 500
    else:
        assert counted == (10, 5)
    assert outcome.cost_usd is not None
    assert outcome.cost_usd > 0, "no answer is free"


CORRECTED = {
    "an empty message": body({"role": "assistant"}),
    "a content that is a number": body({"content": 5}),
    "a thought that was cut off": body({"content": f"<think>They want {TEXT}"}),
    "no JSON": body({"content": "Access, I'd say."}),
    "another shape": body({"content": "[1]"}),
    "calls: [null]": calling(None),
    "a call without function": calling({"id": "1", "type": "function"}),
    "a call without name": calling(call("{}", name=None)),
    "a call of an unknown tool": calling(call("{}", name="rm_rf")),
    "arguments a list": calling(call([1])),
    "arguments a number": calling(call(5)),
    "arguments a list as text": calling(call("[1]")),
    "arguments true": calling(call("true")),
    "arguments cut off": calling(call('{"ticket_id": "IN')),
    "arguments with rubbish behind": calling(call('{"ticket_id": "1"}{"ticket_id": "2"}')),
    "arguments nested without end": calling(call("[" * 20_000)),
    "arguments that lack a part": calling(call("{}")),
    "arguments null": calling(call(None)),
}


@pytest.mark.parametrize("fault", CORRECTED)
async def test_what_the_model_got_wrong_it_is_told_and_mends(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory, fault: str
) -> None:
    outcome = await asked(simulator, gateway, http, CORRECTED[fault], body())
    assert outcome.output == {"category": "access"}
    again = simulator.chats[1].body["messages"]
    assert again[-1]["role"] in ("user", "tool")
    echoed = [one["function"]["arguments"] for turn in again for one in turn.get("tool_calls") or []]
    assert all(isinstance(json.loads(text), dict) for text in echoed), "some servers parse what they are sent back"


@pytest.mark.parametrize(
    "arguments",
    [{"ticket_id": "7"}, '{"ticket_id": "7"}', json.dumps('{"ticket_id": "7"}'), ' {"ticket_id": "7"}\n'],
    ids=["an object", "a text", "encoded twice", "with blanks"],
)
@pytest.mark.parametrize("ident", ["c1", None, "", 7, {"a": 1}])
async def test_a_readable_call_is_made(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory, arguments: Any, ident: Any
) -> None:
    await asked(simulator, gateway, http, calling(call(arguments, ident=ident)), body())
    *_, assistant, result = simulator.chats[1].body["messages"]
    assert "subject of 7" in result["content"]
    assert assistant["tool_calls"][0]["id"] == result["tool_call_id"]
    assert result["tool_call_id"]


async def test_the_older_form_of_a_call_is_read_too(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    older = body({"content": None, "function_call": {"name": "get_ticket", "arguments": '{"ticket_id": "7"}'}})
    await asked(simulator, gateway, http, older, body())
    assert "subject of 7" in simulator.chats[1].body["messages"][-1]["content"]


async def test_nonsense_without_end_is_given_up(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    with pytest.raises(InvalidOutputError):
        await asked(simulator, gateway, http, *[body({"content": "no"})] * 3)


@pytest.mark.parametrize(
    ("usage", "tokens_in", "cached"),
    [
        ({"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 80}, "completion_tokens": 5}, 100, 80),
        ({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105, "cache_read_input_tokens": 80}, 100, 80),
        ({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 105, "cache_read_input_tokens": 80}, 100, 80),
        ({"prompt_tokens": 20, "completion_tokens": 5, "cache_read_input_tokens": 80}, 100, 80),
        ({"input_tokens": 100, "output_tokens": 5, "cache_read_input_tokens": 80}, 180, 80),
        ({"prompt_tokens": 100, "completion_tokens": 5, "prompt_cache_hit_tokens": 64}, 100, 64),
        ({"prompt_tokens": "100", "completion_tokens": 5.0}, 100, 0),
    ],
)
def test_cached_tokens_are_part_of_the_prompt_once(usage: dict[str, Any], tokens_in: int, cached: int) -> None:
    read = read_usage(usage, request="a question", answer="an answer")
    assert not read.details, "the server counted"
    assert (read.input_tokens, read.cache_read_tokens, read.output_tokens) == (tokens_in, cached, 5)


@pytest.mark.parametrize(
    ("usage", "tokens_out"),
    [
        ({"completion_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 150}, 50),
        ({"completion_tokens": 50, "output_tokens_details": {"reasoning_tokens": 30}}, 50),
        # xAI counts thoughts beside the answer, and so do gateways that pass its counts on.
        ({"completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 150}, 50),
        ({"completion_tokens": 50, "reasoning_tokens": 30, "total_tokens": 180}, 80),
        ({"completion_tokens": 50, "reasoning_tokens": -30, "completion_tokens_details": 7}, 50),
    ],
)
def test_what_a_model_thought_with_is_part_of_its_answer_once(usage: dict[str, Any], tokens_out: int) -> None:
    read = read_usage({"prompt_tokens": 100, **usage}, request="a question", answer="an answer")
    assert (read.input_tokens, read.output_tokens) == (100, tokens_out)
    assert read.details == ({} if usage.get("reasoning_tokens") == -30 else {"reasoning_tokens": 30})


@pytest.mark.parametrize("value", ["-1", "NaN", "Infinity", "1e300", "a lot", "", None, True, [1], {"usd": 1}])
def test_what_is_no_cost_is_unknown(value: object) -> None:
    assert read_cost(value) is None


@pytest.mark.parametrize("count", [None, 0, -3, 2**40, True, "many", float("nan"), [1]])
@pytest.mark.parametrize(("name", "sent"), [("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")])
def test_a_count_that_cannot_be_one_is_estimated_and_marked(count: object, name: str, sent: str) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 7} | {name: count}
    read = read_usage(usage, request="q" * 3000, answer={"content": "ä" * 1500})
    assert 1000 <= getattr(read, sent) <= 1010
    assert read.input_tokens + read.output_tokens == getattr(read, sent) + 7
    assert read.details == {f"estimated_{sent}": getattr(read, sent)}


async def test_an_answer_makes_128_calls_and_the_model_reads_that_the_rest_was_not_made(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    many = calling(*[call({"ticket_id": str(number)}, ident=f"c{number}") for number in range(130)])
    outcome = await asked(simulator, gateway, http, many, body())
    assert outcome.output == {"category": "access"}
    results = {
        one["tool_call_id"]: one["content"] for one in simulator.chats[1].body["messages"] if one["role"] == "tool"
    }
    assert [name for name, result in results.items() if "subject of" in result] == [f"c{n}" for n in range(128)]
    assert "asked for 130 calls" in results["c128"]
    assert "This call and the 1 after it were not made" in results["c128"]


@pytest.mark.parametrize("count", [0, 1, 128, 500])
def test_no_answer_makes_more_calls_than_can_be_meant(count: int) -> None:
    read = read_completion(calling(*[call("{}", ident=str(number)) for number in range(count)]), request="a question")
    assert isinstance(read, Completion)
    assert len(read.parts) == min(count, 129), "one more stands for all that are not made"

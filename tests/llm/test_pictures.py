"""Pictures in a question: their wire form, what is set aside and counted for them, and which model is shown any."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from pydantic_ai.messages import ModelRequest, UserPromptPart
from tests.llm.test_paid import Jar
from tests.support.written_pictures import pictures_in, read_as, words_on, written

from deskhand.kit.http import HttpClientFactory
from deskhand.llm import catalogue
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.errors import ModelBadRequestError, ModelQuotaError, ModelTimeoutError
from deskhand.llm.gateway import build_model
from deskhand.llm.once import Question, ask_once
from deskhand.llm.openai_chat import countable
from deskhand.llm.pictures import LEAST_TOKENS, most_tokens_of, picture_part, without_pictures
from deskhand.llm.sight import seeing
from deskhand.simulators.models import LlmSimulator, Reply
from deskhand.work.files.eyes import answer_schema

PICTURE = written("Error 0x80070035")
HOUSE = GatewaySettings(base_url="https://llm.house.test/v1", is_local=True, slug="house", kind="openai_compatible")
VENDOR = GatewaySettings(
    base_url="https://api.vendor.test/v1", slug="vendor", kind="openai_compatible",
    aliases=MappingProxyType({"fast": "gpt-4o"}),
)  # fmt: skip
HERE = GatewaySettings(slug="here", kind="embedded")
WAYS = replace(VENDOR, others=MappingProxyType({"house": HOUSE, "vendor": VENDOR, "here": HERE}))


def question(count: int = 1, **more: Any) -> Question:
    parts = [picture_part(PICTURE, "image/png", pixels=200 * 40) for _ in range(count)]
    return Question("Read.", [f"Pictures: {count}.", *parts], answer_schema(count), **{"max_tokens": 100, **more})


async def ask(
    gateway: GatewaySettings, http: HttpClientFactory, jar: Jar | None = None, *, seconds: float = 5.0, **config: Any
) -> dict[str, Any]:
    model = build_model({"model": "gpt-4o", **config}, gateway, http)
    return await ask_once(question(), model, jar, deadline=time.monotonic() + seconds)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4-turbo"])
async def test_a_picture_is_sent_as_servers_take_it_and_the_answer_is_read(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory, model: str
) -> None:
    simulator.script = lambda body: read_as(body, *map(words_on, pictures_in(body)))
    kept = await ask(gateway, http, model=model, max_tokens=7)
    assert kept["answer"] == {"pictures": [{"words": "Error 0x80070035", "shows": "A window."}]}
    (chat,) = simulator.chats
    assert pictures_in(chat.body) == [PICTURE]
    assert chat.body["messages"][0] == {"role": "system", "content": "Read."}
    assert [part["type"] for part in chat.body["messages"][1]["content"]] == ["text", "image_url"]
    assert chat.body["max_tokens"] == 100
    assert ("response_format" in chat.body, "tools" in chat.body) == (model == "gpt-4o", model != "gpt-4o")


async def test_more_is_set_aside_than_it_costs_and_what_it_cost_is_paid(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    jar = Jar()
    simulator.replies.append(replace(_answer("x"), headers={"x-litellm-response-cost": "0.004"}))
    kept = await ask(gateway, http, jar)
    ((_, most, tokens),) = jar.reserved
    assert LEAST_TOKENS < tokens < LEAST_TOKENS + 3_000
    assert most is not None
    assert most > Decimal("0.1")
    assert [cost for cost, _, _ in jar.settled] == [Decimal("0.004")]
    assert kept["provider_details"]["cost_usd"] == "0.004"


def test_the_bound_grows_with_the_area() -> None:
    assert most_tokens_of(picture_part(b"x", "image/png", pixels=1)) == LEAST_TOKENS
    assert most_tokens_of(picture_part(b"x", "image/png", pixels=25_000_000)) == 100_000


def test_a_question_without_its_pictures_is_its_words() -> None:
    asked = ModelRequest(parts=[UserPromptPart(question(2).content), UserPromptPart("And?")])
    words, pictures = without_pictures([asked])
    assert [part.data for part in pictures] == [PICTURE, PICTURE]
    assert [getattr(part, "content", None) for part in words[0].parts] == [["Pictures: 2."], "And?"]


async def test_a_server_that_counts_nothing_has_a_picture_counted_as_one_and_not_as_its_text(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    body = {"choices": [{"message": {"content": _answer("x").content}}]}
    simulator.replies.append(Reply(raw=json.dumps(body).encode()))
    kept = await ask(gateway, http)
    assert 2_000 < kept["usage"]["input_tokens"] < 3_000
    # A text that only looks like a picture counts in full.
    fake = [{"role": "user", "content": "data:image/png;base64," + "A" * 9_000}]
    assert countable(fake) == fake


def _answer(*words: str) -> Reply:
    return read_as({"response_format": {}}, *words)


@pytest.mark.parametrize(("said", "why"), [
    ("no", "it is no JSON"),
    ("{}", '"pictures" is a required property'),
    (json.dumps({"pictures": []}), "$.pictures"),
    (json.dumps({"pictures": [{"words": 1, "shows": "x"}]}), "$.pictures[0].words"),
])  # fmt: skip
async def test_an_answer_of_another_form_is_none_and_what_it_cost_is_told(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory, said: str, why: str
) -> None:
    simulator.replies.append(Reply(content=said))
    kept = await ask(gateway, http)
    assert kept["answer"] is None
    assert why in kept["fault"]
    assert len(simulator.chats) == 1
    assert Decimal(kept["provider_details"]["cost_usd"]) > 0


async def test_an_answer_that_cannot_be_stored_is_made_so(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    simulator.replies.append(Reply(content='{"pictures": [{"words": "a\\u0000b\\ud83d", "shows": ""}]}'))
    kept = await ask(gateway, http)
    assert kept["answer"]["pictures"][0]["words"] == "ab\ufffd"


async def test_what_goes_wrong_has_its_name(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    simulator.replies.append(Reply(status=400, error={"message": "image input is not supported"}))
    with pytest.raises(ModelBadRequestError, match="image input is not supported"):
        await ask(gateway, http)
    with pytest.raises(ModelTimeoutError):
        await ask(gateway, http, seconds=0.0)
    with pytest.raises(ModelQuotaError):
        await ask(gateway, http, Jar(is_empty=True))
    assert len(simulator.chats) <= 2


def test_the_catalogue_knows_who_sees() -> None:
    known = {name: catalogue.facts(name) for name in ("gpt-4o", "gpt-4-turbo", "gpt-4", "gpt-3.5-turbo")}
    assert [bool(one and one.sees) for one in known.values()] == [True, True, False, False]


SEES = {"model": "gpt-4o"}
FALLS_BACK = {
    **SEES,
    "connection": "house",
    "fallbacks": [{"model": "gpt-4"}, {"model": "gpt-4o-mini"}, {"model": "auto"}],
}


@pytest.mark.parametrize(("config", "named", "leaves", "found"), [
    (SEES, None, True, ["gpt-4o"]),
    (SEES, None, False, "'gpt-4o' is not in the house, and the tenant lets no picture leave it"),
    ({**SEES, "connection": "house"}, None, False, ["gpt-4o@house"]),
    # By the name that the connection asks for.
    ({"model": "fast"}, None, True, ["fast"]),
    ({"model": "gpt-4"}, None, True, "'gpt-4' is not known to see"),
    ({"model": "house-vl"}, None, True, "'house-vl' is not known to see"),
    ({"model": "auto"}, None, True, "the embedded model does not see"),
    ({"model": "gpt-4o", "connection": "here"}, None, True, "the embedded model does not see"),
    ({**SEES, "connection": "nowhere"}, None, True, "There is no model connection 'nowhere'"),
    ({**SEES, "local_only": True}, None, True, "The agent's llm_config says local_only"),
    ({**SEES, "local_only": True, "connection": "house"}, None, False, ["gpt-4o@house"]),
    # Of a chain those that see, in its order.
    (FALLS_BACK, None, False, ["gpt-4o@house", "gpt-4o-mini@house"]),
    ({**FALLS_BACK, "model": "gpt-4"}, None, False, ["gpt-4o-mini@house"]),
    ({**SEES, "fallbacks": [{"model": "gpt-4o-mini", "connection": "house"}]}, None, False, ["gpt-4o-mini@house"]),
    # The tenant's own word stands above what the catalogue knows, and above the agent's model.
    (SEES, {"model": "house-vl", "connection": "house"}, False, ["house-vl@house"]),
    (SEES, {"model": "house-vl"}, False, "'house-vl' is not in the house"),
    (SEES, {"model": "house-vl"}, True, ["house-vl"]),
    ({**SEES, "local_only": True}, {"model": "house-vl"}, True, "The agent's llm_config says local_only"),
    (SEES, {"model": "auto"}, True, "the embedded model does not see"),
])  # fmt: skip
def test_pictures_go_to_a_model_that_sees_where_they_may(
    config: Mapping[str, Any], named: Mapping[str, Any] | None, leaves: bool, found: list[str] | str
) -> None:
    what = seeing(config, WAYS, named=named, may_leave=leaves)
    if isinstance(found, str):
        assert isinstance(what, str)
        assert what.startswith(found)
        return
    assert isinstance(what, dict)
    links = [what, *what["fallbacks"]]
    assert [one["model"] + (f"@{one['connection']}" if one.get("connection") else "") for one in links] == found


def test_a_ticket_that_local_models_alone_may_read_is_shown_to_no_other() -> None:
    why = seeing(SEES, replace(WAYS, only_local="The rule 'HR' says so"), named=None, may_leave=True)
    assert why == "The rule 'HR' says so"

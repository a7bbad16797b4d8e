"""A parameter that a gateway refuses is named, and left out where the agent says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.llm.memory_journal import MemoryJournal
from tests.llm.test_paid import SCHEMA

from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.errors import ContextTooLongError, ModelBadRequestError
from deskhand.llm.gateway import MOST_DROPPED, build_model
from deskhand.llm.loop import AgentTask, run_agent
from deskhand.llm.parameters import SAID, is_unsupported, refused_parameter
from deskhand.simulators.models import LlmSimulator, Reply

GOOD = Reply(content={"category": "access"})


def refusal(said: str, status: int = 400) -> Reply:
    return Reply(status=status, error={"message": said})


async def ask(gateway: GatewaySettings, journal: MemoryJournal | None = None, **config: Any) -> dict[str, Any]:
    model = build_model({"model": "gpt-4o", "seed": 7, "top_k": 3, **config}, gateway, HttpClientFactory())
    return (await run_agent(AgentTask("Be brief.", "Which category?", SCHEMA), model, journal)).output


async def test_what_is_refused_is_named_with_what_to_do(simulator: LlmSimulator, gateway: GatewaySettings) -> None:
    simulator.replies.append(refusal("Unsupported parameter: 'top_k' is not supported with this model."))
    with pytest.raises(ModelBadRequestError, match=r"^The parameter 'top_k' of llm_config is not taken; leave it out"):
        await ask(gateway)
    simulator.replies.append(refusal("Invalid value: seed: must be at most 5", 422))
    with pytest.raises(ModelBadRequestError, match=r"^The parameter 'seed' of llm_config is not taken; give"):
        await ask(gateway, drop_params=True)
    assert len(simulator.chats) == 2


async def test_with_drop_params_it_is_asked_again_without_and_the_trace_says_so(
    simulator: LlmSimulator, gateway: GatewaySettings
) -> None:
    journal = MemoryJournal()
    simulator.replies.extend([refusal("Unknown name 'top_k'"), refusal("does not support parameters: ['seed']"), GOOD])
    assert await ask(gateway, journal, drop_params=True) == {"category": "access"}
    first, second, third = (set(seen.body) for seen in simulator.chats)
    assert (first - second, second - third) == ({"top_k"}, {"seed"})
    assert "drop_params" not in first
    assert "'dropped': 'top_k, seed'" in str([json.loads(row.output or "{}") for row in journal.rows.values()])


async def test_what_money_was_reserved_for_is_never_left_out_nor_more_than_a_few(
    simulator: LlmSimulator, gateway: GatewaySettings
) -> None:
    simulator.replies.append(refusal("Unsupported parameter: 'max_tokens'"))
    with pytest.raises(ModelBadRequestError, match="'max_tokens' of llm_config"):
        await ask(gateway, drop_params=True, max_tokens=50)
    names = [f"own_key_{number}" for number in range(MOST_DROPPED + 1)]
    simulator.replies.extend(refusal(f"Unknown parameter: {name}") for name in names)
    with pytest.raises(ModelBadRequestError, match=f"'{names[-1]}'"):
        await ask(gateway, drop_params=True, **dict.fromkeys(names, 1))


async def test_what_is_about_the_whole_request_blames_no_parameter(
    simulator: LlmSimulator, gateway: GatewaySettings
) -> None:
    simulator.replies.append(refusal("context_length_exceeded: 'seed' is fine"))
    with pytest.raises(ContextTooLongError):
        await ask(gateway, drop_params=True)
    simulator.replies.append(refusal("Something else is wrong."))
    with pytest.raises(ModelBadRequestError, match=r"^The model gateway"):
        await ask(gateway, drop_params=True)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Unsupported parameter: 'stop'", "stop"),
        ("Please stop sending so many users", None),
        ("parameter user is unknown", "user"),
        ("reasoning_effort is not a thing", "reasoning_effort"),
        ("seed = 7 is too large", "seed"),
        ("seeds are fine", None),
    ],
)
def test_a_name_counts_where_it_stands_as_one(said: str, name: str | None) -> None:
    sent = ["stop", "user", "seed", "reasoning_effort"]
    assert refused_parameter(sent, f"It refused the seed 'stop'.{SAID}{said}") == name


def test_not_known_is_told_from_not_fitting() -> None:
    assert is_unsupported(f"x{SAID}Extra inputs are not permitted")
    assert not is_unsupported(f"unknown x{SAID}must be at most 2")

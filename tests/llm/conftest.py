"""Fixtures of the model tests: a scripted gateway on loopback and a journal in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.loop import ToolSpec
from deskhand.simulators.models import LlmSimulator

KEY = "sk-test-1234567890"


@pytest.fixture
async def simulator() -> AsyncIterator[LlmSimulator]:
    async with LlmSimulator(api_key=KEY) as running:
        yield running


@pytest.fixture
def gateway(simulator: LlmSimulator) -> GatewaySettings:
    return GatewaySettings(base_url=simulator.base_url, api_key=KEY, timeout=5.0)


@pytest.fixture
def http() -> HttpClientFactory:
    return HttpClientFactory()


ANSWER = {
    "type": "object",
    "properties": {"category": {"type": "string", "enum": ["network", "access"]}},
    "required": ["category"],
    "additionalProperties": False,
}
TICKET_ARGS = {
    "type": "object",
    "properties": {"ticket_id": {"type": "string", "maxLength": 20}},
    "required": ["ticket_id"],
    "additionalProperties": False,
}


def lookup(calls: list[dict[str, Any]]) -> ToolSpec:
    """A read tool that notes each call."""

    async def handler(args: dict[str, Any]) -> Any:
        calls.append(args)
        return {"subject": f"subject of {args['ticket_id']}"}

    return ToolSpec("get_ticket", "Read one ticket", TICKET_ARGS, handler)


def writer(handler: Callable[[dict[str, Any]], Awaitable[Any]], **more: Any) -> ToolSpec:
    """A write that may not be repeated."""
    parameters = {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
        "additionalProperties": False,
    }
    return ToolSpec("add_note", "Write a note", parameters, handler, kind="write", idempotent=False, **more)

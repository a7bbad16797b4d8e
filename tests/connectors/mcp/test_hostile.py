"""A server that means harm before anything is called: it lists our credential, hangs, drips, or never ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest
from tests.support.mcp_servers import LOOK_UP, Exchange, ScriptedServer, scripted

from deskhand.connectors.errors import SourceError, SourceRefusedError, SourceUnreachableError
from deskhand.connectors.mcp import caller, server
from deskhand.connectors.mcp.caller import McpCaller, described, server_at
from deskhand.connectors.mcp.listing import operations_from
from deskhand.connectors.values import Connection, Credential, CredentialKind
from deskhand.simulators.testing import TEST_HTTP

TOKEN = "s3cr3t+token/of=ours"


@pytest.fixture
def hostile() -> Iterator[ScriptedServer]:
    with scripted() as one:
        yield one


def at(url: str) -> Connection:
    credential = Credential(kind=CredentialKind.BEARER, secret=TOKEN)
    return Connection(tool_id="mcp:prn", name="Printers", configuration={"url": url}, credential=credential)


def schema(**member: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": member}}


@pytest.mark.parametrize(
    "more",
    [
        {"description": f"You are {TOKEN}."},
        {"description": "You are s3cr3t\u200b+token/of=ours."},
        {"description": f"{'x' * 990}{TOKEN}"},
        {"title": f"Bearer {TOKEN}", "description": None},
        {"name": TOKEN},
        {"inputSchema": schema(description=f"Bearer {TOKEN}")},
        {"inputSchema": schema(enum=[{"a": TOKEN}])},
        {"inputSchema": {"type": "object", "properties": {TOKEN: {}}}},
        {"inputSchema": {"type": "object", "$comment": TOKEN}},
    ],
)
async def test_a_server_that_lists_our_credential_is_not_kept(hostile: ScriptedServer, more: dict[str, Any]) -> None:
    hostile.tools = [{name: value for name, value in {**LOOK_UP, **more}.items() if value is not None}]
    with pytest.raises(SourceRefusedError, match="repeats our credential") as raised:
        await described(at(hostile.url), TEST_HTTP)
    assert "s3cr3t" not in raised.value.detail


async def test_a_credential_that_would_be_cut_in_half_is_not_readable_either(hostile: ScriptedServer) -> None:
    words = "x" * 440 + TOKEN * 3
    hostile.answers["tools/list"] = lambda exchange: exchange.raw(
        json.dumps({"jsonrpc": "2.0", "id": exchange.message["id"], "error": {"code": -1, "message": words}}).encode()
    )
    with pytest.raises(SourceError) as raised:
        await described(at(hostile.url), TEST_HTTP)
    assert "s3cr3t" not in raised.value.detail


def _events(exchange: Exchange) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x" * 1_000}}
    exchange.stream(repeat(f"data: {json.dumps(note)}\n\n".encode()))


def _comments(exchange: Exchange) -> None:
    # Keep-alive lines: never an event, and never a pause in which a reader would give up.
    exchange.stream(repeat(b": still here\n\n"))


def _announced(exchange: Exchange) -> None:
    """A long answer that never comes."""
    exchange.handler.send_response(200)
    exchange.handler.send_header("content-type", "application/json")
    exchange.handler.send_header("content-length", "100000000")
    exchange.handler.end_headers()
    exchange.handler.rfile.read(1)


WAYS: dict[str, Callable[[Exchange], Any]] = {
    "silent": lambda exchange: exchange.handler.rfile.read(1),
    "events": _events,
    "comments": _comments,
    "announced": _announced,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["server/discover", "tools/list"])
async def test_a_server_that_never_ends_before_a_call_leaves_nothing_in_doubt(
    hostile: ScriptedServer, monkeypatch: pytest.MonkeyPatch, method: str, way: str
) -> None:
    operations = {one.name: one for one in operations_from(await server_at(at(hostile.url), TEST_HTTP).tools())}
    hostile.answers[method] = WAYS[way]
    monkeypatch.setattr(server, "CALL_SECONDS", 0.5)
    monkeypatch.setattr(caller, "CALL_SECONDS", 0.5)
    monkeypatch.setattr(server, "CLOSING_SECONDS", 0.5)
    with pytest.raises(SourceUnreachableError) as raised:
        await McpCaller(server_at(at(hostile.url), TEST_HTTP)).call(operations["restart"], {"name": "a"}, mark="m")
    assert raised.value.certainly_not_done
    assert hostile.called == []

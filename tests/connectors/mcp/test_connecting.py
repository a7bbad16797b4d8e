"""An MCP server is connected over the API: asked what it can do, chosen from, and asked again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.mcp_servers import LOOK_UP, ScriptedServer, scripted

from deskhand.connectors import document_endpoints, documents, endpoints, server_endpoints, servers, service

SOURCES = "/api/v1/tool-sources"
URL = f"{SOURCES}/prn"


def test_a_server_is_reached_by_routes_of_its_own_beside_those_of_every_source() -> None:
    own = {
        (route.path.removeprefix(SOURCES), method)
        for route in server_endpoints.router.routes
        for method in route.methods
    }
    assert own == {
        ("/mcp", "POST"),
        ("/{source}/refresh", "POST"),
        ("/{source}/changes", "GET"),
        ("/{source}/changes", "POST"),
    }
    # A source has one view, whatever made it.
    assert {view.__annotations__["return"] for view in (server_endpoints.refresh_source, endpoints.change_source)} == {
        "SourceView"
    }


def test_kinds_share_no_route_and_one_road_to_what_is_kept() -> None:
    answered = [
        (route.path, method)
        for module in (endpoints, document_endpoints, server_endpoints)
        for route in module.router.routes
        for method in route.methods
    ]
    assert len(answered) == len(set(answered)) > 8
    for module in (documents, servers):
        names = set(vars(module)) | {"service"}
        assert "ToolSource" in names
        # Nobody adds a row by itself, past the bound on their number and the audit log.
        assert not hasattr(module, "add_row")
    assert servers.add_source is service.add_source


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as one:
        yield one


def wanted(address: str, **more: Any) -> dict[str, Any]:
    return {
        "slug": "prn",
        "name": "Printers",
        "url": address,
        "credential": {"kind": "bearer", "secret": "canary-of-the-printers"},
        "operations": {"look_up": {"enabled": True, "access": "read"}},
        **more,
    }


async def test_a_server_is_connected_chosen_from_and_read_again(api: Api, server: ScriptedServer) -> None:
    acme = await api.tenant()
    made = await acme.post(f"{SOURCES}/mcp", json=wanted(server.url))
    assert made.status_code == 201, made.text
    source = made.json()
    assert (source["tool_id"], source["configuration"], source["has_credential"]) == (
        "mcp:prn",
        {"url": server.url},
        True,
    )
    assert {one["name"]: (one["enabled"], one["access"], one["hint"]) for one in source["operations"]} == {
        "look_up": (True, "read", "read"),
        # Nobody has said that it is none.
        "restart": (False, "write", "write, destructive, idempotent"),
    }
    assert server.headers["authorization"] == "Bearer canary-of-the-printers"
    again = await acme.post(f"{URL}/refresh")
    assert (again.status_code, again.json().get("revision")) == (200, 1), again.text
    server.tools = [{**LOOK_UP, "description": "Another."}]
    changed = await acme.post(f"{URL}/refresh")
    assert changed.json()["revision"] == 2
    assert [(one["name"], one["state"]) for one in changed.json()["operations"]] == [("look_up", "changed")]
    [change] = (await acme.get(f"{URL}/changes")).json()
    assert change["now"]["description"] == "Another."
    assert "canary" not in made.text + again.text + changed.text
    assert server.called == []


async def test_a_server_that_does_not_answer_is_not_connected_and_says_so_when_read_again(
    api: Api, server: ScriptedServer
) -> None:
    acme = await api.tenant()
    server.answers["tools/list"] = lambda exchange: exchange.raw(b"", status=401)
    refused = await acme.post(f"{SOURCES}/mcp", json=wanted(server.url))
    assert (refused.status_code, refused.json()["code"]) == (422, "tool-refused")
    assert "refuses our credential" in refused.text
    nobody = await acme.post(f"{SOURCES}/mcp", json=wanted("http://127.0.0.1:9/mcp"))
    assert (nobody.status_code, nobody.json()["code"]) == (503, "tool-unreachable")
    assert (await acme.get(SOURCES)).json() == []
    del server.answers["tools/list"]
    assert (await acme.post(f"{SOURCES}/mcp", json=wanted(server.url))).status_code == 201
    assert (await acme.post(f"{SOURCES}/mcp", json=wanted(server.url))).status_code == 409
    server.answers["tools/list"] = lambda exchange: exchange.raw(b"", status=500)
    assert (await acme.post(f"{URL}/refresh")).status_code == 503
    assert (await acme.post(f"{SOURCES}/prm/refresh")).status_code == 404
    viewer = await api.member("acme", "viewer")
    before = len(server.messages)
    assert (await viewer.post(f"{SOURCES}/mcp", json=wanted(server.url))).status_code == 403
    assert (await viewer.post(f"{URL}/refresh")).status_code == 403
    assert len(server.messages) == before


async def test_what_cannot_be_a_server_is_refused_in_words(api: Api, server: ScriptedServer) -> None:
    acme = await api.tenant()
    for more, words in (
        ({"url": "ftp://tools.example.com"}, "/url"),
        ({"url": "http://me:pw@tools.example.com"}, "/url"),
        ({"url": "http://tools.example.com/#x"}, "/url"),
        ({"command": "clock"}, "not both"),
        ({"url": None, "credential": None}, "needs a url or a command"),
        ({"url": None, "command": "clock"}, "takes no credential"),
        ({"credential": {"kind": "query", "name": "key", "secret": "x"}}, "no credential in its address"),
        ({"operations": {"look_down": {"enabled": True}}}, "no operation 'look_down'"),
        ({"url": None, "credential": None, "command": "clock"}, "lists no command 'clock'"),
    ):
        refused = await acme.post(f"{SOURCES}/mcp", json=wanted(server.url, **more))
        assert (refused.status_code, words in refused.text) == (422, True), refused.text

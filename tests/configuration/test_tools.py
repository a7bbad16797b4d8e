"""Tools of a tenant's own as files: added, changed and pruned as the files say, exported and applied to equal bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.configuration.conftest import Commands
from tests.support.mcp_servers import ScriptedServer, free_port, scripted
from tests.support.openapi import TOKEN, Seen, shop_server

from deskhand.configuration.drift import Log
from deskhand.configuration.folder import read_folder
from deskhand.configuration.tool_document import ToolDocument, document_text, tool_file
from deskhand.configuration.tools import Tools
from deskhand.connectors import service
from deskhand.connectors.schemas import SourceChange
from deskhand.kit.yaml import write_yaml

FILE = {"apiVersion": "deskhand/v1", "kind": "Tool"}
AGENT: dict[str, Any] = {
    "apiVersion": "deskhand/v1",
    "kind": "Agent",
    "name": "Buyer",
    "status": "active",
    "system_prompt": "Order what the ticket asks for.",
    "llm_config": {"model": "gpt-4"},
    "tools": {"servicedesk_plus": ["get_ticket"], "openapi:shop": ["listOrders"], "mcp:prn": ["look_up"]},
    "triggers": [{"trigger_type": "webhook"}],
}


@pytest.fixture(autouse=True)
def private_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESKHAND_ALLOW_PRIVATE_ADDRESSES", "true")


@pytest.fixture
async def shop() -> AsyncIterator[Seen]:
    async with shop_server() as server:
        yield server


@pytest.fixture
def printers() -> Iterator[ScriptedServer]:
    with scripted() as server:
        yield server


def shop_file(shop: Seen, **more: Any) -> dict[str, Any]:
    operations = {"placeOrder": {"access": "write"}, "listOrders": {"access": "read"}}
    said = {"slug": "shop", "type": "openapi", "name": "The shop", "url": f"{shop.url}/openapi.yaml"}
    return {**FILE, **said, "server": shop.url, "operations": operations, **more}


def printers_file(printers: ScriptedServer, **more: Any) -> dict[str, Any]:
    operations = {"look_up": {"access": "read"}, "restart": {"access": "write", "repeatable": True}}
    said = {"slug": "prn", "type": "mcp", "name": "Printers", "url": printers.url}
    return {**FILE, **said, "operations": operations, **more}


def put(folder: Path, **files: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(write_yaml(content))
    return folder


async def tools(commands: Commands) -> dict[str, dict[str, Any]]:
    """What the API shows, and of it what is on."""
    shown = {}
    for one in (await commands.client.get("/api/v1/tool-sources")).json():
        source = (await commands.client.get(f"/api/v1/tool-sources/{one['slug']}")).json()
        on = {op["name"]: (op["access"], op["repeatable"]) for op in source["operations"] if op["enabled"]}
        shown[one["tool_id"]] = {**source, "on": on}
    return shown


async def test_what_is_exported_makes_an_empty_installation_the_same(
    commands: Commands, tmp_path: Path, shop: Seen, printers: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    credential = {"kind": "bearer", "secret": "env:SHOP_TOKEN"}
    folder = put(tmp_path / "f", shop=shop_file(shop, credential=credential), prn=printers_file(printers), buyer=AGENT)
    (folder / "own.json").write_text(json.dumps({**json.loads(document_text(json.dumps(SMALL))), "info": {}}))
    put(folder, own={**FILE, "slug": "own", "type": "openapi", "name": "Own", "document": "file:own.json"})
    shown = await commands.apply(folder, "--dry-run")
    assert "+ create openapi:shop (shop.yaml)" in shown
    assert await tools(commands) == {}
    told = await commands.apply(folder)
    assert "Plan: 4 to create, 0 to change, 0 to delete, 0 unchanged." in told
    made = await tools(commands)
    assert made["openapi:shop"]["on"] == {"listOrders": ("read", False), "placeOrder": ("write", False)}
    assert made["openapi:shop"]["has_credential"]
    assert made["mcp:prn"]["on"] == {"look_up": ("read", False), "restart": ("write", True)}
    assert "Nothing to change." in await commands.apply(folder)

    exported = await commands.export(tmp_path / "exported")
    assert list(exported) == ["buyer.yaml", "tool.own.openapi.json", "tool.own.yaml", "tool.prn.yaml", "tool.shop.yaml"]
    assert TOKEN not in str(exported)
    assert "Nothing to change." in await commands.apply(tmp_path / "exported")
    assert (await tools(commands))["openapi:shop"]["has_credential"]  # no file says one, so the stored one stays
    await commands.api.tenant("empty")
    assert "Plan: 4 to create" in await commands.apply(tmp_path / "exported", tenant="empty")
    assert "Nothing to change." in await commands.apply(tmp_path / "exported", tenant="empty")
    assert await commands.export(tmp_path / "second", tenant="empty") == exported


async def test_a_change_is_shown_and_done_and_what_was_done_past_the_files_is_drift(
    commands: Commands, tmp_path: Path, shop: Seen, printers: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    folder = put(tmp_path / "f", shop=shop_file(shop), prn=printers_file(printers))
    await commands.apply(folder)
    past = {"name": "My shop", "operations": {"delete_orders_id": {"enabled": True}}}
    assert (await commands.client.patch("/api/v1/tool-sources/shop", json=past)).is_success
    credential = {"kind": "bearer", "secret": "env:SHOP_TOKEN"}
    put(folder, shop=shop_file(shop, credential=credential, operations={"listOrders": {"access": "write"}}))
    told = await commands.apply(folder)
    for line in (
        "~ change openapi:shop (shop.yaml)",
        '/name: "My shop" → "The shop"',
        '/operations/listOrders/access: "read" → "write"',
        '/operations/placeOrder: {"access": "write"} → nothing',
        "/operations/delete_orders_id: {",
        '/credential: "(stored)" → "(another)"',
        "UTC, tool_source.update: name, operations",
    ):
        assert line in told, told
    assert TOKEN not in told
    assert (await tools(commands))["openapi:shop"]["on"] == {"listOrders": ("write", False)}
    assert "Nothing to change." in await commands.apply(folder)

    # Where another server is named, the credential that was meant for the first one stays behind.
    with scripted() as elsewhere:
        put(folder, shop=shop_file(shop, server=f"{shop.url}/v2"), prn=printers_file(elsewhere))
        told = await commands.apply(folder)
        assert '/credential: "(stored)" → nothing' in told
        moved = await tools(commands)
        assert not moved["openapi:shop"]["has_credential"]
        assert moved["mcp:prn"]["configuration"] == {"url": elsewhere.url}
        assert "Nothing to change." in await commands.apply(folder)


async def test_only_kinds_that_the_folder_holds_are_pruned(
    commands: Commands, tmp_path: Path, shop: Seen, printers: ScriptedServer
) -> None:
    put(tmp_path / "all", shop=shop_file(shop), prn=printers_file(printers), buyer=AGENT)
    await commands.apply(tmp_path / "all")
    assert "Nothing to change." in await commands.apply(put(tmp_path / "agents", buyer=AGENT), "--prune")
    one = put(tmp_path / "one", prn=printers_file(printers))
    assert "! left openapi:shop (no file says it; --prune deletes it)" in await commands.apply(one)
    assert "- delete openapi:shop" in await commands.apply(one, "--prune")
    assert list(await tools(commands)) == ["mcp:prn"]
    assert len((await commands.client.get("/api/v1/agents")).json()["items"]) == 1


async def test_a_newer_document_is_taken_and_an_mcp_tool_that_changed_waits_for_a_reader(
    commands: Commands, tmp_path: Path, printers: ScriptedServer
) -> None:
    own = {**FILE, "slug": "own", "type": "openapi", "name": "Own", "document": "file:own.json"}
    folder = put(tmp_path / "f", own={**own, "operations": {"look": {"access": "read"}}}, prn=printers_file(printers))
    (folder / "own.json").write_text(json.dumps(SMALL))
    await commands.apply(folder)
    more = {**SMALL, "servers": [{"url": "https://b.example.com"}]}
    (folder / "own.json").write_text(json.dumps(more))
    told = await commands.apply(folder)
    assert '/document: "(stored)" → "(another)"' in told
    assert '/server: "https://a.example.com" → "https://b.example.com"' in told
    assert "Nothing to change." in await commands.apply(folder)
    printers.tools[0]["description"] = "Look up and wipe a printer."
    await commands.client.post("/api/v1/tool-sources/prn/refresh")
    said = await commands.apply(folder, code=1)
    assert "prn.yaml, line " in said
    assert "read the change, then accept it" in said


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "Tol"}, "kind 'Tol'; there are 'Agent', 'Tool', 'Article', 'Tenant'; did you mean 'Tool'?"),
        ({"type": "soap"}, "line 4: type: Input should be 'openapi' or 'mcp'"),
        ({"command": "x"}, "command is not a field of the type 'openapi'"),
        ({"operations": {"nothing": {"access": "read"}}}, "operations.nothing: the source has no operation 'nothing'"),
        ({"operations": {"listOrders": {}}}, "operations.listOrders.access: Field required"),
        ({"credential": {"kind": "bearer", "secret": TOKEN}}, "credential.secret: must say where the secret is"),
        ({"credential": {"kind": "bearer", "secret": "env:NO_SUCH"}}, "the environment has no variable NO_SUCH"),
        ({"url": None}, "give the document, or the url where it is"),
        ({"url": None, "document": "file:none.json"}, "document: none.json cannot be read: No such file"),
        ({"url": None, "document": "file:bad.json"}, "document: cannot be read as JSON or YAML"),
        ({"url": "http://127.0.0.1:9/none"}, "url: cannot be read (ConnectError)"),
    ],
)  # fmt: skip
async def test_a_mistake_is_a_sentence_with_file_line_and_key(
    commands: Commands, tmp_path: Path, shop: Seen, change: dict[str, Any], told: str
) -> None:
    folder = put(tmp_path / "f", shop={**shop_file(shop), **change})
    (folder / "bad.json").write_text("{")
    said = await commands.apply(folder, code=1)
    assert told in said, said
    assert "shop.yaml, line " in said
    assert TOKEN not in said
    assert await tools(commands) == {}


async def test_a_server_that_does_not_answer_is_named_with_its_file(
    commands: Commands, tmp_path: Path, printers: ScriptedServer
) -> None:
    away = printers_file(printers, url=f"http://127.0.0.1:{free_port()}/mcp")
    said = await commands.apply(put(tmp_path / "f", prn=away), code=1)
    assert "prn.yaml, line 6: url: Printers: it cannot be reached" in said
    assert await tools(commands) == {}


SMALL: dict[str, Any] = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://a.example.com"}],
    "paths": {"/look": {"get": {"operationId": "look"}}, "/do": {"post": {"operationId": "do"}}},
}


async def test_a_tool_named_twice_is_refused_and_an_agent_of_its_name_is_not(
    commands: Commands, tmp_path: Path, shop: Seen
) -> None:
    folder = put(tmp_path / "f", a=shop_file(shop), b=shop_file(shop), c={**AGENT, "name": "shop", "tools": {}})
    said = await commands.apply(folder, code=1)
    assert "b.yaml, line 3: slug: 'shop' is the tool of a.yaml already; files know tools by slug" in said
    assert "c.yaml" not in said


def test_a_file_of_a_tool_says_what_is_on_in_one_order() -> None:
    document = ToolDocument.model_validate({
        **FILE, "slug": "own", "type": "openapi", "name": "Own", "document": "file:x.json",
        "operations": {"b": {"access": "read", "repeatable": True}, "a": {"access": "write", "repeatable": True}},
    })  # fmt: skip
    content = document.content(described=SMALL)
    assert content["server"] == "https://a.example.com"
    assert list(content["operations"].items()) == [
        ("a", {"access": "write", "repeatable": True}),
        ("b", {"access": "read"}),
    ]
    written = tool_file(content, document="own.openapi.json")
    assert (written["document"], "url" in written) == ("file:own.openapi.json", False)
    assert ToolDocument.model_validate(written).content() == content
    assert document.tool_id == "openapi:own"
    assert document.choices(())["b"].access == "read"
    assert json.loads(document_text(json.dumps(SMALL))) == SMALL


async def test_a_server_is_asked_before_the_transaction_and_only_where_it_is_to_be_added(
    commands: Commands, tmp_path: Path, printers: ScriptedServer
) -> None:
    folder = put(tmp_path / "f", prn=printers_file(printers))
    files = read_folder(folder).tools
    state = commands.api.state

    async def unread() -> list[str]:
        async with state.db.tenant_session("acme") as session:
            known = Tools(
                session=session, tenant_id="acme", actor="tests", secrets=state.secrets, environment={},
                http=state.http,
            )  # fmt: skip
            return [data.slug for _, data in await known.unread(files)]

    assert await unread() == ["prn"]
    assert printers.messages == []
    await commands.apply(folder)
    asked = len(printers.messages)
    assert await unread() == []
    assert "Nothing to change." in await commands.apply(folder)
    assert len(printers.messages) == asked > 0
    async with state.db.tenant_session("acme") as session:
        log = Log(session, "acme", "tests")
        assert await log.drift("mcp:prn", (), ("tool_source.",)) == []
        await service.change_source(session, "prn", SourceChange(name="Mine"), secrets=state.secrets, actor="somebody")
        [change] = await log.drift("mcp:prn", (), ("tool_source.",))
        await log.note("tool_source", "mcp:prn", {"file": "prn.yaml"})
        assert await log.drift("mcp:prn", (), ("tool_source.",)) == []
    assert (change.actor, change.operation, change.fields) == ("somebody", "tool_source.update", ("name",))

"""OpenAPI sources through the API: uploaded or read from an address, chosen from, renewed; and called."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from tests.plugins.vendor_spec import SPECS
from tests.support.api import Api
from tests.support.openapi import SHOP, TOKEN, prism, shop_server

from deskhand.connectors import service
from deskhand.connectors.errors import (
    SourceError,
    SourceRefusedError,
    SourceUnavailableError,
    SourceUnreachableError,
)
from deskhand.connectors.openapi.caller import opened
from deskhand.connectors.values import Connection, Credential, CredentialKind, SourceOperation
from deskhand.kit.http import HttpClientFactory

URL = "/api/v1/tool-sources"
BEARER = {"kind": "bearer", "secret": TOKEN}
READ = {"listOrders": {"enabled": True}, "orders_get_one": {"enabled": True}}
HTTP = HttpClientFactory(allow_private=True)


def uploaded(**parts: Any) -> dict[str, Any]:
    text = SHOP.read_text(encoding="utf-8")
    return {"slug": "shop", "name": "Shop", "document": text, "server": "https://shop.example.com/api", **parts}


async def source_in(api: Api) -> tuple[dict[str, SourceOperation], Connection]:
    async with api.db.tenant_session("acme") as session:
        source = await service.get_source(session, "shop")
        operations = {one.name: one for one in service.operations_of(source)}
        return operations, service.connection_of(source, api.state.secrets)


async def test_a_document_is_read_from_its_address_chosen_from_called_and_read_again(api: Api) -> None:
    acme = await api.tenant()
    async with shop_server() as shop:
        body = {"slug": "shop", "name": "Shop", "url": f"{shop.url}/openapi.yaml", "credential": BEARER}
        made = await acme.post(f"{URL}/openapi", json={**body, "operations": READ})
        assert made.status_code == 201, made.text
        assert TOKEN not in made.text
        assert made.json()["configuration"]["server"] == f"{shop.url}/api"
        access = {one["name"]: (one["enabled"], one["access"]) for one in made.json()["operations"]}
        assert access["orders_get_one"] == (True, "read")
        assert access["delete_orders_id"] == (False, "write")
        operations, connection = await source_in(api)
        async with opened(connection, HTTP) as caller:
            one, many = operations["orders_get_one"], operations["listOrders"]
            for wrong in ({"id": "no"}, {}, {"id": "AB-1", "more": 1}):
                with pytest.raises(SourceRefusedError, match="does not take"):
                    await caller.check(one, wrong)
            assert shop.requests == []
            await caller.check(one, {"id": "AB-1"})
            answer = await caller.call(one, {"id": "AB-1"}, mark="")
            assert answer == {"status": 200, "body": {"item": "a lamp", "path": "/api/orders/AB-1"}}
            await caller.call(many, {"state": ["open", "sent"], "filter": {"year": 2026}, "X-Trace": "t"}, mark="")
        assert shop.requests[0]["headers"]["authorization"] == f"Bearer {TOKEN}"
        assert shop.requests[1]["target"] == "/api/orders?state=open&state=sent&filter[year]=2026"
        assert shop.requests[1]["headers"]["x-trace"] == "t"
        text = SHOP.read_text(encoding="utf-8")
        shop.document = text.replace("/orders/{id}:", "/order/{id}:").replace("  /photos:", "  /pictures:")
        shop.document = shop.document.replace("name: X-Trace", "name: X-Other")
        renewed = (await acme.post(f"{URL}/shop/document", json={})).json()
    assert renewed["added"] == ["delete_order_id"]
    assert renewed["removed"] == ["delete_orders_id"]
    assert set(renewed["changed"]) >= {"listOrders", "orders_get_one", "uploadPhoto"}
    assert renewed["switched_off"] == ["orders_get_one"]
    assert renewed["source"]["enabled_operations"] == 1
    assert renewed["source"]["has_credential"]


@pytest.mark.parametrize(
    ("parts", "pointer", "says"),
    [
        ({"document": None}, "", "one of the two"),
        ({"url": "https://shop.example.com/openapi.json"}, "", "one of the two"),
        ({"document": "{"}, "/document", "cannot be read"),
        ({"server": None}, "/server", "must be given"),
        ({"credential": {"kind": "basic", "user": "u", "secret": "s"}}, "/credential", "bearer, query k"),
        ({"operations": {"nope": {"enabled": True}}}, "/operations/nope", "has no operation"),
        ({"operations": {"uploadPhoto": {"enabled": True}}}, "/operations/uploadPhoto", "image/png"),
        ({"slug": "Shop"}, "/slug", "pattern"),
        ({"server": "https://user:word@shop.example.com"}, "/server", "pattern"),
        ({"document": None, "url": "http://127.0.0.1:9/openapi.json"}, "/url", "cannot be read"),
        ({"document": '{"openapi": "3.1.0", "paths": {"/a": {"$ref": "b.yaml"}}}'}, "/document", "another document"),
        ({"idempotency_header": "Transfer-Encoding"}, "", "set otherwise"),
    ],
)
async def test_what_cannot_be_a_source_is_refused_in_words_and_kept_nowhere(
    api: Api, parts: dict[str, Any], pointer: str, says: str
) -> None:
    acme = await api.tenant()
    answer = await acme.post(f"{URL}/openapi", json=uploaded(**parts))
    assert answer.status_code == 422, answer.text
    assert says in answer.text
    assert any(fault["pointer"].startswith(pointer) for fault in answer.json()["errors"]), answer.text
    assert (await acme.get(URL)).json() == []


async def test_a_newer_document_that_cannot_be_used_changes_nothing_and_one_that_was_sent_is_sent_again(
    api: Api,
) -> None:
    acme = await api.tenant()
    assert (await acme.post(f"{URL}/openapi", json=uploaded(operations=READ))).status_code == 201
    again = await acme.post(f"{URL}/openapi", json=uploaded())
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (await acme.post(f"{URL}/shop/document", json={})).status_code == 409
    assert (await acme.post(f"{URL}/shop/document", json={"document": "{}"})).status_code == 422
    text = SHOP.read_text(encoding="utf-8").replace("$ref", "$ref", 1)
    trapped = text.replace('pattern: "^[A-Z]{2}-[0-9]+$"', 'pattern: "(?=x)y"')
    renewed = (await acme.post(f"{URL}/shop/document", json={"document": trapped})).json()
    # It was on and cannot be called any more; the other one stays on.
    assert (renewed["switched_off"], renewed["source"]["enabled_operations"]) == (["orders_get_one"], 1)
    assert renewed["source"]["revision"] == 2


async def test_a_newer_document_moves_neither_the_server_nor_what_another_tenant_has(api: Api) -> None:
    acme, globex = await api.tenant(), await api.tenant("globex")
    assert (await acme.post(f"{URL}/openapi", json=uploaded(credential=BEARER, operations=READ))).status_code == 201
    moved = SHOP.read_text(encoding="utf-8").replace("{url: /api}", "{url: https://elsewhere.example}")
    renewed = (await acme.post(f"{URL}/shop/document", json={"document": moved})).json()
    assert renewed["source"]["configuration"]["server"] == "https://shop.example.com/api"
    missing = '{"openapi": "3.1.0", "paths": {"/a": {"$ref": "#/nothing"}}}'
    refused = await acme.post(f"{URL}/shop/document", json={"document": missing})
    assert (refused.status_code, "not there" in refused.text) == (422, True), refused.text
    for answer in (
        await globex.get(f"{URL}/shop"),
        await globex.patch(f"{URL}/shop", json={"name": "Mine"}),
        await globex.post(f"{URL}/shop/document", json={"document": moved}),
        await globex.delete(f"{URL}/shop"),
    ):
        assert answer.status_code == 404, answer.text
        assert TOKEN not in answer.text
    agent = await api.agent(globex)
    grant = {"tool_ids": ["servicedesk_plus", "openapi:shop"], "tool_operations": {"openapi:shop": ["listOrders"]}}
    foreign = await globex.patch(f"/api/v1/agents/{agent['id']}", json=grant)
    assert (foreign.status_code, "/tool_ids/1" in foreign.text) == (422, True), foreign.text
    assert (await acme.get(f"{URL}/shop")).json()["revision"] == 2


KINDS = [
    (Credential(kind=CredentialKind.BEARER, secret=TOKEN), "authorization", f"Bearer {TOKEN}"),
    (
        Credential(kind=CredentialKind.BASIC, secret=TOKEN, user="u"),
        "authorization",
        "Basic " + base64.b64encode(f"u:{TOKEN}".encode()).decode(),
    ),
    (Credential(kind=CredentialKind.HEADER, secret=TOKEN, name="X-Key"), "x-key", TOKEN),
    (Credential(kind=CredentialKind.QUERY, secret=TOKEN, name="k"), None, TOKEN),
]


@pytest.mark.parametrize(("credential", "header", "value"), KINDS, ids=[kind[0].kind.value for kind in KINDS])
async def test_a_credential_goes_to_its_server_and_comes_back_nowhere(
    credential: Credential, header: str | None, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    operation = SourceOperation(name="get", description="x", is_write=True, call=call_of("/a"))
    async with shop_server() as shop:
        # A server that repeats all it got.
        shop.answer = lambda request: JSONResponse({**dict(request.headers), "query": str(request.url)})
        configuration = {"server": shop.url, "idempotency_header": "Idempotency-Key"}
        connection = Connection(tool_id="openapi:shop", name="Shop", configuration=configuration, credential=credential)
        async with opened(connection, HTTP) as caller:
            answer = await caller.call(operation, {}, mark="dh-1")
        [request] = shop.requests
        sent = request["headers"].get(header) if header else request["target"].partition("k=")[2]
        assert sent == value
        assert request["headers"]["idempotency-key"] == "dh-1"
    for secret in (TOKEN, value):
        assert secret not in json.dumps(answer)
        assert secret not in caplog.text
    assert TOKEN not in repr(connection)


def call_of(path: str, method: str = "get") -> dict[str, Any]:
    schema = {"type": "object", "properties": {}}
    return {"method": method, "path": path, "parameters": [], "media": "", "schema": schema}


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (PlainTextResponse("Out of lamps.", 409), SourceRefusedError, "409: Out of lamps."),
        (JSONResponse({"why": TOKEN}, 400), SourceRefusedError, "credential"),
        (PlainTextResponse("no", 401), SourceRefusedError, "administrator"),
        (PlainTextResponse("down", 503), SourceUnavailableError, "503"),
        (RedirectResponse("https://elsewhere.example/"), SourceError, "not followed"),
    ],
)
async def test_a_refusal_is_told_in_the_servers_words(answer: Response, error: type[SourceError], says: str) -> None:
    operation = SourceOperation(name="get", description="x", is_write=False, call=call_of("/a"))
    async with shop_server() as shop:
        shop.answer = lambda _: answer
        credential = Credential(kind=CredentialKind.BEARER, secret=TOKEN)
        connection = Connection(tool_id="t", name="Shop", configuration={"server": shop.url}, credential=credential)
        async with opened(connection, HTTP) as caller:
            with pytest.raises(error, match=says) as caught:
                await caller.call(operation, {}, mark="")
    assert type(caught.value) is error
    assert TOKEN not in str(caught.value)


async def test_nobody_there_and_an_address_inside_are_known_as_not_done() -> None:
    operation = SourceOperation(name="get", description="x", is_write=False, call=call_of("/a"))
    closed = Connection(tool_id="t", name="Shop", configuration={"server": "http://127.0.0.1:9"}, credential=None)
    async with opened(closed, HTTP) as caller:
        with pytest.raises(SourceUnreachableError):
            await caller.call(operation, {}, mark="")
    async with opened(closed, HttpClientFactory()) as caller:
        with pytest.raises(SourceRefusedError, match="inside this network"):
            await caller.call(operation, {}, mark="")
    elsewhere = SourceOperation(name="get", description="x", is_write=False, call=call_of("@elsewhere.example/a"))
    async with opened(closed, HTTP) as caller:
        with pytest.raises(SourceRefusedError):
            await caller.check(elsewhere, {})


async def test_prism_takes_what_we_send_by_its_document(api: Api) -> None:
    acme = await api.tenant()
    everything = {
        name: {"enabled": True} for name in ("listOrders", "placeOrder", "orders_get_one", "delete_orders_id")
    }
    async with prism(SHOP) as url:
        body = uploaded(server=url, credential=BEARER, operations=everything)
        assert (await acme.post(f"{URL}/openapi", json=body)).status_code == 201
        operations, connection = await source_in(api)
        async with opened(connection, HTTP) as caller:
            calls: list[tuple[str, dict[str, Any], int]] = [
                ("listOrders", {"state": ["open"], "filter": {"year": 2026}}, 200),
                ("placeOrder", {"body": {"item": "lamp", "count": 2, "number": "1"}}, 201),
                ("orders_get_one", {"id": "AB-1"}, 200),
                ("delete_orders_id", {"id": "AB-1"}, 204),
            ]
            for name, arguments, status in calls:
                answer = await caller.call(operations[name], arguments, mark="m")
                assert answer["status"] == status, answer
            assert (await caller.call(operations["orders_get_one"], {"id": "AB-1"}, mark=""))["body"]["item"]
            # Prism holds requests to the document as well: what we would refuse, it refuses.
            with pytest.raises(SourceRefusedError, match="422"):
                await caller.call(operations["orders_get_one"], {"id": "no"}, mark="")
        async with httpx2.AsyncClient() as nobody:
            assert (await nobody.get(f"{url}/orders/AB-1")).status_code == 401


JIRA = SPECS / "jira-platform-v3.2025-12.json"


@pytest.mark.skipif(not JIRA.is_file(), reason="the vendors' documents are not on this machine")
async def test_jiras_whole_document_is_a_source_and_prism_takes_our_calls(api: Api) -> None:
    acme = await api.tenant()
    async with shop_server() as shop, prism(JIRA) as url:
        shop.document = JIRA.read_text(encoding="utf-8")
        names = ("getIssue", "searchProjects", "addComment")
        body = {
            "slug": "shop", "name": "Jira", "url": f"{shop.url}/openapi.yaml", "server": url,
            "credential": {"kind": "basic", "user": "me@example.com", "secret": TOKEN},
            "operations": {name: {"enabled": True} for name in names},
        }  # fmt: skip
        made = await acme.post(f"{URL}/openapi", json=body)
        assert made.status_code == 201, made.text
        assert len(made.json()["operations"]) > 600
        operations, connection = await source_in(api)
        async with opened(connection, HTTP) as caller:
            calls: list[tuple[str, dict[str, Any]]] = [
                ("getIssue", {"issueIdOrKey": "ED-1", "fields": ["summary", "status"]}),
                ("searchProjects", {"id": [1, 2], "maxResults": 2}),
                (
                    "addComment",
                    {"issueIdOrKey": "ED-1", "body": {"body": {"type": "doc", "version": 1, "content": []}}},
                ),
            ]
            for name, arguments in calls:
                await caller.check(operations[name], arguments)
                assert (await caller.call(operations[name], arguments, mark=""))["status"] in (200, 201)

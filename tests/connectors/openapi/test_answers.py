"""What a server answers: read as what it is, stored as it can be, and told in words where it is no answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from tests.support.openapi import TOKEN, Seen, shop_server

from deskhand.connectors.answers import ANSWER_CHARACTERS, cut_answer
from deskhand.connectors.errors import SourceError, SourceRefusedError, SourceUnavailableError
from deskhand.connectors.openapi.caller import OpenApiCaller, _body
from deskhand.connectors.values import Connection, Credential, CredentialKind, SourceOperation
from deskhand.kit.answers import bounded
from deskhand.kit.http import HttpClientFactory

BEARER = Credential(kind=CredentialKind.BEARER, secret=TOKEN)
HTTP = HttpClientFactory(allow_private=True)


def operation(
    *,
    method: str = "get",
    path: str = "/a",
    parameters: Any = (),
    media: str = "",
    **properties: Any,
) -> SourceOperation:
    call = {
        "method": method,
        "path": path,
        "parameters": list(parameters),
        "media": media,
        "schema": {"type": "object", "properties": properties},
    }
    return SourceOperation(name="get", description="x", is_write=method != "get", call=call)


async def answered(
    shop: Seen,
    answer: Response,
    *,
    http: HttpClientFactory = HTTP,
    base: str = "",
) -> dict[str, Any]:
    shop.answer = lambda _: answer
    connection = Connection(
        tool_id="openapi:shop",
        name="Shop",
        configuration={"server": shop.url + base},
        credential=BEARER,
    )
    async with http.client() as client:
        return await OpenApiCaller(connection, client).call(operation(), {}, mark="")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (JSONResponse({"a": [1, None]}), {"a": [1, None]}),
        (Response(b'{"a": 1}', media_type="application/vnd.shop+json; charset=utf-8"), {"a": 1}),
        (Response(b'{"a": "\\u0000\\ud83d"}', media_type="application/json"), {"a": "\ufffd"}),
        (Response(b'{"a": 1e999}', media_type="application/json"), {"a": None}),
        (PlainTextResponse("all is\x00 well"), "all is well"),
        (Response(b"<p>well</p>", media_type="text/html"), "<p>well</p>"),
        (Response(b"\x89PNG", media_type="image/png"), "(image/png, 4 bytes, not shown)"),
        (JSONResponse(f"it was {TOKEN}"), "it was [credential]"),
        (PlainTextResponse(f"Bearer {TOKEN}"), "[credential]"),
    ],
    ids=["json", "vendor", "halves", "infinite", "text", "page", "image", "echo in json", "echo in text"],
)
async def test_an_answer_is_read_as_what_it_is(answer: Response, body: Any) -> None:
    async with shop_server() as shop:
        assert await answered(shop, answer) == {"status": 200, "body": body}


@pytest.mark.parametrize(
    "charset",
    ["hex", "zlib", "rot13", "undefined", "idna", "punycode", "unicode_escape", "raw-unicode-escape", "nope", "'utf-8",
     "utf-16"],
)  # fmt: skip
@pytest.mark.parametrize("media", ["text/plain", "application/json", "text/html"])
@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_in_what_is_no_characters_is_read_as_what_it_looks_like(
    charset: str, media: str, status: int
) -> None:
    content = b'"78 is well\\u0021"'
    response = bounded(
        httpx2.Response(status, headers={"content-type": f"{media}; charset={charset}"}, content=content),
        limit=100,
        deadline=asyncio.get_running_loop().time() + 60,
    )
    await response.aread()
    if "utf-" not in charset or "'" in charset:
        assert response.text == content.decode()
        assert _body(response, ["well"]) == (
            "78 is [credential]!" if "json" in media else '"78 is [credential]\\u0021"'
        )
    assert isinstance(_body(response, []), str)


@pytest.mark.parametrize(
    ("kind", "content", "body"),
    [
        ("", b"plain", "plain"),
        ("text/plain", b"\xf0\x9f\x98", "\ufffd"),
        ("text/plain", b"\xff\x00a", "\ufffda"),
        ("text/html", b"<script>" * 100_000, "<script>" * 25_000),
        ("application/json", b"<html>no</html>", None),
        ("application/json", b"\xff\xfe\x00", None),
        ("application/xml", b"<a/>", "(application/xml, 4 bytes, not shown)"),
        ("application/octet-stream", b"\x00" * 9, "(application/octet-stream, 9 bytes, not shown)"),
        ("multipart/form-data; boundary=x", b"--x", "(multipart/form-data, 3 bytes, not shown)"),
        ("x" * 900, b"a", f"({'x' * 100}, 1 bytes, not shown)"),
        ("application/problem+json", b'{"\\u0000a": "\\ud83d"}', {"a": "\ufffd"}),
        ("APPLICATION/JSON ;charset=latin-1", b'"\xfc"', "ü"),
    ],
)
def test_a_body_is_read_by_what_it_is_called_and_always_storable(kind: str, content: bytes, body: Any) -> None:
    answer = _body(httpx2.Response(200, headers={"content-type": kind}, content=content), ())
    if body is None:
        assert answer.startswith("(JSON that cannot be read: ")
    else:
        assert answer == body
    assert "\x00" not in json.dumps(answer, ensure_ascii=False).encode().decode()


async def test_nothing_is_said_of_an_answer_without_a_body() -> None:
    async with shop_server() as shop:
        assert await answered(shop, Response(status_code=204)) == {"status": 204}


async def test_what_is_said_to_be_json_and_is_none_is_told() -> None:
    async with shop_server() as shop:
        answer = await answered(shop, Response(b"{", media_type="application/json"))
        deep = await answered(shop, Response(b"[" * 5_000 + b"]" * 5_000, media_type="application/json"))
    for one in (answer, deep):
        assert one["body"].startswith("(JSON that cannot be read")


async def test_an_answer_without_end_is_broken_off_and_a_silent_one_is_away() -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 4_096
            await asyncio.sleep(0)  # no wait: it lets the caller read, which one loop with this server could not else

    small = HttpClientFactory(allow_private=True, answer_bytes=10_000)
    async with shop_server() as shop:
        with pytest.raises(SourceError, match="cannot be read"):
            await answered(shop, StreamingResponse(drip(), media_type="text/plain"), http=small)
        hasty = HttpClientFactory(allow_private=True, read_timeout=0.2, answer_timeout=0.3)

        async def silent() -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

        with pytest.raises(SourceUnavailableError, match="did not answer"):
            await answered(shop, StreamingResponse(silent(), media_type="text/plain"), http=hasty)


@pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/"])
async def test_a_path_stands_behind_the_servers_own(base: str) -> None:
    async with shop_server() as shop:
        await answered(shop, JSONResponse({}), base=base)
        assert shop.requests[0]["target"] == base.rstrip("/") + "/a"


@pytest.mark.parametrize(
    ("schema", "arguments", "says"),
    [
        ({"a": {"type": "integer"}}, {"a": "x"}, "/a"),
        ({"a": {"pattern": "^[a-z]+$"}}, {"a": "A"}, "/a"),
        ({"a": {"uniqueItems": True}}, {"a": [1, 1]}, "/a"),
        ({"a": {"pattern": "(?=x)"}}, {"a": "x"}, "does not take"),
    ],
)
async def test_arguments_are_held_to_the_whole_schema(
    schema: dict[str, Any],
    arguments: dict[str, Any],
    says: str,
) -> None:
    connection = Connection(
        tool_id="openapi:shop",
        name="Shop",
        configuration={"server": "https://shop.example.com"},
        credential=None,
    )
    async with HTTP.client() as client:
        caller = OpenApiCaller(connection, client)
        with pytest.raises(SourceRefusedError, match=says):
            await caller.check(operation(**schema), arguments)
        await caller.check(operation(), {})


@pytest.mark.parametrize("length", [0, 1, ANSWER_CHARACTERS - 20, ANSWER_CHARACTERS, 10 * ANSWER_CHARACTERS])
def test_what_fits_is_left_as_it_is(length: int) -> None:
    value = {"status": 200, "body": ["x" * 10] * (length // 14)}
    shorter, cut = cut_answer(value)
    assert cut is (len(json.dumps(value)) > ANSWER_CHARACTERS)
    assert (shorter == value) is not cut
    assert len(json.dumps(shorter)) <= ANSWER_CHARACTERS

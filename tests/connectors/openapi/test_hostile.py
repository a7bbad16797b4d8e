"""Documents and arguments that are meant to do harm: refused in words, or sent as what they are and nothing more."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import httpx2
import jsonschema
import pytest

from deskhand.connectors.errors import SourceRefusedError
from deskhand.connectors.openapi.caller import OpenApiCaller
from deskhand.connectors.openapi.document import DocumentError, at, find_operations, read_document, resolve, server_of
from deskhand.connectors.openapi.preparing import MOST_LEVELS, prepare, without_traps
from deskhand.connectors.openapi.sending import Request, build_request
from deskhand.connectors.values import Connection, Credential, CredentialKind
from deskhand.kit.http import HttpClientFactory

SECRET = "canary-of-the-hostile-shop"
REFERENCE = "#/components/schemas/"


def prepared(operation: dict[str, Any], *, path: str = "/x", **parts: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    document = {"openapi": "3.1.0", "paths": {path: {"post": operation}}, **parts}
    [found] = find_operations(document)
    return prepare(document, found)


def built(parameter: dict[str, Any], value: Any, *, path: str = "/x") -> Request:
    """The request of an operation with this one parameter ``c``."""
    return build_request(prepared({"parameters": [{"name": "c", **parameter}]}, path=path)[1], {"c": value})


async def sent(request: Request, credential: Credential | None, **configuration: str) -> httpx2.Request:
    """What would go out, with the credential."""
    kept = {"server": "https://shop.example.com/api", **configuration}
    connection = Connection(tool_id="openapi:shop", name="Shop", configuration=kept, credential=credential)
    async with HttpClientFactory().client() as client:
        return OpenApiCaller(connection, client)._request(request, "our-mark")


def values_of(request: httpx2.Request, name: str) -> list[str]:
    return [value.decode() for key, value in request.headers.raw if key.decode().lower() == name]


# -- where a path leads ----------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["simple", "label", "matrix"])
@pytest.mark.parametrize("explode", [True, False])
@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "...",
        "../admin",
        "%2e%2e",
        "%2e%2e%2fadmin",
        "..;/admin",
        "..\\admin",
        "a?b=c",
        "a#b",
        "a%00b",
        "{d}",
        "//elsewhere.example",
        "@elsewhere.example",
        "\r\nHost: b",
        ["", ""],
        [".", "."],
        ["..", "a"],
        [],
        {},
        {"..": ".."},
        {"/": "/"},
        {"": ""},
        "․․",
        "．．/",
        "\x00",
    ],
)
def test_a_path_argument_stays_in_its_segment_whatever_its_style(style: str, explode: bool, value: Any) -> None:
    parameter = {"in": "path", "style": style, "explode": explode}
    _, call = prepared({"parameters": [{"name": "c", **parameter}]}, path="/orders/{c}/lines")
    try:
        target = build_request(call, {"c": value}).target
    except SourceRefusedError:
        # What is refused is what would be another address.
        assert value in ("", ".", "..", "...") or not isinstance(value, str)
        return
    before, segment, after = target[1:].split("/")
    assert (before, after) == ("orders", "lines")
    assert segment.strip(".")
    assert not set(segment) & set("?#\\{}@ \r\n\x00")
    # The client's own reading of the address, which removes segments of dots, finds the same one.
    assert httpx2.URL("https://shop.example.com" + target).raw_path.decode() == target
    assert unquote(segment) not in ("", ".", "..")


@pytest.mark.parametrize(
    ("parameter", "value", "target"),
    [
        # The table of the specification's section "Style Examples"; lines that are not tried elsewhere.
        ({"in": "path", "style": "matrix"}, "", "/;c="),
        ({"in": "path", "style": "matrix", "explode": False}, {"R": 100, "G": 200}, "/;c=R,100,G,200"),
        ({"in": "path", "style": "matrix", "explode": True}, "blue", "/;c=blue"),
        ({"in": "path", "style": "label"}, ["blue", "black"], "/.blue,black"),
        ({"in": "path", "style": "label"}, {"R": 100, "G": 200}, "/.R,100,G,200"),
        ({"in": "path", "style": "simple", "explode": True}, ["blue", "black"], "/blue,black"),
        ({"in": "query"}, "", "/?c="),
        ({"in": "query", "explode": False}, "blue", "/?c=blue"),
        ({"in": "query", "style": "spaceDelimited"}, {"R": 100, "G": 200}, "/?c=R%20100%20G%20200"),
        ({"in": "query", "style": "pipeDelimited"}, {"R": 100, "G": 200}, "/?c=R|100|G|200"),
        # What a value holds is never a delimiter of the style that carries it.
        ({"in": "query", "explode": False}, ["a,b", "c&d"], "/?c=a%2Cb,c%26d"),
        ({"in": "query", "style": "pipeDelimited"}, ["a|b", "c"], "/?c=a%7Cb|c"),
        ({"in": "query", "style": "deepObject"}, {"a&b=": "c"}, "/?c[a%26b%3D]=c"),
        ({"in": "query"}, {"a&b=": "c#"}, "/?a%26b%3D=c%23"),
        ({"in": "query", "allowReserved": True}, "a&b=c#d+e", "/?c=a%26b%3Dc%23d%2Be"),
        ({"in": "path", "style": "matrix", "explode": True}, {"a;b": "c;d"}, "/;a%3Bb=c%3Bd"),
        ({"in": "query"}, None, "/?c="),
        ({"in": "query"}, 1.5, "/?c=1.5"),
        ({"in": "query"}, "\U0001f600 \x00", "/?c=%F0%9F%98%80%20%00"),
    ],
)
def test_the_rest_of_the_specifications_table_and_delimiters_in_values(
    parameter: dict[str, Any], value: Any, target: str
) -> None:
    assert built(parameter, value, path="/{c}" if parameter["in"] == "path" else "/").target == target


# -- headers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value", "text"),
    [
        ({}, ["blue", "black"], "blue,black"),
        ({"explode": True}, ["blue", "black"], "blue,black"),
        ({}, {"R": 100, "G": 200}, "R,100,G,200"),
        ({"explode": True}, {"R": 100, "G": 200}, "R=100,G=200"),
        ({"content": {"application/json": {}}}, {"R": "ü"}, '{"R": "\\u00fc"}'),
        ({}, " blue ", "blue"),
        ({}, "", ""),
    ],
)
def test_a_header_goes_out_as_the_specification_says(parameter: dict[str, Any], value: Any, text: str) -> None:
    assert built({"in": "header", **parameter}, value).headers == {"c": text}


@pytest.mark.parametrize("value", ["a\r\nHost: b", "a\nb", "a\x00b", "ü", "\ud83d", "a\x7fb", "a\tb", "\u2028"])
def test_no_header_is_begun_by_an_argument(value: str) -> None:
    for one in (value, [value], {"a": value}, {value: "a"}):
        with pytest.raises(SourceRefusedError, match="visible ASCII"):
            built({"in": "header"}, one)
    cookie = "c=a" if value == "\ud83d" else built({"in": "cookie"}, value).headers["Cookie"]
    assert cookie.isascii()
    assert cookie.isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "Transfer-Encoding",
        "transfer-encoding",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Keep-Alive",
        "Connection",
        "HOST",
        "Content-Length",
        "Proxy-Authorization",
        "Cookie",
        "Authorization",
        "Accept",
    ],
)
def test_what_says_where_a_request_ends_or_who_sends_it_is_no_argument(name: str) -> None:
    arguments, call = prepared({"parameters": [{"in": "header", "name": name, "required": True}]})
    assert arguments["properties"] == {}
    assert build_request(call, {name: "chunked"}).headers == {}


@pytest.mark.parametrize("name", ["X\r\nHost", "X Y", "X:", "ü", "X\x00", "\u6ce8", "(a)"])
def test_a_header_of_a_name_that_none_can_have_keeps_its_operation_off(name: str) -> None:
    with pytest.raises(DocumentError, match="no header can have"):
        prepared({"parameters": [{"in": "header", "name": name}]})


@pytest.mark.parametrize(
    ("media", "goes_out"),
    [
        ("application/json", "application/json"),
        ("application/vnd.a+json; v=1", "application/vnd.a+json; v=1"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json; a=\r\nHost: b", None),
        ("application/\u6ce8+json", None),
        ("text/plain", None),
    ],
)
def test_a_body_has_a_type_that_a_header_can_carry(media: str, goes_out: str | None) -> None:
    body = {"requestBody": {"content": {media: {}}}}
    if goes_out is None:
        with pytest.raises(DocumentError, match="cannot be sent"):
            prepared(body)
        return
    request = build_request(prepared(body)[1], {"body": {"a": "ü"}})
    assert (request.headers, request.content) == ({"Content-Type": goes_out}, '{"a": "ü"}'.encode())


# -- the credential --------------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["X-Key", "x-key", "X-KEY"])
async def test_no_argument_stands_in_place_of_the_credential_or_of_the_mark(spelled: str) -> None:
    key = Credential(kind=CredentialKind.HEADER, secret=SECRET, name="X-Key")
    request = Request("POST", "/orders", {spelled: "mine", "idempotency-KEY": "mine", "X-Other": "mine"}, b"")
    out = await sent(request, key, idempotency_header="Idempotency-Key")
    assert values_of(out, "x-key") == [SECRET]
    assert values_of(out, "idempotency-key") == ["our-mark"]
    assert values_of(out, "x-other") == ["mine"]
    bearer = await sent(request, Credential(kind=CredentialKind.BEARER, secret=SECRET))
    assert values_of(bearer, "authorization") == [f"Bearer {SECRET}"]
    # Without such a credential the name is a header like any other.
    assert values_of(bearer, "x-key") == ["mine"]


@pytest.mark.parametrize(
    ("target", "goes_out"),
    [
        ("/a", f"/api/a?k={SECRET}"),
        ("/a?k=mine", f"/api/a?k={SECRET}"),
        ("/a?%6b=mine&b=1", f"/api/a?b=1&k={SECRET}"),
        ("/a?b=1&k=mine&k=more", f"/api/a?b=1&k={SECRET}"),
        ("/a?kk=1&K=2", f"/api/a?kk=1&K=2&k={SECRET}"),
    ],
)
async def test_no_argument_stands_where_the_credential_of_a_query_goes(target: str, goes_out: str) -> None:
    credential = Credential(kind=CredentialKind.QUERY, secret=SECRET, name="k")
    out = await sent(Request("GET", target, {}, b""), credential)
    assert out.extensions["target"].decode() == goes_out
    # The address is what is logged and told.
    assert SECRET not in f"{out.url} {out!r} {out.headers!r}"


@pytest.mark.parametrize("target", ["/a", "//elsewhere.example/a", "/@elsewhere.example/", "/a?b=https://elsewhere"])
@pytest.mark.parametrize("kind", list(CredentialKind))
async def test_a_credential_goes_to_its_host_and_to_no_other(target: str, kind: CredentialKind) -> None:
    credential = Credential(kind=kind, secret=SECRET, name="X-Key", user="u")
    out = await sent(Request("GET", target, {}, b""), credential)
    assert (out.url.scheme, out.url.host, out.headers["host"]) == ("https", "shop.example.com", "shop.example.com")


@pytest.mark.parametrize("target", ["@elsewhere.example/", ".elsewhere.example/", ":444/"])
async def test_a_target_that_would_change_the_host_is_refused(target: str) -> None:
    for server in ("https://shop.example.com", "https://shop.example.com/"):
        with pytest.raises(SourceRefusedError, match=r"another server|no address"):
            await sent(Request("GET", target, {}, b""), None, server=server)


# -- servers ---------------------------------------------------------------------------------------

VARIABLES = {"a": {"default": "eu", "enum": ["eu", "us"]}, "port": {"default": "8443"}, "base": {"default": "v2"}}


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://{a}.example:{port}/{base}/", "https://eu.example:8443/v2"),
        ("https://{b}.example", None),
        ("https://user:word@shop.example.com", None),
        ("https://shop.example.com/v1?tenant=1", None),
        ("https://shop.example.com#part", None),
        ("https://shop.example.com\r\nHost: b", None),
        ("https://sh\u00f6p.example", None),
        ("https://", None),
        ("javascript:alert(1)", None),
        ("file:///etc/passwd", None),
        ("https://" + "a" * 500, None),
        ("v1", None),
        ("//elsewhere.example/v1", "https://docs.example//elsewhere.example/v1"),
        ("/v1", "https://docs.example/v1"),
    ],
)
def test_a_documents_server_is_an_address_that_a_person_might_have_named(url: str, server: str | None) -> None:
    document = {"servers": [{"url": url, "variables": VARIABLES}]}
    for base in ("https://docs.example", "https://docs.example?x=/y", "https://docs.example/openapi.json#/z"):
        assert server_of(document, base) == server
    assert server_of(document) == (None if url.startswith("/") else server)


@pytest.mark.parametrize("variables", [{"a": 7}, {"a": {}}, [], None, {"a": {"default": None}}])
def test_a_variable_without_a_value_makes_no_server_of_its_name(variables: Any) -> None:
    server = server_of({"servers": [{"url": "https://{a}", "variables": variables}]})
    assert server in (None, "https://None")


# -- references ------------------------------------------------------------------------------------


def chain(length: int, *, through: str) -> dict[str, Any]:
    """Schemas of which each refers to the next one."""
    links = [{"$ref": f"{REFERENCE}A{number + 1}"} for number in range(length)]
    made = {f"A{n}": {"properties": {"a": link}} if through == "properties" else link for n, link in enumerate(links)}
    return {"components": {"schemas": {**made, f"A{length}": {"type": "string"}}}}


@pytest.mark.parametrize("through", ["properties", "nothing"])
@pytest.mark.parametrize("length", [1, MOST_LEVELS - 1, MOST_LEVELS, 200, 5_000])
def test_a_chain_of_references_is_followed_so_far_and_no_further(length: int, through: str) -> None:
    body = {"requestBody": {"content": {"application/json": {"schema": {"$ref": f"{REFERENCE}A0"}}}}}
    if length >= MOST_LEVELS:
        with pytest.raises(DocumentError, match=f"more than {MOST_LEVELS} deep"):
            prepared(body, **chain(length, through=through))
        return
    arguments, _ = prepared(body, **chain(length, through=through))
    # The reader that a model's arguments meet first can follow it too.
    value: Any = "text"
    for _ in range(length if through == "properties" else 0):
        value = {"a": value}
    reader = jsonschema.Draft202012Validator(arguments)
    assert reader.is_valid({"body": value})
    assert through == "properties" or not reader.is_valid({"body": 7})


@pytest.mark.parametrize(
    "reference",
    [
        "#",
        "#x",
        "",
        "/a",
        "#/a/" + "9" * 5000,
        "#/a/-1",
        "#/a/1",
        "#/a/²",
        "#/a/0/x",
        "#/%61/~2",
        "#/b~1c~0d/x",
        "file:///etc/passwd#/a",
        "http://127.0.0.1/a",
        "//elsewhere.example/a#/b",
        "#/�",
        "#/" + "a/" * 5000,
    ],
)
def test_a_reference_to_what_is_not_there_or_not_here_is_refused_in_a_sentence(reference: str) -> None:
    with pytest.raises(DocumentError, match="refers to") as caught:
        at({"a": [{"y": 1}], "b/c~d": {}}, reference)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("reference", "value"), [("#/a/0/y", 1), ("#/%61/0/y", 1), ("#/b~1c~0d", 2), ("#/b%2Fc~0d", 2)]
)
def test_a_reference_is_spelled_as_a_pointer_in_an_address(reference: str, value: int) -> None:
    document = {"a": [{"y": 1}], "b/c~d": 2}
    assert at(document, reference) == value
    assert resolve({**document, "r": {"$ref": reference}}, {"$ref": "#/r"}) == value


# -- what is no operation --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameter",
    [
        {"in": ["query"], "name": "a"},
        {"in": "query", "name": ["a"]},
        {"in": "query", "name": "a", "style": ["form"]},
        {"in": "query", "name": "a", "schema": []},
        {"in": "query", "name": ""},
        {"in": "body", "name": "a"},
        {},
        None,
    ],
)
def test_a_parameter_of_the_wrong_shape_keeps_its_operation_off(parameter: Any) -> None:
    with pytest.raises(DocumentError, match=r"has a (parameter|schema)"):
        prepared({"parameters": [parameter]})


@pytest.mark.parametrize("described", [None, [], 7, {}])
def test_a_parameters_content_without_a_schema_takes_anything(described: Any) -> None:
    arguments, call = prepared(
        {"parameters": [{"in": "query", "name": "a", "content": {"application/json": described}}]}
    )
    assert arguments["properties"] == {"a": {}}
    assert build_request(call, {"a": [1]}).target == "/x?a=%5B1%5D"


def test_names_stay_apart_and_callable_whatever_the_document_calls_its_operations() -> None:
    same = ["get", "get", "", None, 7, "\u6ce8", "\x00", "a b", "a_b", "-", "../x", "a" * 90, "a" * 91, {"a": 1}]
    paths = {f"/{number}": {"get": {"operationId": name}} for number, name in enumerate(same)}
    names = [one.name for one in find_operations({"openapi": "3.1.0", "paths": paths})]
    assert len(set(names)) == len(same)
    assert all(name.isascii() and name.replace("_", "").replace("-", "x").isalnum() for name in names), names
    assert names == [one.name for one in find_operations({"openapi": "3.1.0", "paths": paths})]


HEAD = "openapi: 3.1.0\npaths:\n  /a:\n    get: "


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + "&a {}\n  /b: *a\n", "anchors and aliases"),
        (HEAD + "!!python/object/apply:os.system [ls]\n", "tags are not read"),
        (HEAD + "{? [a, b] : c}\n", "a key must be a text"),
        (HEAD + "{}\n  /a: {}\n", "stands twice"),
        (HEAD + "{}\n---\nopenapi: 3.1.0\n", "second document"),
        (HEAD + "[" * 60 + "]" * 60, "nested deeper"),
        (HEAD + "{}\n#" + "x" * 270_000, "longer than"),
        (HEAD + "\x00{}", "cannot be read"),
        (HEAD + '"\ud83d"', "surrogate"),
        ('{"openapi": "3.1.0", "paths": {"/a": ', "cannot be read"),
        ('{"openapi": ["3.1.0"], "paths": {"/a": {}}}', "no OpenAPI"),
        ('{"openapi": "3.1.0", "paths": ["/a"]}', "no paths"),
    ],
)
def test_a_document_with_a_trap_of_its_language_is_refused(text: str, says: str) -> None:
    with pytest.raises(DocumentError, match=says):
        read_document(text)


def test_half_characters_and_nul_do_not_reach_what_is_kept() -> None:
    head = '{"openapi": "3.1.0", "paths": '
    text = head + '{"/a\\u0000": {"get": {"summary": "x\\ud83d\\u0000", "operationId": "\\ud83d"}}}}'
    document = read_document(text)
    [found] = find_operations(document)
    assert (found.path, found.description, found.name) == ("/a", "x\ufffd", "get")
    assert json.dumps(document, ensure_ascii=False).encode()


# -- what a model reads ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"oneOf": [{"pattern": "^a"}, {"pattern": "^b"}]}, "a"),
        ({"oneOf": [{"pattern": "^a"}, {"pattern": "^b"}], "anyOf": [{"type": "string"}]}, "b"),
        ({"not": {"pattern": "^x"}}, "a"),
        ({"if": {"pattern": "^a"}, "then": {"maxLength": 1}}, "bb"),
        ({"if": {"uniqueItems": True}, "else": {"maxItems": 2}, "then": {"maxItems": 3}}, [1, 1]),
        ({"patternProperties": {"^x-": {}}, "additionalProperties": False}, {"x-a": 1}),
        ({"patternProperties": {"^x-": {}}, "unevaluatedProperties": False}, {"x-a": 1}),
        ({"contains": {"pattern": "^a"}, "maxContains": 1}, ["a", "b"]),
        ({"properties": {"not": {"pattern": "a"}, "oneOf": {}}}, {"not": "a"}),
        ({"$defs": {"s1": {"pattern": "^a"}}, "not": {"$ref": "#/$defs/s1"}}, "b"),
    ],
)
def test_a_model_may_send_whatever_the_whole_schema_takes(schema: dict[str, Any], value: Any) -> None:
    assert jsonschema.Draft202012Validator(schema).is_valid(value)
    shown = without_traps(schema)
    assert jsonschema.Draft202012Validator(shown).is_valid(value), shown
    assert "pattern" not in json.dumps(shown)

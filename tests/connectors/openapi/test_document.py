"""Documents of strangers: read in bounds, their traps refused, their arguments sent as the specification says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.plugins.vendor_spec import SPECS
from tests.support.openapi import SHOP

from deskhand.connectors.errors import SourceRefusedError
from deskhand.connectors.openapi import document as documents
from deskhand.connectors.openapi.document import (
    DocumentError,
    find_operations,
    read_document,
    resolve,
    server_of,
)
from deskhand.connectors.openapi.preparing import prepare, without_traps
from deskhand.connectors.openapi.sending import build_request
from deskhand.connectors.values import OPERATION_NAME

VENDORS = sorted(SPECS.glob("*.json"))


def shop() -> dict[str, Any]:
    return read_document(SHOP.read_text(encoding="utf-8"))


def one(operation: dict[str, Any], *, version: str = "3.1.0", **parts: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    document = {"openapi": version, "paths": {"/x/{id}": {"post": operation}}, **parts}
    [found] = find_operations(read_document(json.dumps(document)))
    return prepare(document, found)


def test_operations_are_found_and_named_as_models_can_call_them() -> None:
    found = {one.name: one for one in find_operations(shop())}
    assert list(found) == ["listOrders", "placeOrder", "orders_get_one", "delete_orders_id", "uploadPhoto"]
    assert found["listOrders"].description == "List the orders of somebody."
    assert found["delete_orders_id"].description == "DELETE /orders/{id}"
    long = {f"/{'x' * 90}{n}": {"get": {"operationId": "same" * 30}} for n in range(3)}
    names = [one.name for one in find_operations({"openapi": "3.1.0", "paths": long})]
    assert len(set(names)) == 3
    assert all(len(name) <= OPERATION_NAME for name in names)


def test_a_schema_of_3_0_is_one_of_today_and_what_the_other_side_fills_in_is_not_asked_for() -> None:
    document = shop()
    place = next(one for one in find_operations(document) if one.name == "placeOrder")
    arguments, _ = prepare(document, place)
    validator = jsonschema.Draft202012Validator(arguments)
    assert validator.is_valid({"body": {"item": "lamp", "gift": None, "count": 1, "parts": [{"item": "bulb"}]}})
    for wrong in ({}, {"body": {}}, {"body": {"item": "lamp", "count": 0}}, {"body": {"item": "x", "parts": [{}]}}):
        assert not validator.is_valid(wrong), wrong
    assert "number" not in json.dumps(arguments)


def test_what_a_model_reads_has_no_regular_expression_and_what_is_sent_is_held_to_it() -> None:
    document = shop()
    read = next(one for one in find_operations(document) if one.name == "orders_get_one")
    arguments, call = prepare(document, read)
    assert "pattern" not in json.dumps(arguments)
    assert call["schema"]["properties"]["id"]["pattern"] == "^[A-Z]{2}-[0-9]+$"
    named = {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "a"}}}
    assert without_traps(named) == {"type": "object", "properties": {"pattern": {"type": "string"}}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "no OpenAPI"),
        ("{", "cannot be read"),
        ('{"swagger": "2.0"}', "no OpenAPI"),
        ('{"openapi": "3.2.0", "paths": {"/": {}}}', "no OpenAPI"),
        ('{"openapi": "3.1.0", "paths": {}}', "no paths"),
        ('{"openapi": "3.1.0", "a": ' + "[" * 5_000 + "]" * 5_000 + "}", "nested more than"),
        ("a: &a [1]\nb: *a", "cannot be read"),
        ("x" * (documents.MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_document_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(DocumentError, match=says):
        read_document(text)


def test_there_are_only_so_many_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_OPERATIONS", 2)
    with pytest.raises(DocumentError, match="more than 2"):
        find_operations(shop())


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"$ref": "https://elsewhere.example/a.json"}, "another document"),
        ({"$ref": "other.yaml#/a"}, "another document"),
        ({"$ref": "#/components/schemas/None"}, "not there"),
        ({"$ref": "#/components/schemas/Loop"}, "leads back to itself"),
        ({"$ref": "#/components/schemas/A0"}, "multiply"),
        ({"type": "string", "pattern": "(?=a)b"}, "linear time"),
        ({"type": 7}, "no JSON schema|not a JSON schema|not valid"),
        ({"enum": ["x" * 100] * 2_000}, "larger than"),
        ({"allOf": ["x"]}, "a schema that is none"),
    ],
)
def test_a_trap_in_a_schema_keeps_its_operation_off(schema: dict[str, Any], says: str) -> None:
    doubling = {f"A{n}": {"allOf": [{"$ref": f"#/components/schemas/A{n + 1}"}] * 2} for n in range(30)}
    shelf = {"Loop": {"allOf": [{"$ref": "#/components/schemas/Loop"}]}, **doubling, "A30": {"type": "string"}}
    body = {"content": {"application/json": {"schema": schema}}}
    with pytest.raises(DocumentError, match=says):
        one({"requestBody": body}, components={"schemas": shelf})


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        ({"requestBody": {"content": {"image/png": {}}}}, "cannot be sent"),
        ({"parameters": [{"in": "query"}]}, "without a name"),
        ({"parameters": ["x"]}, "that is none"),
        ({"parameters": [{"in": "query", "name": "a", "content": {"image/png": {}}}]}, "cannot be sent"),
        ({"parameters": [{"$ref": "#/a"}]}, "not there"),
    ],
)
def test_an_operation_that_cannot_be_called_says_why(operation: dict[str, Any], says: str) -> None:
    with pytest.raises(DocumentError, match=says):
        one(operation)


def test_references_round_and_round_end() -> None:
    with pytest.raises(DocumentError, match="round and round"):
        resolve({"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}, {"$ref": "#/a"})


COLOURS, POINT = ["blue", "black"], {"R": 100, "G": 200}


@pytest.mark.parametrize(
    ("parameter", "value", "target"),
    [
        # The table of the specification's section on parameters, line by line.
        ({"in": "path", "style": "matrix"}, "blue", "/;c=blue"),
        ({"in": "path", "style": "matrix"}, COLOURS, "/;c=blue,black"),
        ({"in": "path", "style": "matrix", "explode": True}, COLOURS, "/;c=blue;c=black"),
        ({"in": "path", "style": "matrix", "explode": True}, POINT, "/;R=100;G=200"),
        ({"in": "path", "style": "label"}, "blue", "/.blue"),
        ({"in": "path", "style": "label", "explode": True}, COLOURS, "/.blue.black"),
        ({"in": "path", "style": "label", "explode": True}, POINT, "/.R=100.G=200"),
        ({"in": "path"}, COLOURS, "/blue,black"),
        ({"in": "path"}, POINT, "/R,100,G,200"),
        ({"in": "path", "explode": True}, POINT, "/R=100,G=200"),
        ({"in": "path"}, "../a b?c#d", "/..%2Fa%20b%3Fc%23d"),
        ({"in": "query"}, "blue", "/?c=blue"),
        ({"in": "query"}, COLOURS, "/?c=blue&c=black"),
        ({"in": "query", "explode": False}, COLOURS, "/?c=blue,black"),
        ({"in": "query"}, POINT, "/?R=100&G=200"),
        ({"in": "query", "explode": False}, POINT, "/?c=R,100,G,200"),
        ({"in": "query", "style": "spaceDelimited"}, COLOURS, "/?c=blue%20black"),
        ({"in": "query", "style": "pipeDelimited"}, COLOURS, "/?c=blue|black"),
        ({"in": "query", "style": "deepObject"}, POINT, "/?c[R]=100&c[G]=200"),
        ({"in": "query"}, True, "/?c=true"),
        ({"in": "query"}, "a&b=c", "/?c=a%26b%3Dc"),
        ({"in": "query", "allowReserved": True}, "a/b?c", "/?c=a/b?c"),
        (
            {"in": "query", "content": {"application/json": {}}},
            POINT,
            "/?c=%7B%22R%22%3A%20100%2C%20%22G%22%3A%20200%7D",
        ),
    ],
)
def test_arguments_go_out_in_the_styles_of_the_specification(
    parameter: dict[str, Any], value: Any, target: str
) -> None:
    path = "/{c}" if parameter["in"] == "path" else "/"
    document = {"openapi": "3.1.0", "paths": {path: {"get": {"parameters": [{"name": "c", **parameter}]}}}}
    [found] = find_operations(document)
    assert build_request(prepare(document, found)[1], {"c": value}).target == target


def test_headers_cookies_and_forms_go_out_and_cannot_become_others() -> None:
    parameters = [
        {"in": "header", "name": "X-Colours"},
        {"in": "header", "name": "Authorization"},
        {"in": "cookie", "name": "taste"},
        {"in": "query", "name": "reason"},
        {"in": "query", "name": "body"},
        {"in": "path", "name": "id"},
    ]
    form = {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}
    arguments, call = one({"parameters": parameters, "requestBody": form})
    assert set(arguments["properties"]) == {"X-Colours", "taste", "query_reason", "query_body", "id", "body"}
    assert arguments["required"] == ["id"]
    sent = build_request(
        call, {"id": "7", "X-Colours": COLOURS, "taste": "good", "query_reason": "r", "body": {"a": 1, "b": ["x", "y"]}}
    )
    assert (sent.method, sent.target, sent.content) == ("POST", "/x/7?reason=r", b"a=1&b=x&b=y")
    assert sent.headers == {
        "X-Colours": "blue,black",
        "Cookie": "taste=good",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    for wrong in ({"id": ".."}, {"id": ""}, {"id": "7", "X-Colours": "a\r\nHost: b"}, {"id": "7", "body": "x"}):
        with pytest.raises(SourceRefusedError):
            build_request(call, wrong)


@pytest.mark.parametrize(
    ("servers", "server"),
    [
        ([{"url": "https://a.example/v1/"}], "https://a.example/v1"),
        ([{"url": "https://{h}.example", "variables": {"h": {"default": "eu"}}}], "https://eu.example"),
        ([{"url": "/api"}], "https://docs.example:8443/api"),
        (None, "https://docs.example:8443"),
        ([{"url": "ftp://a.example"}], None),
        ([7], None),
    ],
)
def test_a_server_comes_from_the_document_or_from_where_it_was_read(servers: Any, server: str | None) -> None:
    document = {} if servers is None else {"servers": servers}
    assert server_of(document, "https://docs.example:8443/x/openapi.json") == server


@pytest.mark.skipif(not VENDORS, reason="the vendors' documents are not on this machine")
@pytest.mark.parametrize("path", VENDORS, ids=lambda path: path.name)
def test_a_vendors_whole_document_is_read_and_almost_all_of_it_can_be_called(path: Path) -> None:
    document = read_document(path.read_text(encoding="utf-8"))
    found = find_operations(document)
    assert len({one.name for one in found}) == len(found) > 60
    off = []
    for operation in found[:: max(1, len(found) // 60)]:
        try:
            prepare(document, operation)
        except DocumentError as error:
            off.append(str(error))
    # What cannot be sent is a file.
    assert all("multipart" in why for why in off), off

"""What a document offers: reading or writing by its method, once or again, with which credential."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.openapi import SHOP

from deskhand.connectors import documents
from deskhand.connectors.models import ToolSource
from deskhand.connectors.openapi.document import METHODS, digest_of, read_document
from deskhand.connectors.openapi.reading import credential_fault, offered, ready
from deskhand.connectors.values import Credential, CredentialKind, SourceOperation
from deskhand.errors import InvalidInputError

BEARER = Credential(kind=CredentialKind.BEARER, secret="s")
BASIC = Credential(kind=CredentialKind.BASIC, secret="s", user="u")
KEY = Credential(kind=CredentialKind.HEADER, secret="s", name="X-Key")


def source_of(document: dict[str, Any]) -> ToolSource:
    return ToolSource(slug="shop", kind="openapi", name="Shop", document=json.dumps(document))


@pytest.mark.parametrize("keyed", [False, True])
def test_the_method_says_what_reads_and_what_may_be_done_again_until_somebody_says_otherwise(keyed: bool) -> None:
    paths = {"/a": {method: {"operationId": method} for method in METHODS}}
    found = {one.name: one for one in offered({"openapi": "3.1.0", "paths": paths}, keyed=keyed)}
    assert {name for name, one in found.items() if not one.is_write} == {"get", "head", "options", "trace"}
    assert {name for name, one in found.items() if one.hint == "read"} == {"get", "head", "options", "trace"}
    again = {name for name, one in found.items() if one.repeatable}
    assert again == (set(METHODS) if keyed else {"get", "head", "options", "trace", "put", "delete"})
    assert not any(one.is_enabled for one in found.values())


def test_what_is_switched_on_is_made_ready_and_every_fault_is_told_at_once() -> None:
    document = read_document(SHOP.read_text(encoding="utf-8"))
    operations = [replace(one, is_enabled=True) for one in offered(document, keyed=False)]
    assert ready(source_of(document), []) == []
    with pytest.raises(InvalidInputError, match="image/png") as caught:
        ready(source_of(document), operations)
    assert [fault.pointer for fault in caught.value.errors] == ["/operations/uploadPhoto"]
    usable = [one for one in operations if one.name != "uploadPhoto"]
    for one in ready(source_of(document), usable):
        assert one.arguments["additionalProperties"] is False
        assert one.call["digest"]
        assert (one.call["method"], one.call["path"]) == (one.call["method"].lower(), one.call["path"])
        assert one.result["properties"]["status"] == {"type": "integer", "description": "The HTTP status."}


@pytest.mark.parametrize(
    ("schemes", "credential", "fits"),
    [
        ({}, BASIC, True),
        (None, KEY, True),
        ([], BEARER, True),
        ({"a": 7}, BEARER, True),
        ({"a": {"type": "http", "scheme": "Bearer"}}, BEARER, True),
        ({"a": {"type": "http", "scheme": "Bearer"}}, BASIC, False),
        ({"a": {"type": "http", "scheme": "Bearer"}}, None, True),
        ({"a": {"type": "oauth2"}}, BEARER, True),
        ({"a": {"type": "openIdConnect"}}, KEY, False),
        ({"a": {"type": "http", "scheme": "basic"}}, BASIC, True),
        ({"a": {"type": "apiKey", "in": "header", "name": "x-key"}}, KEY, True),
        ({"a": {"type": "apiKey", "in": "header", "name": "x-other"}}, KEY, False),
        ({"a": {"type": "apiKey", "in": "query", "name": "x-key"}}, KEY, False),
        ({"a": {"type": "apiKey", "in": "cookie", "name": "x-key"}}, KEY, True),
        ({"a": {"type": "oauth2"}, "b": {"type": "http", "scheme": "basic"}}, BASIC, True),
    ],
)
def test_a_credential_is_of_a_kind_that_the_document_asks_for(
    schemes: Any, credential: Credential | None, fits: bool
) -> None:
    document = {"openapi": "3.1.0", "components": {"securitySchemes": schemes}}
    fault = credential_fault(document, credential)
    assert (fault == "") is fits
    if not fits:
        assert "asks for" in fault
        assert fault != "s"


def test_a_change_of_a_part_is_seen_whatever_the_order_of_its_members() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1, "b": [2]}) != digest_of({"a": 1, "b": [3]})


OLD = {
    "/a": {"get": {"operationId": "read"}},
    "/b": {"post": {"operationId": "write"}},
    "/c": {"get": {"operationId": "gone"}},
    "/d": {"get": {"operationId": "moved"}},
}
NEW = {
    "/a": {"get": {"operationId": "read", "summary": "Read it better."}},
    "/b": {"post": {"operationId": "write"}},
    "/d2": {"get": {"operationId": "moved"}},
    "/e": {"get": {"operationId": "fresh"}},
}


def operations(paths: dict[str, Any], *on: str) -> dict[str, SourceOperation]:
    found = offered({"openapi": "3.1.0", "paths": paths}, keyed=False)
    return {one.name: replace(one, is_enabled=one.name in on) for one in found}


def test_a_newer_document_keeps_what_the_tenant_said_of_what_is_still_there() -> None:
    older, newer = operations(OLD, "read", "gone", "moved"), operations(NEW)
    older["read"] = replace(older["read"], is_write=True)
    kept = {name: documents._kept(one, older.get(name)) for name, one in newer.items()}
    assert {name for name, one in kept.items() if one.is_enabled} == {"read"}
    assert kept["read"].is_write
    assert kept["read"].description == "Read it better."
    assert not kept["moved"].is_write
    changes = documents._changes(older, kept)
    assert changes.added == ["fresh"]
    assert changes.removed == ["gone"]
    assert set(changes.changed) == {"read", "moved"}
    assert set(changes.switched_off) == {"gone", "moved"}


def test_the_same_document_changes_nothing() -> None:
    older = operations(OLD, "read")
    kept = {name: documents._kept(one, older.get(name)) for name, one in operations(OLD).items()}
    assert documents._changes(older, kept) == documents.Changes([], [], [], [])
    assert kept == older

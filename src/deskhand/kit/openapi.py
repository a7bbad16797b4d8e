"""The OpenAPI document as it is served: what FastAPI cannot know of this API, and what it says wrongly, put right.

Every rule here holds for all operations alike, so that a new one is described in full without a word of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI

from deskhand.errors import (
    BadRequestError,
    ConflictError,
    DeskhandError,
    InvalidInputError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitedError,
)
from deskhand.kit.problem import MEDIA_TYPE
from deskhand.kit.schema import KNOWN

CONTACT = {"name": "The Deskhand authors"}
SERVERS = [{"url": "/", "description": "The installation that serves this document."}]
NO_NUL = r"^[^\u0000]*$"
_NARROWER = frozenset({"pattern", "enum", "const", "format"})
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags the caller has; answered 304 where one of them still holds.",
    "schema": {"type": "string"},
}


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Your name for this request, such as a UUID, by which it can be sent again: within 24 hours the"
    " same request gets the first answer, with `Idempotent-Replayed: true`; another one gets 422, and one that is"
    " being answered 409.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!#-\[\]-~]+$"},
}


def complete_document(app: FastAPI, *, known: Mapping[str, Callable[[], Iterable[str]]]) -> None:
    """Serve the completed document instead of FastAPI's.

    Args:
        app: The application, with all its routes.
        known: The words there are, by the name that fields marked with ``schema.KNOWN`` ask for.
    """
    original: Callable[[], dict[str, Any]] = app.openapi
    completed: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        document = original()
        if not any(document is known for known in completed):
            for method, operation in _operations(document):
                _complete(method, operation)
            _say_what_is_known(
                document["components"]["schemas"], {name: list(words()) for name, words in known.items()}
            )
            _say_what_texts_hold(document)
            _restore_nulls(document["components"]["schemas"])
            completed[:] = [document]
        return document

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way of extending the schema


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in document.get("paths", {}).values():
        for method, operation in item.items():
            if method in _METHODS:
                yield method, operation


def _complete(method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    refusals: list[type[DeskhandError]] = [RateLimitedError, InvalidInputError]
    if "requestBody" in operation:
        refusals += [BadRequestError, PayloadTooLargeError]
    if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ())):
        refusals.append(NotFoundError)
    # What creates something answers so; what needs no credential (webhooks) has ways of its own.
    if method == "post" and {"201", "202"} & responses.keys() and operation.get("security"):
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        refusals += [ConflictError, InvalidInputError]
    for error in refusals:
        responses.setdefault(str(error.status), _problem(error))
    if method == "get" and "ETag" in responses.get("200", {}).get("headers", {}):
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
        responses["304"] = {"description": "The caller has it already.", "headers": responses["200"]["headers"]}
    for response in responses.values():
        for media in response.get("content", {}).values():
            if "itemSchema" in media:  # of OpenAPI 3.2; FastAPI writes it into a document of 3.1
                del media["itemSchema"]
                media["schema"] = {"type": "string"}
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
    operation["responses"] = dict(sorted(responses.items()))
    operation.setdefault("security", [])  # what needs no credential says so


def _say_what_is_known(schemas: Any, known: Mapping[str, list[str]]) -> None:
    """Give fields that take one word of a list their list."""
    for part in _parts(schemas):
        name = part.pop(KNOWN, None)
        if name is not None:
            part["enum"] = known[name]


def _say_what_texts_hold(document: dict[str, Any]) -> None:
    """No text that comes in may hold NUL, which PostgreSQL cannot store."""
    schemas = document["components"]["schemas"]
    pending = [part for _, operation in _operations(document) for part in _incoming(operation)]
    done: set[str] = set()
    while pending:
        for part in _parts(pending.pop()):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name and name not in done:
                done.add(name)
                pending.append(schemas[name])
            if part.get("type") == "string" and not _NARROWER & part.keys():
                part["pattern"] = NO_NUL


def _restore_nulls(schemas: dict[str, dict[str, Any]]) -> None:
    """FastAPI leaves nulls out of the document, out of examples too, where they then lack a required field."""
    for schema in schemas.values():
        required = schema.get("required", ())
        for example in schema.get("examples", ()):
            example.update({name: None for name in required if name not in example})


def _incoming(operation: dict[str, Any]) -> list[Any]:
    in_query = [parameter["schema"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
    return [operation.get("requestBody", {}), *in_query]


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a schema, itself included; examples and defaults are none."""
    if isinstance(value, dict):
        yield value
        value = [part for name, part in value.items() if name not in ("examples", "example", "default", "enum")]
    if isinstance(value, list):
        for part in value:
            yield from _parts(part)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """An address has no null: a parameter that is not set is left out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kinds[0]}


def _problem(error: type[DeskhandError]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": error.title, "content": {MEDIA_TYPE: {"schema": schema}}}

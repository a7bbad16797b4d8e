"""Reads an OpenAPI document of somebody else's: bounded in size and depth, nothing fetched, nothing run. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from deskhand.connectors.values import ADDRESS, MOST_ADDRESS, MOST_OPERATIONS, OPERATION_NAME
from deskhand.kit.storable import UnreadableJsonError, read_json, storable
from deskhand.kit.yaml import UnreadableYamlError, read_yaml

MAX_BYTES = 8 * 1024 * 1024
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
READING = frozenset({"get", "head", "options", "trace"})
# RFC 9110, section 9.2.2; what a person says of an operation may still make another one repeatable.
REPEATABLE = READING | {"put", "delete"}
DESCRIPTION = 300
MOST_HOPS = 20
MOST_DIGITS = 9
_ODD = re.compile(r"[^A-Za-z0-9_-]+")


class DocumentError(ValueError):
    """The document, or a part of it, cannot be used; says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """One operation of a document.

    Attributes:
        name: As it is granted.
        item: The path item around it, whose parameters count too.
    """

    name: str
    method: str
    path: str
    description: str
    operation: Mapping[str, Any]
    item: Mapping[str, Any]


def read_document(text: str) -> dict[str, Any]:
    """The document in a text, JSON or YAML.

    Raises:
        DocumentError: It is too large, unreadable, or no OpenAPI of 3.0 or 3.1.
    """
    if len(text) > MAX_BYTES:
        raise DocumentError(f"is larger than {MAX_BYTES // 1024**2} MiB")
    try:
        value = read_json(text) if text.lstrip("\ufeff \t\r\n").startswith("{") else storable(read_yaml(text).value)
    except (UnreadableJsonError, UnreadableYamlError) as error:
        raise DocumentError(f"cannot be read as JSON or YAML: {error}") from error
    if not isinstance(value, dict) or not str(value.get("openapi", "")).startswith(("3.0", "3.1")):
        raise DocumentError("is no OpenAPI document of version 3.0 or 3.1")
    if not isinstance(value.get("paths"), dict) or not value["paths"]:
        raise DocumentError("has no paths")
    return value


def find_operations(document: Mapping[str, Any]) -> list[Found]:
    """Every operation of a document, in its order.

    Raises:
        DocumentError: There are too many.
    """
    operations: dict[str, Found] = {}
    for path, method, operation, item in _operations(document):
        if len(operations) >= MOST_OPERATIONS:
            raise DocumentError(f"has more than {MOST_OPERATIONS:,} operations")
        name = _free(_name_of(operation, method, path), operations)
        words = str(operation.get("summary") or operation.get("description") or f"{method.upper()} {path}")
        operations[name] = Found(name, method, path, " ".join(words.split())[:DESCRIPTION], operation, item)
    return list(operations.values())


def resolve(document: Mapping[str, Any], node: Any) -> Any:
    """What a node is, its references followed.

    Raises:
        DocumentError: A reference leads out of the document, to nothing, or round and round.
    """
    for _ in range(MOST_HOPS):
        if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
            return node
        node = at(document, node["$ref"])
    raise DocumentError("has references that lead round and round")


def at(document: Mapping[str, Any], reference: str) -> Any:
    """What a reference leads to.

    Raises:
        DocumentError: It leads out of the document, or to nothing.
    """
    # Never followed: what another address says tomorrow was read and accepted by nobody.
    if not reference.startswith("#/"):
        raise DocumentError(f"refers to another document ({reference[:100]}); put all of it into one")
    node: Any = document
    for step in reference[2:].split("/"):
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        # Of so few digits: Python refuses to read a number of thousands.
        if isinstance(node, list) and name.isdecimal() and len(name) <= MOST_DIGITS and int(name) < len(node):
            node = node[int(name)]
        elif isinstance(node, dict) and name in node:
            node = node[name]
        else:
            raise DocumentError(f"refers to {reference[:100]}, which is not there")
    return node


def server_of(document: Mapping[str, Any], base: str | None = None) -> str | None:
    """The first server of a document, its variables at their defaults; None where it names no address.

    Args:
        document: The document.
        base: Address that the document came from; a server may be relative to it.
    """
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else {"url": "/"}
    url = str(first.get("url", "")) if isinstance(first, dict) else ""
    variables = first.get("variables") if isinstance(first, dict) else None
    for name, variable in (variables if isinstance(variables, dict) else {}).items():
        url = url.replace("{" + name + "}", str(variable.get("default", "")) if isinstance(variable, dict) else "")
    if url.startswith("/") and base:
        parts = urlsplit(base)
        url = f"{parts.scheme}://{parts.netloc}{url}"
    # What a person may not name as a server, a document may not either: a user, a query, a variable without a value.
    return url.rstrip("/") if len(url) <= MOST_ADDRESS and re.fullmatch(ADDRESS, url) else None


def _operations(
    document: Mapping[str, Any],
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    for path, written in document["paths"].items():
        item = resolve(document, written)
        if not isinstance(item, dict) or not path.startswith("/"):
            continue
        for method in METHODS:
            operation = item.get(method)
            if isinstance(operation, dict):
                yield path, method, operation, item


def _name_of(operation: Mapping[str, Any], method: str, path: str) -> str:
    written = operation.get("operationId")
    name = _ODD.sub("_", written if isinstance(written, str) and written else f"{method}{path}").strip("_")
    return _cut(name or method)


def _cut(name: str) -> str:
    if len(name) <= OPERATION_NAME:
        return name
    # Cut names stay apart by their digest, and the same one from one reading to the next.
    return f"{name[: OPERATION_NAME - 7]}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _free(name: str, taken: Mapping[str, object]) -> str:
    number, free = 2, name
    while free in taken:
        free = f"{name[: OPERATION_NAME - 5]}_{number}"
        number += 1
    return free


def digest_of(value: Any) -> str:
    """Names a part of a document, so that a change of it is seen."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]

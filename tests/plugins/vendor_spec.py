"""Holds recorded HTTP exchanges against a vendor's own OpenAPI 3.0 document.

``Recorder`` wraps a simulator's app and keeps every exchange; ``VendorSpec`` finds the operation of each by its
path template and checks address, query, request body, status and answer. What the vendor's document does not
say, or says wrongly, is an ``Allowance`` with a reason; one that is never needed fails the check, so the list
stays true. The documents are not part of the product: where they are absent, ``load_spec`` skips the test.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HERE = Path(__file__).resolve().parents[2]
SPECS = Path(os.environ.get("DESKHAND_VENDOR_SPECS", _HERE.parent / "shared" / "vendor-specs"))
_URN = "urn:vendor-spec"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and its answer."""

    method: str
    path: str
    query: str
    request_type: str
    request: bytes
    status: int
    response_type: str
    response: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path}{'?' if self.query else ''}{self.query} -> {self.status}"


@dataclass(frozen=True, slots=True)
class Allowance:
    """A difference that is meant.

    Attributes:
        pattern: Found (regular expression) in the text of the problem, which begins with method and template.
        reason: Why the difference is right.
    """

    pattern: str
    reason: str


class Recorder:
    """ASGI app that keeps every exchange of the app inside it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.exchanges: list[Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, response, head = bytearray(), bytearray(), {"status": 0, "type": ""}

        async def hear() -> Message:
            message = await receive()
            request.extend(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.update(status=message["status"], type=_content_type(message["headers"]))
            response.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, hear, say)
        self.exchanges.append(
            Exchange(
                scope["method"],
                scope["path"],
                scope["query_string"].decode(),
                _content_type(scope["headers"]),
                bytes(request),
                head["status"],
                head["type"],
                bytes(response),
            )
        )


def _content_type(headers: Iterable[tuple[bytes, bytes]]) -> str:
    found = dict(headers).get(b"content-type", b"").decode()
    return found.split(";")[0].strip().casefold()


@dataclass(slots=True)
class Report:
    """What a check found.

    Attributes:
        problems: Differences nobody allowed, with how often each occurred.
        unused: Allowances that were never needed.
        operations: Operations seen, with the number of exchanges of each.
    """

    problems: Counter[str] = field(default_factory=Counter)
    unused: list[Allowance] = field(default_factory=list)
    operations: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Operation:
    name: str
    pattern: re.Pattern[str]
    pointer: str
    raw: Mapping[str, Any]
    parameters: Sequence[tuple[str, Mapping[str, Any]]]  # pointer and content


class VendorSpec:
    """One OpenAPI 3.0 document.

    Args:
        document: Parsed JSON.
        strip: Regular expression removed from the front of each path, e.g. a gateway's prefix.
    """

    def __init__(self, document: dict[str, Any], *, strip: str = "") -> None:
        self._document = _as_draft4(document)
        self._strip = re.compile(f"^(?:{strip})") if strip else None
        resource = Resource(contents=self._document, specification=DRAFT4)
        self._registry: Registry[Any] = Registry().with_resource(_URN, resource)
        self._validators: dict[str, jsonschema.Draft4Validator] = {}
        self._operations = sorted(self._read_operations(), key=lambda operation: operation.name.count("{"))

    def knows(self, exchange: Exchange) -> bool:
        """True if the document has the operation; the way to split a recording between documents."""
        return self._find(exchange) is not None

    def check(self, exchanges: Iterable[Exchange], allowances: Sequence[Allowance] = ()) -> Report:
        """Every difference between the exchanges and the document that no allowance covers."""
        report = Report()
        used: set[Allowance] = set()
        for exchange in exchanges:
            operation = self._find(exchange)
            report.operations[operation.name if operation else f"{exchange.method} {exchange.path}"] += 1
            for problem in self.problems(exchange):
                allowed = [allowance for allowance in allowances if re.search(allowance.pattern, problem)]
                used.update(allowed)
                if not allowed:
                    report.problems[problem] += 1
        report.unused = [allowance for allowance in allowances if allowance not in used]
        return report

    def problems(self, exchange: Exchange) -> list[str]:
        """Everything in which one exchange differs from the document."""
        operation = self._find(exchange)
        if operation is None:
            return [f"{exchange.method} {exchange.path}: not in the vendor's document"]
        found = [*self._query_problems(operation, exchange), *self._response_problems(operation, exchange)]
        if exchange.status < 400:  # a refused request is often wrong on purpose
            found += self._request_problems(operation, exchange)
        return [f"{operation.name}: {problem}" for problem in found]

    # -- finding ---------------------------------------------------------------------------------

    def _read_operations(self) -> Iterable[_Operation]:
        for template, item in self._document["paths"].items():
            escaped = re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(template))
            common = list(enumerate(item.get("parameters", [])))
            for method in ("get", "post", "put", "patch", "delete"):
                if method not in item:
                    continue
                base = f"/paths/{_escape(template)}"
                own = enumerate(item[method].get("parameters", []))
                listed = [(f"{base}/parameters/{n}", row) for n, row in common]
                listed += [(f"{base}/{method}/parameters/{n}", row) for n, row in own]
                yield _Operation(
                    f"{method.upper()} {template}",
                    re.compile(f"{escaped}$"),
                    f"{base}/{method}",
                    item[method],
                    [self._resolved(pointer, row) for pointer, row in listed],
                )

    def _find(self, exchange: Exchange) -> _Operation | None:
        path = self._strip.sub("", exchange.path) if self._strip else exchange.path
        method = exchange.method + " "
        return next((o for o in self._operations if o.name.startswith(method) and o.pattern.match(path)), None)

    def _resolved(self, pointer: str, row: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        while "$ref" in row:
            pointer = str(row["$ref"]).removeprefix("#")
            row = self._document
            for part in pointer.strip("/").split("/"):
                row = row[part.replace("~1", "/").replace("~0", "~")]
        return pointer, row

    # -- checking --------------------------------------------------------------------------------

    def _query_problems(self, operation: _Operation, exchange: Exchange) -> Iterable[str]:
        known = {str(row["name"]): (pointer, row) for pointer, row in operation.parameters if row["in"] == "query"}
        given = parse_qsl(exchange.query, keep_blank_values=True)
        for name, value in given:
            if name not in known and not any(name.startswith(f"{other}[") for other in known):
                yield f"query parameter {name} is unknown"
            elif name in known and "schema" in known[name][1]:
                pointer, row = known[name]
                yield from self._value_problems(f"{pointer}/schema", _typed(value, row["schema"]), f"query {name}")
        for name, (_, row) in known.items():
            if row.get("required") and name not in dict(given):
                yield f"query parameter {name} is missing"

    def _request_problems(self, operation: _Operation, exchange: Exchange) -> Iterable[str]:
        declared = operation.raw.get("requestBody")
        if declared is None:
            if exchange.request:
                yield "a body is sent where none is expected"
            return
        pointer, declared = self._resolved(f"{operation.pointer}/requestBody", declared)
        if not exchange.request:
            if declared.get("required"):
                yield "the body is missing"
            return
        yield from self._body_problems(pointer, declared, exchange.request_type, exchange.request, "request")

    def _response_problems(self, operation: _Operation, exchange: Exchange) -> Iterable[str]:
        responses = operation.raw["responses"]
        key = next(
            (k for k in (str(exchange.status), f"{exchange.status // 100}XX", "default") if k in responses), None
        )
        if key is None:
            yield f"status {exchange.status} is not documented"
            return
        pointer, declared = self._resolved(f"{operation.pointer}/responses/{key}", responses[key])
        if declared.get("content") and exchange.response:
            yield from self._body_problems(
                pointer, declared, exchange.response_type, exchange.response, f"answer {exchange.status}"
            )
        elif exchange.response and exchange.status < 400:
            yield f"answer {exchange.status} has a body where none is documented"

    def _body_problems(
        self, pointer: str, declared: Mapping[str, Any], kind: str, body: bytes, where: str
    ) -> Iterable[str]:
        content = declared.get("content", {})
        if kind not in content:
            yield f"{where} is {kind or 'of no type'} where {', '.join(content)} is documented"
            return
        if "json" not in kind or "schema" not in content[kind]:
            return
        try:
            value = json.loads(body)
        except ValueError:
            yield f"{where} is not JSON"
            return
        yield from self._value_problems(f"{pointer}/content/{_escape(kind)}/schema", value, where)

    def _value_problems(self, pointer: str, value: Any, where: str) -> Iterable[str]:
        if pointer not in self._validators:
            reference = {"$ref": f"{_URN}#{pointer}"}
            self._validators[pointer] = jsonschema.Draft4Validator(reference, registry=self._registry)
        for error in self._validators[pointer].iter_errors(value):
            place = "/".join("*" if isinstance(part, int) else str(part) for part in error.absolute_path)
            yield f"{where} /{place}: {error.message[:160]}"


def load_spec(name: str, *, strip: str = "") -> VendorSpec:
    """The document of that file name; skips the test where it is absent."""
    path = SPECS / name
    if not path.is_file():
        pytest.skip(f"the vendor's document {name} is not here (set DESKHAND_VENDOR_SPECS to its folder)")
    return VendorSpec(_read(path), strip=strip)


@cache
def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    """A query value in the type its schema names; a text that is none stays a text, and fails."""
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items", {})
        return [_typed(part, items) for part in text.split(",")]
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind in {"integer", "number"} and re.fullmatch(r"-?\d+", text):
        return int(text)
    return text


def _as_draft4(node: Any) -> Any:
    """OpenAPI 3.0 schemas as JSON Schema draft 4: ``nullable`` becomes a type, the rest is the same."""
    if isinstance(node, list):
        return [_as_draft4(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _as_draft4(value) for key, value in node.items()}
    if out.get("nullable") is not True:
        return out
    if isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
        if isinstance(out.get("enum"), list):
            out["enum"] = [*out["enum"], None]
        return out
    return {"anyOf": [{key: value for key, value in out.items() if key != "nullable"}, {"type": "null"}]}

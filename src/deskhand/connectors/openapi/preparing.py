"""Makes an operation of a document ready: one JSON schema of its arguments, and how each of them is sent. Pure.

A schema of somebody else's may be a trap: a reference that multiplies, a regular expression that never ends. What is
kept passes the rules of ``kit.payloads``; what a model reads, which Python's own validator looks at first, has no
regular expressions at all.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from deskhand.connectors.openapi.document import DocumentError, Found, at, resolve
from deskhand.kit.payloads.rules import check_payload_schema
from deskhand.kit.payloads.walk import SchemaFaultError

BODY = "body"
# "reason" is what a model is asked for beside the arguments where a person approves the call.
_TAKEN = frozenset({BODY, "reason"})
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
_STYLES = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
# RFC 9110 and the specification, section 4.8.12: these are not the document's to set.
# Where a request ends is for the connection to say: a document that names these could smuggle a second one behind it.
_NOT_SENT = frozenset(
    {"accept", "content-type", "authorization", "host", "content-length", "connection", "cookie", "transfer-encoding"}
    | {"te", "trailer", "upgrade", "expect", "keep-alive", "proxy-authorization", "proxy-connection"}
)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NO_SCHEMA_WORDS = frozenset(
    {"discriminator", "xml", "externalDocs", "example", "examples", "deprecated", "nullable", "$comment", "$schema"}
    | {"readOnly", "writeOnly", "id", "$id", "$anchor", "$dynamicAnchor", "default", "title", "contentMediaType"}
)
_TRAPS = frozenset({"pattern", "patternProperties", "propertyNames", "uniqueItems", "format"})
_TURNED = frozenset({"not", "if", "then", "else", "maxContains", "unevaluatedProperties", "unevaluatedItems"})
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MOST_PARTS = 20_000
MOST_LEVELS = 50
"""References behind one another: whoever judges follows them by recursion."""


def prepare(document: Mapping[str, Any], found: Found) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of an operation as a model reads them, and how it is called.

    Raises:
        DocumentError: It cannot be called; says why.
    """
    rewriter = _Rewriter(document, old=str(document["openapi"]).startswith("3.0"))
    properties: dict[str, Any] = {}
    required: list[str] = []
    parameters = []
    for parameter in _parameters(document, found):
        sent = _sent(parameter, taken=properties)
        schema = rewriter.schema(_schema_of(document, parameter))
        words = parameter.get("description")
        properties[sent["argument"]] = schema if not isinstance(words, str) else _described(schema, words)
        parameters.append(sent)
        if parameter.get("required") is True or sent["in"] == "path":
            required.append(sent["argument"])
    media = _add_body(document, found, rewriter, properties, required)
    rewriter.fill_shelf()
    schema = {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }
    if rewriter.shelf:
        schema["$defs"] = rewriter.shelf
    try:
        check_payload_schema(schema)
    except SchemaFaultError as error:
        raise DocumentError(f"has a schema that cannot be used: {error}") from error
    call = {
        "method": found.method,
        "path": found.path,
        "parameters": parameters,
        "media": media,
        "schema": schema,
    }
    return without_traps(schema), call


def without_traps(schema: Any) -> Any:
    """A schema without the words that take long to judge; what is sent is held to the whole one.

    It takes whatever the whole one takes: a model must not be refused what could have been sent.
    """
    if isinstance(schema, list):
        return [without_traps(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return _loosened(
        {
            name: {key: without_traps(one) for key, one in value.items()}
            if name in _MAPS and isinstance(value, dict)
            else value
            if name in ("enum", "const", "required")
            else without_traps(value)
            for name, value in schema.items()
            if name not in _TRAPS and not (name == "additionalProperties" and "patternProperties" in schema)
        }
    )


def _loosened(words: dict[str, Any]) -> dict[str, Any]:
    # Where a part that takes more makes the whole take less, the part may have lost the very word that it stood for.
    kept = {name: value for name, value in words.items() if name not in _TURNED}
    if (choices := kept.pop("oneOf", None)) is None:
        return kept
    if "anyOf" in kept:
        return {**kept, "allOf": [*kept.get("allOf", ()), {"anyOf": choices}]}
    return {**kept, "anyOf": choices}


def _parameters(document: Mapping[str, Any], found: Found) -> Iterator[Mapping[str, Any]]:
    """Parameters of the operation and of its path; the operation's own stand before those."""
    seen: dict[tuple[str, str], Mapping[str, Any]] = {}
    for owner in (found.item, found.operation):
        listed = owner.get("parameters")
        for written in listed if isinstance(listed, list) else ():
            parameter = resolve(document, written)
            where = parameter.get("in") if isinstance(parameter, dict) else None
            if not isinstance(where, str) or where not in _STYLES:
                raise DocumentError("has a parameter that is none")
            name = parameter.get("name")
            if not isinstance(name, str) or not name:
                raise DocumentError("has a parameter without a name")
            seen[where, name] = parameter
    for (where, name), parameter in seen.items():
        if where != "header":
            yield parameter
        elif _HEADER.fullmatch(name) is None:
            raise DocumentError("has a parameter in a header of a name that no header can have")
        elif name.lower() not in _NOT_SENT:
            yield parameter


def _sent(parameter: Mapping[str, Any], *, taken: Mapping[str, Any]) -> dict[str, Any]:
    where, name = parameter["in"], parameter["name"]
    argument = name if name not in taken and name not in _TAKEN else f"{where}_{name}"
    if argument in taken:
        raise DocumentError(f"has two parameters that would be called '{argument}'")
    style = parameter.get("style", _STYLES[where])
    if not isinstance(style, str):
        raise DocumentError(f"has a parameter '{argument[:100]}' whose style is none")
    return {
        "argument": argument,
        "name": name,
        "in": where,
        "style": style,
        "explode": parameter.get("explode", style == "form") is True,
        "reserved": parameter.get("allowReserved") is True,
        "json": isinstance(parameter.get("content"), dict),
    }


def _schema_of(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> Any:
    content = parameter.get("content")
    if isinstance(content, dict) and content:
        media, described = next(iter(content.items()))
        if not _is_json(media):
            raise DocumentError(f"has a parameter of {media}, which cannot be sent")
        inner = resolve(document, described)
        return inner.get("schema", {}) if isinstance(inner, dict) else {}
    return parameter.get("schema", {})


def _add_body(
    document: Mapping[str, Any], found: Found, rewriter: _Rewriter, properties: dict[str, Any], required: list[str]
) -> str:
    body = resolve(document, found.operation.get("requestBody"))
    content = body.get("content") if isinstance(body, dict) else None
    if not isinstance(content, dict) or not content:
        return ""
    media = next((one for one in content if _is_json(one)), FORM if FORM in content else "")
    if not media:
        raise DocumentError(
            f"takes a body of {', '.join(sorted(content))[:100]}, which cannot be sent; JSON and forms can"
        )
    described = content[media]
    properties[BODY] = rewriter.schema(described.get("schema", {}) if isinstance(described, dict) else {})
    if body.get("required") is True:
        required.append(BODY)
    return JSON if "*" in media else media


def _is_json(media: str) -> bool:
    plain = media.partition(";")[0].strip().lower()
    # It goes out as a header: a line break in it would begin another one.
    return media.isascii() and media.isprintable() and _is_of_json(plain)


def _is_of_json(plain: str) -> bool:
    return plain in (JSON, "*/*", "application/*") or plain.endswith("+json")


def _described(schema: Any, words: str) -> Any:
    if not isinstance(schema, dict) or "$ref" in schema or "description" in schema:
        return schema
    return {**schema, "description": " ".join(words.split())[:200]}


class _Rewriter:
    """Schemas of a document as schemas of draft 2020-12 in one document of their own.

    Attributes:
        shelf: What was referred to, by its new name.
    """

    def __init__(self, document: Mapping[str, Any], *, old: bool) -> None:
        self._document = document
        self._old = old
        self._names: dict[str, str] = {}
        self._left = MOST_PARTS
        self._level = 0
        self._due: deque[tuple[str, str, int]] = deque()
        self.shelf: dict[str, Any] = {}

    def schema(self, node: Any) -> Any:
        """A schema, and onto the shelf whatever it refers to."""
        # Counted, because what a reference leads to may be as large as the document.
        self._left -= 1
        if self._left < 0:
            raise DocumentError("has schemas that are too large")
        if isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            raise DocumentError("has a schema that is none")
        if isinstance(node.get("$ref"), str):
            reference = {"$ref": f"#/$defs/{self._shelve(node['$ref'])}"}
            # In 3.0 whatever stands beside a reference is ignored.
            return reference if self._old else {**self._words(node), **reference}
        return self._words(node)

    def _shelve(self, reference: str) -> str:
        name = self._names.get(reference)
        if name is None:
            name = self._names[reference] = f"s{len(self._names) + 1}"
            # Named before it is read, and read later: one that leads back to itself finds its name, and a chain of
            # thousands does not become a recursion as deep.
            self._due.append((name, reference, self._level + 1))
        return name

    def fill_shelf(self) -> None:
        """Read whatever was referred to."""
        while self._due:
            name, reference, self._level = self._due.popleft()
            if self._level > MOST_LEVELS:
                raise DocumentError(f"has schemas that refer to one another more than {MOST_LEVELS} deep")
            self.shelf[name] = self.schema(at(self._document, reference))

    def _words(self, node: Mapping[str, Any]) -> dict[str, Any]:
        words = {name: self._word(name, value) for name, value in node.items() if _is_kept(name)}
        if isinstance(words.get("description"), str):
            words["description"] = " ".join(words["description"].split())[:200]
        self._leave_read_only(node, words)
        return _modern(words, nullable=node.get("nullable") is True) if self._old else words

    def _word(self, name: str, value: Any) -> Any:
        if name in _MAPS and isinstance(value, dict):
            return {key: self.schema(one) for key, one in value.items()}
        if name in _LISTS and isinstance(value, list):
            return [self.schema(one) for one in value]
        if name in ("items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames"):
            return self.schema(value)
        return value

    def _leave_read_only(self, node: Mapping[str, Any], words: dict[str, Any]) -> None:
        """What the other side alone fills in is not asked of a caller."""
        properties, required = node.get("properties"), node.get("required")
        if not isinstance(properties, dict):
            return
        theirs = [name for name, one in properties.items() if isinstance(one, dict) and one.get("readOnly") is True]
        for name in theirs:
            words["properties"].pop(name, None)
        if isinstance(required, list):
            words["required"] = [name for name in required if name not in theirs]


def _is_kept(name: str) -> bool:
    return name not in _NO_SCHEMA_WORDS and not name.startswith("x-") and name != "$ref"


def _modern(words: dict[str, Any], *, nullable: bool) -> dict[str, Any]:
    """A schema of OpenAPI 3.0, whose words of draft 4 are those of today."""
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if words.pop(exclusive, None) is True and limit in words:
            words[exclusive] = words.pop(limit)
    if not nullable:
        return words
    if isinstance(words.get("type"), str):
        words["type"] = [words["type"], "null"]
    if isinstance(words.get("enum"), list) and None not in words["enum"]:
        words["enum"] = [*words["enum"], None]
    return words

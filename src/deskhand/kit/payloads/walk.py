"""The parts of a JSON schema that are schemas, and what each leads to. Pure.

What stands under ``enum``, ``const``, ``default`` or an unknown word is data: a reference there refers to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from deskhand.kit.pointer import pointer

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS = ("$anchor", "$dynamicAnchor")
_ONE = {
    **dict.fromkeys(("not", "if", "then", "else"), True),
    **dict.fromkeys(("additionalItems", "items", "contains", "additionalProperties", "propertyNames"), False),
    **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties"), False),
}
_LISTS = {"allOf": True, "anyOf": True, "oneOf": True, "prefixItems": False, "items": False}
_MAPS = {"dependentSchemas": True, "dependencies": True, "properties": False, "patternProperties": False}
"""Words whose values are schemas, and whether these judge the very value that their parent judges."""
_SHELVES = ("$defs", "definitions")
_REPEATED = re.compile(r"\{(\d+)(?:,(\d*))?\}")

Path = tuple[str, ...]


class SchemaFaultError(ValueError):
    """What is wrong with a schema, and where in it."""

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(f"at {pointer(path) or 'its root'}: {sentence}" if path else sentence)


@dataclass(slots=True)
class Part:
    """One schema inside a schema.

    Attributes:
        path: Where it stands.
        weight: How much work its own words are for one value.
        unique: Whether it compares items with one another.
        again: How often it judges by its parts: twice where it asks what they have not looked at.
        patterns: Regular expressions in it, each with its place.
        here: Paths of the parts that judge the same value again, references among them.
        below: Paths of the parts that judge values inside the value.
    """

    path: Path
    weight: int = 1
    unique: bool = False
    again: int = 1
    patterns: list[tuple[Path, str]] = field(default_factory=list)
    here: list[Path] = field(default_factory=list)
    below: list[Path] = field(default_factory=list)


def walk(schema: dict[str, Any], *, old: bool) -> dict[Path, Part]:
    """Every schema in a schema, by its path.

    Args:
        schema: The whole document.
        old: Whether it is of a draft in which a reference's neighbours are ignored (4, 6, 7).

    Raises:
        SchemaFaultError: A reference leads out of the document or to nothing, or a part has an identity of its own.
    """
    anchors: dict[str, Path] = {}
    pending: list[tuple[Path, Any]] = [((), schema)]
    parts: dict[Path, Part] = {}
    bound: list[tuple[Part, str, str]] = []
    while pending:
        path, node = pending.pop()
        if path in parts or not isinstance(node, dict | bool):
            continue
        part = parts[path] = Part(path)
        if isinstance(node, bool):
            continue
        _refuse_identity(path, node, schema)
        names = (node[word] for word in _ANCHORS if isinstance(node.get(word), str))
        anchors.update(dict.fromkeys(names, path))
        found = [word for word in REFERENCES if isinstance(node.get(word), str)]
        bound.extend((part, word, node[word]) for word in found)
        pending.extend(_shelved(path, node))
        # Drafts 4 to 7 ignore what stands beside a $ref, and so does the validator; to weigh it would refuse good
        # schemas.
        if not (old and "$ref" in found):
            _weigh(part, node)
            children = [*_children(path, node)]
            pending.extend((place, child) for place, child, _ in children)
            part.here.extend(place for place, child, same in children if same and isinstance(child, dict))
            part.below.extend(place for place, child, same in children if not same and isinstance(child, dict))
        # References are followed last: an anchor may stand anywhere in the document, so all of them must be known
        # first.
        if not pending:
            pending.extend(_followed(schema, bound, anchors))
            bound.clear()
    return parts


def _refuse_identity(path: Path, node: dict[str, Any], schema: dict[str, Any]) -> None:
    for word in ("$id", "id"):
        if path and isinstance(node.get(word), str):
            raise SchemaFaultError((*path, word), "only the whole schema may have an id; refer to parts by their place")
    if path and node.get("$schema", schema.get("$schema")) != schema.get("$schema"):
        raise SchemaFaultError((*path, "$schema"), "a part is of the draft of the whole schema")


def _shelved(path: Path, node: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for word in _SHELVES:
        shelf = node.get(word)
        if isinstance(shelf, dict):
            yield from (((*path, word, name), child) for name, child in shelf.items())


def _children(path: Path, node: dict[str, Any]) -> Iterator[tuple[Path, Any, bool]]:
    for word, value in node.items():
        if word in _ONE and isinstance(value, dict | bool):
            yield (*path, word), value, _ONE[word]
        elif word in _LISTS and isinstance(value, list):
            yield from (((*path, word, str(at)), child, _LISTS[word]) for at, child in enumerate(value))
        elif word in _MAPS and isinstance(value, dict):
            yield from (((*path, word, name), child, _MAPS[word]) for name, child in value.items())


def _weigh(part: Part, node: dict[str, Any]) -> None:
    part.weight = 1 + len(node)
    for word in ("enum", "required"):
        value = node.get(word)
        part.weight += len(value) if isinstance(value, list) else 0
    part.unique = node.get("uniqueItems") is True
    part.again = 2 if "unevaluatedItems" in node or "unevaluatedProperties" in node else 1
    if isinstance(node.get("pattern"), str):
        part.patterns.append(((*part.path, "pattern"), node["pattern"]))
    named = node.get("patternProperties")
    if isinstance(named, dict):
        part.patterns.extend(((*part.path, "patternProperties", text), text) for text in named)
    part.weight += sum(_pattern_weight(text) for _, text in part.patterns)


def _pattern_weight(text: str) -> int:
    weight = 1 + len(text)
    for low, high in _REPEATED.findall(text):
        # The automaton of a{1000} has a thousand states; nested repetitions multiply.
        weight *= max(1, int(high or low))
    return weight


def _followed(
    schema: dict[str, Any], bound: list[tuple[Part, str, str]], anchors: dict[str, Path]
) -> Iterator[tuple[Path, Any]]:
    for part, word, reference in bound:
        path = (*part.path, word)
        if not reference.startswith("#"):
            raise SchemaFaultError(
                path, "must not refer to other documents; only references within it (#...) are followed"
            )
        name = unquote(reference[1:])
        target = _steps(name) if not name or name.startswith("/") else anchors.get(name)
        node = None if target is None else _at(schema, target)
        if target is None or not isinstance(node, dict | bool):
            raise SchemaFaultError(path, "refers to a part that is not there, or is no schema")
        part.here.append(target)
        yield target, node


def _steps(name: str) -> Path:
    # In this order (RFC 6901): "~01" means "~1" and not a slash.
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in name.split("/")[1:])


def _at(schema: Any, path: Path) -> Any:
    for step in path:
        if isinstance(schema, dict):
            schema = schema.get(step)
        elif isinstance(schema, list) and step.isdecimal() and str(int(step)) == step and int(step) < len(schema):
            schema = schema[int(step)]
        else:
            return None
    return schema

"""What a ``payload_schema`` may be: checked when it is saved, in time that grows with its size only. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from jsonschema_rs import RegexOptions, ValidationError

from deskhand.kit.payloads.walk import Part, Path, SchemaFaultError, walk

MAX_BYTES = 64 * 1024
MAX_DEPTH = 64
MAX_NODES = 5_000
MAX_PATTERNS = 30
MAX_EXPANSION = 5_000
"""How many schemas may judge one value when every reference is written out in its place."""
PATTERN_BYTES = 256 * 1024
"""Of one compiled regular expression."""

_PATTERNS = RegexOptions(size_limit=PATTERN_BYTES)
_MASK = "the value"
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class _Draft:
    make: Callable[..., Any]
    old: bool


_BASE = "json-schema.org/"
_DRAFTS = {
    f"{_BASE}draft-04/schema": _Draft(jsonschema_rs.Draft4Validator, old=True),
    f"{_BASE}draft-06/schema": _Draft(jsonschema_rs.Draft6Validator, old=True),
    f"{_BASE}draft-07/schema": _Draft(jsonschema_rs.Draft7Validator, old=True),
    f"{_BASE}draft/2019-09/schema": _Draft(jsonschema_rs.Draft201909Validator, old=False),
    f"{_BASE}draft/2020-12/schema": _Draft(jsonschema_rs.Draft202012Validator, old=False),
}
_DEFAULT = f"{_BASE}draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A schema that events can be held to.

    Attributes:
        validator: Of its draft, with regular expressions that run in linear time.
        weight: How much work one value can be; infinite where parts lead back to themselves.
        unique: Whether items are compared with one another.
    """

    validator: Any
    weight: float
    unique: bool


def compiled(schema: dict[str, Any]) -> Compiled:
    """Make a schema ready, or say why events cannot be held to it.

    Raises:
        SchemaFaultError: In words, with the JSON pointer of the part at fault.
    """
    # First, and by a loop: the walks below may take time that grows with what this bounds.
    _bound(schema)
    draft = _draft(schema)
    parts = walk(schema, old=draft.old)
    patterns = [pattern for part in parts.values() for pattern in part.patterns]
    if len(patterns) > MAX_PATTERNS:
        raise SchemaFaultError(patterns[MAX_PATTERNS][0], f"has more than {MAX_PATTERNS} regular expressions")
    _expansion(parts)
    try:
        # offline: a reference to an address must never make the API fetch it. mask: messages must not repeat a
        # customer's words.
        validator = draft.make(schema, pattern_options=_PATTERNS, validate_formats=False, mask=_MASK, offline=True)
    except ValidationError as error:
        _name_pattern(patterns)
        raise SchemaFaultError(
            tuple(map(str, error.instance_path)), f"is not a JSON schema: {shortened(error.message)}"
        ) from error
    except ValueError as error:
        raise SchemaFaultError((), f"is not a JSON schema: {shortened(str(error))}") from error
    return Compiled(validator, _weight(parts), any(part.unique for part in parts.values()))


def check_payload_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema if events can be held to it.

    Raises:
        SchemaFaultError: They cannot.
    """
    compiled(schema)
    return schema


def shortened(text: str) -> str:
    """Of a sentence as much as an answer shows."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " …"


def _bound(schema: dict[str, Any]) -> None:
    pending: list[tuple[Any, int]] = [(schema, 1)]
    nodes = 0
    while pending:
        node, depth = pending.pop()
        nodes += 1
        if nodes > MAX_NODES:
            raise SchemaFaultError((), f"has more than {MAX_NODES:,} values")
        if depth > MAX_DEPTH:
            raise SchemaFaultError((), f"is nested more than {MAX_DEPTH} levels")
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        pending.extend((child, depth + 1) for child in children)
    if len(json.dumps(schema, ensure_ascii=False).encode(errors="replace")) > MAX_BYTES:
        raise SchemaFaultError((), f"is larger than {MAX_BYTES // 1024} KiB")


def _draft(schema: dict[str, Any]) -> _Draft:
    declared = schema.get("$schema", "https://" + _DEFAULT)
    name = str(declared).removeprefix("https://").removeprefix("http://").removesuffix("#")
    if name not in _DRAFTS:
        raise SchemaFaultError(
            ("$schema",), "names no draft that is understood here: 4, 6, 7, 2019-09 or 2020-12 (where there is none)"
        )
    return _DRAFTS[name]


def _name_pattern(patterns: list[tuple[Path, str]]) -> None:
    """Say which regular expression is at fault, if one is."""
    for path, text in patterns:
        try:
            jsonschema_rs.Draft202012Validator({"pattern": text}, pattern_options=_PATTERNS, offline=True)
        except ValueError as error:
            raise SchemaFaultError(
                path,
                "is no regular expression that runs in linear time: look-around, back-references and very large"
                " repetitions (maxLength bounds a length) cannot be used",
            ) from error


def _expansion(parts: dict[Path, Part]) -> None:
    """Refuse references that lead back to themselves without going into the value, and those that multiply."""
    sizes: dict[Path, int] = {}
    # Parts that are met after what they lead to: each is computed once, however often others refer to it.
    for path in _in_order(parts, lambda part: part.here, refuse=True):
        sizes[path] = 1 + parts[path].again * sum(sizes[target] for target in parts[path].here)
        if sizes[path] > MAX_EXPANSION:
            raise SchemaFaultError(path, f"references multiply to more than {MAX_EXPANSION:,} schemas for one value")


def _weight(parts: dict[Path, Part]) -> float:
    weights: dict[Path, float] = {}
    for path in _in_order(parts, lambda part: [*part.here, *part.below], refuse=False):
        part = parts[path]
        # A part that is not computed yet leads back to itself; its work grows with the event, so nothing of it is
        # light.
        below = (weights.get(target, math.inf) for target in (*part.here, *part.below))
        weights[path] = part.weight + part.again * sum(below)
    return weights[()]


def _in_order(parts: dict[Path, Part], targets: Callable[[Part], list[Path]], *, refuse: bool) -> list[Path]:
    """Paths so that each comes after what it leads to, as far as nothing leads back to itself."""
    finished: dict[Path, bool] = {}
    order: list[Path] = []
    stack = [*parts]
    while stack:
        path = stack[-1]
        if path not in finished:
            # By a stack of its own: a chain of a thousand references would end Python's recursion.
            finished[path] = False
            ahead = targets(parts[path])
            if refuse and any(finished.get(target) is False for target in ahead):
                raise SchemaFaultError(path, "leads back to itself without going into the value, and would never end")
            stack.extend(target for target in ahead if target not in finished)
            continue
        stack.pop()
        if not finished[path]:
            finished[path] = True
            order.append(path)
    return order

"""What an MCP server says it can do, made fit to be shown, granted and held to. Pure.

Every word of it is a stranger's. An administrator reads what the model will read, character for character; whatever
cannot be read so is refused, and whatever changes later has another digest.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from mcp.types import Tool, ToolAnnotations

from deskhand.connectors.values import OPERATION_NAME, SourceOperation
from deskhand.kit.payloads.rules import check_payload_schema
from deskhand.kit.payloads.walk import SchemaFaultError

DESCRIPTION_CHARACTERS = 1_000
SCHEMA_CHARACTERS = 20_000
"""Of one tool's schema as a model reads it, at every call."""
_PART_CHARACTERS = 500
_CUT = " … (cut)"
_SUFFIX = 6
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_WHITE = "\n\r\t"
# Of no use to a model, or of no use to it any more: patterns are judged by ours, whose regular expressions run in
# linear time, and Python's, which the loop would use, do not.
_LEFT_OUT = frozenset({"$schema", "$id", "$comment", "examples", "pattern", "patternProperties", "format"})
_MAPS = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"enum", "const", "default", "required"})


def operations_from(tools: Sequence[Tool]) -> list[SourceOperation]:
    """The tools of a server as operations, each switched off; what cannot be used says why in ``fault``."""
    # By the name that is granted: whoever knows how names are put into letters can list one that becomes another's, and
    # the tool that somebody read would not be the one that is called.
    alike: dict[str, list[Tool]] = {}
    for tool in tools:
        alike.setdefault(_granted_name(tool.name), []).append(tool)
    return [_operation(name, same[-1], doubled=len(same) > 1) for name, same in alike.items()]


def digest_of(tool: Tool) -> str:
    """Names what a server says of a tool: another one as soon as a word of it changes, seen or unseen."""
    said = tool.model_dump(
        mode="json",
        by_alias=True,
        exclude_none=True,
        include={"name", "title", "description", "input_schema", "output_schema", "annotations"},
    )
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def visible(text: str) -> str:
    """The text without characters that a person does not see and a model reads."""
    return "".join(char for char in text if char in _WHITE or unicodedata.category(char)[0] != "C")


def one_line(text: str, characters: int) -> str:
    """Visible, on one line, and not longer than that."""
    line = " ".join(visible(text).split())
    return line if len(line) <= characters else line[: characters - len(_CUT)] + _CUT


def _operation(name: str, tool: Tool, *, doubled: bool) -> SourceOperation:
    schema, fault = _schema_of(tool)
    if doubled:
        fault = "the server lists two tools of this name"
    annotations = tool.annotations or ToolAnnotations()
    return SourceOperation(
        name=name,
        description=one_line(tool.description or tool.title or tool.name, DESCRIPTION_CHARACTERS),
        # Until the tenant says otherwise: the server's own word is a hint, and a read is granted more lightly.
        is_write=True,
        hint=_hint(annotations),
        arguments=schema,
        call={
            "tool": tool.name,
            "digest": digest_of(tool),
            "schema": {} if fault else tool.input_schema,
            "fault": fault,
        },
    )


def _granted_name(name: str) -> str:
    """The tool's name in the letters that model vendors take, and as many of them."""
    plain = _FOREIGN.sub("_", name)
    if plain == name and 0 < len(name) <= OPERATION_NAME:
        return name
    # Of the whole name, so that two that differ in what is left out stay two.
    suffix = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:_SUFFIX]
    return f"{plain[: OPERATION_NAME - _SUFFIX - 1]}_{suffix}"


def _hint(annotations: ToolAnnotations) -> str:
    if annotations.read_only_hint:
        return "read"
    words = ["write"] if annotations.read_only_hint is False else []
    words += ["destructive"] if annotations.destructive_hint else []
    words += ["idempotent"] if annotations.idempotent_hint else []
    return ", ".join(words)


def _schema_of(tool: Tool) -> tuple[Mapping[str, Any], str]:
    """The schema as a model reads it, and why the tool cannot be used, if it cannot."""
    try:
        check_payload_schema(tool.input_schema)
        # What the check has bounded may be walked by recursion.
        shown = _shown(tool.input_schema, at=())
    except SchemaFaultError as error:
        return {"type": "object"}, f"its input schema cannot be used: {error}"
    if shown.get("type") != "object":
        return {"type": "object"}, "its input schema is not that of an object"
    characters = len(json.dumps(shown, ensure_ascii=False))
    if characters > SCHEMA_CHARACTERS:
        return {"type": "object"}, f"its input schema has {characters:,} characters; {SCHEMA_CHARACTERS:,} are the most"
    return shown, ""


def _shown(schema: Mapping[str, Any], *, at: tuple[str, ...]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for word, value in schema.items():
        place = (*at, _plain(word, at))
        if word in _LEFT_OUT:
            continue
        if word in ("description", "title") and isinstance(value, str):
            shown[word] = one_line(value, _PART_CHARACTERS)
        elif word in _MAPS and isinstance(value, dict):
            shown[word] = {_plain(name, place): _part(one, (*place, name)) for name, one in value.items()}
        elif word in _DATA:
            shown[word] = _data(value, place)
        else:
            shown[word] = _part(value, place)
    return shown


def _part(value: Any, at: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return _shown(value, at=at)
    if isinstance(value, list):
        return [_part(one, at) for one in value]
    return _data(value, at)


def _data(value: Any, at: tuple[str, ...]) -> Any:
    """A value that is sent back to the server as it is, so nothing of it may be mended."""
    if isinstance(value, dict):
        return {_plain(name, at): _data(one, at) for name, one in value.items()}
    if isinstance(value, list):
        return [_data(one, at) for one in value]
    return _plain(value, at) if isinstance(value, str) else value


def _plain(text: str, at: tuple[str, ...]) -> str:
    if visible(text) != text:
        raise SchemaFaultError(at, "has characters that nobody can see")
    return text

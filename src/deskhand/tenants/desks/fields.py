"""The form of a desk's connection, drawn from the schema that its plugin brings, and what was typed into it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from deskhand.errors import DeskhandError
from deskhand.plugins.contract import TicketingToolPlugin
from deskhand.plugins.registry import describe
from deskhand.tenants.fields import TOOL_FIELDS

Kind = Literal["text", "secret", "number", "flag", "choice", "lines", "pairs"]
Group = Literal["needed", "account", "further"]

_KINDS: Mapping[str, Kind] = {
    "boolean": "flag",
    "integer": "number",
    "number": "number",
    "array": "lines",
    "object": "pairs",
}
_ACCOUNT = ("auth", "dialect", "email", "username", "client_id", "user_id", "account_id", "cloud_id")
"""Endings of what says who signs in, and how: no schema can demand it, because it depends on another field."""
_WRITTEN = {"url": "URL", "api": "API", "id": "ID"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskField:
    """One field of the form.

    Attributes:
        name: As the plugin calls it.
        default: What counts where nothing is typed, as it would be typed.
        choices: Of ``choice``: the words there are.
        is_kept: Whether an empty box leaves what is stored; such a value is never shown.
    """

    name: str
    label: str
    help: str
    kind: Kind
    group: Group
    is_required: bool
    is_kept: bool
    default: str = ""
    choices: tuple[str, ...] = ()

    def written(self, value: Any) -> str:
        """A stored value as it would be typed."""
        if self.kind == "flag":
            return "true" if value else "false"
        if isinstance(value, list | tuple):
            return "\n".join(str(one) for one in value)
        if isinstance(value, dict):
            return "\n".join(f"{key} = {one}" for key, one in value.items())
        return str(value)

    def read(self, typed: str) -> Any:
        """What was typed as the plugin's model takes it; None where that is nothing, or what counts anyway."""
        # Of a secret every character counts, blanks at its ends too.
        text = typed if self.kind == "secret" else "\n".join(line.strip() for line in typed.splitlines()).strip()
        if not text or (text == self.default and not self.is_required):
            return None
        if self.kind == "flag":
            return text == "true"
        lines = [line for line in text.splitlines() if line]
        if self.kind == "lines":
            return lines
        if self.kind == "pairs":
            return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
        # What is no number goes on as it is, and the plugin's model says so.
        return int(text) if self.kind == "number" and text.isascii() and text.isdecimal() and len(text) < 20 else text


@dataclass(frozen=True, slots=True)
class TypedConnection:
    """What somebody typed: values by name, and the fields whose boxes were left empty to keep what is stored."""

    values: Mapping[str, Any] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()


def fields_of(plugin: type[TicketingToolPlugin]) -> list[DeskField]:
    """Every field of a desk's connection, in the order of its schema."""
    schema = describe(plugin)["config_schema"]
    properties: Mapping[str, Any] = schema["properties"]
    prefix = _shared_prefix(list(properties))
    # Of a plugin from outside nobody knows which of its values is secret: what is stored is kept, and not shown.
    is_ours = plugin.manifest.tool_type in TOOL_FIELDS
    drawn = []
    for name, described in properties.items():
        shape = _shape(described, schema.get("$defs", {}))
        is_required = name in schema.get("required", ())
        kind = _kind(shape)
        one = DeskField(
            name=name,
            label=_label(name.removeprefix(prefix)),
            help=described.get("description", ""),
            kind=kind,
            group=_group(name, kind, is_required=is_required),
            is_required=is_required,
            is_kept=kind == "secret" or not is_ours,
            choices=tuple(str(choice) for choice in shape.get("enum", ())),
        )
        default = described.get("default")
        drawn.append(one if default is None else replace(one, default=one.written(default)))
    return drawn


def read_form(fields: list[DeskField], typed: Mapping[str, str]) -> TypedConnection:
    """What the form brought, by the names of its fields."""
    values = {one.name: value for one in fields if (value := one.read(typed.get(one.name, ""))) is not None}
    kept = frozenset(one.name for one in fields if one.is_kept and not typed.get(one.name, ""))
    return TypedConnection(values, kept)


def faults_by_field(fields: list[DeskField], error: DeskhandError | None) -> dict[str, str]:
    """What is wrong with which field, as far as the error says it of one."""
    names = {one.name for one in fields}
    found: dict[str, str] = {}
    for fault in error.errors if error else ():
        for part in fault.pointer.split("/"):
            if part in names:
                found.setdefault(part, fault.detail)
    return found


def _shape(described: Mapping[str, Any], shapes: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a value looks like, without "or nothing" and without references."""
    for one in (described, *described.get("anyOf", ()), *described.get("allOf", ())):
        if reference := one.get("$ref"):
            shape: Mapping[str, Any] = shapes[reference.rpartition("/")[2]]
            return shape
        if one.get("type", "null") != "null":
            return dict(one)
    return described


def _kind(shape: Mapping[str, Any]) -> Kind:
    if shape.get("writeOnly") or shape.get("format") == "password":
        return "secret"
    return "choice" if "enum" in shape else _KINDS.get(str(shape.get("type")), "text")


def _group(name: str, kind: Kind, *, is_required: bool) -> Group:
    if is_required:
        return "needed"
    return "account" if kind == "secret" or name.endswith(_ACCOUNT) else "further"


def _shared_prefix(names: list[str]) -> str:
    first = names[0].partition("_")[0] + "_" if names else ""
    return first if len(names) > 1 and all(name.startswith(first) for name in names) else ""


def _label(name: str) -> str:
    words = [_WRITTEN.get(word, word) for word in name.split("_")]
    words[0] = words[0][:1].upper() + words[0][1:]
    return " ".join(words)

"""Values in the form each field wants, by the ticket's own edit metadata; pure.

``editmeta`` says per ticket which fields the screen has, of which type, and which values they accept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deskhand.kit.times import read_number
from deskhand.plugins.errors import DeskValidationError
from deskhand.plugins.jira.adf_write import markdown_to_adf
from deskhand.plugins.jira.mapping import SUMMARY_LIMIT
from deskhand.plugins.jira.mapping import plain as plain_value
from deskhand.plugins.text import truncate

_TEXTAREA = "com.atlassian.jira.plugin.system.customfieldtypes:textarea"
_CASCADING = "option-with-child"
_LEVEL_SIGN = re.compile(r">|→|::|\s[/-]\s")
_BY_VALUE = {"option"}
_BY_NAME = {"component", "version", "group", "priority", "resolution", "issuetype", "securitylevel"}

Meta = Mapping[str, Any]


def field_id(name: str, editmeta: Meta) -> str:
    """Id of a field given by id or by the name people see."""
    if name in editmeta:
        return name
    wanted = name.casefold()
    return next((key for key, meta in editmeta.items() if str(meta.get("name")).casefold() == wanted), name)


def encoded(plain: Mapping[str, Any], editmeta: Meta) -> dict[str, Any]:
    """``fields`` of a write, from names and values as people write them."""
    named = {field_id(name, editmeta): value for name, value in plain.items()}
    fields = {name: encode(name, value, editmeta) for name, value in named.items()}
    if isinstance(fields.get("priority"), str):  # not on the screen: let Jira say so in its own words
        fields["priority"] = {"name": fields["priority"]}
    return fields


def summary(subject: str) -> str:
    """A summary: one line, within the vendor's limit."""
    return truncate(" ".join(subject.split()), SUMMARY_LIMIT)


def encode(field: str, value: Any, editmeta: Meta) -> Any:
    """A value for ``fields``.

    Plain words become what the field's type wants; structured values and fields that the screen does not
    show are passed on as they are, so that Jira itself says what is wrong.

    Raises:
        DeskValidationError: The field lists its values and this is none of them.
    """
    meta = editmeta.get(field)
    if meta is None or value is None or isinstance(value, Mapping):
        return value
    schema = meta.get("schema") or {}
    kind = str(schema.get("type"))
    if kind == "array":
        values = value if isinstance(value, (list, tuple)) else [value]
        return [_single(field, item, str(schema.get("items")), meta) for item in values]
    if kind == _CASCADING:
        return _cascading(field, value, meta)
    # API v3 takes rich text as ADF alone, and refuses a plain text in these fields.
    if schema.get("custom") == _TEXTAREA or schema.get("system") in {"description", "environment"}:
        return markdown_to_adf(str(value))
    return _single(field, value, kind, meta)


def _single(field: str, value: Any, kind: str, meta: Meta) -> Any:
    if isinstance(value, Mapping):
        return value
    allowed = meta.get("allowedValues")
    # By id where the screen lists the values: names are translated for the account's language.
    if isinstance(allowed, list) and allowed and isinstance(allowed[0], Mapping) and kind in _BY_VALUE | _BY_NAME:
        return {"id": str(allowed_value(field, str(value), allowed)["id"])}
    if kind in _BY_VALUE:
        return {"value": str(value)}
    if kind in _BY_NAME:
        return {"name": str(value)}
    if kind == "user":
        return {"accountId": str(value)}
    return _number(field, value) if kind == "number" else value


def _number(field: str, value: Any) -> int | float:
    """A number; Jira refuses one that is written as text."""
    number = read_number(value)
    if number is None:
        raise DeskValidationError(f"'{value}' is not a number, and {field} takes nothing else.", fields=(field,))
    return int(number) if number.is_integer() else number


def _cascading(field: str, value: Any, meta: Meta) -> dict[str, Any]:
    """A cascading select: both levels as options. They come as a pair, or as one text with a sign between them."""
    allowed = [row for row in meta.get("allowedValues") or () if isinstance(row, Mapping)]
    if isinstance(value, (list, tuple)):
        levels = [str(level) for level in value[:2]]
    else:
        levels = _split(str(value), [str(plain_value(row)) for row in allowed])
    if not allowed:
        named = [{"value": level} for level in levels]
        return {**named[0], "child": named[1]} if len(named) > 1 else named[0]
    parent = allowed_value(field, levels[0], allowed)
    if len(levels) == 1:
        return {"id": str(parent["id"])}
    children = [row for row in parent.get("children") or () if isinstance(row, Mapping)]
    return {"id": str(parent["id"]), "child": {"id": str(allowed_value(field, levels[1], children)["id"])}}


def _split(text: str, parents: list[str]) -> list[str]:
    """The levels in a text; a name that has such a sign in itself is not taken apart."""
    if text.casefold() in {name.casefold() for name in parents}:
        return [text]
    return [level.strip() for level in _LEVEL_SIGN.split(text, maxsplit=1)]


def allowed_value(field: str, wanted: str, allowed: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The allowed value of this name or id.

    Raises:
        DeskValidationError: There is none; the message lists what there is.
    """
    names = {str(plain_value(row)): row for row in allowed}
    for name, row in names.items():
        if wanted.casefold() == name.casefold() or wanted == str(row.get("id")):
            return row
    listed = truncate(", ".join(names), 300)
    raise DeskValidationError(f"'{wanted}' is not a value of {field}; it accepts: {listed}.", fields=(field,))


def label(text: str) -> str:
    """A label; they hold no blanks."""
    return "-".join(text.split())[:255]


def already_set(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """True if a ticket already has every one of these values."""
    return all(_same(current.get(name), value) for name, value in wanted.items())


def _same(current: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        rows = current if isinstance(current, list) else []
        return len(rows) == len(wanted) and all(any(_same(row, item) for row in rows) for item in wanted)
    if isinstance(wanted, Mapping):
        return isinstance(current, Mapping) and all(_same(current.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, str) and isinstance(current, str):
        return current == wanted
    return bool(current == wanted)

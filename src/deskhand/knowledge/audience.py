"""Whom an article is for: everybody, the house, or groups of people; read from what desks say of their pages. Pure.

What a desk does not say is unknown, and what is unknown is internal. Of each vendor, what its export or API calls it:
a Zendesk article without a user segment is everybody's; of ServiceNow and Confluence a page alone never says that it is
public, since the knowledge base or the space around it may be closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from deskhand.kit.storable import storable_text
from deskhand.kit.words import folded

MOST_GROUPS = 50
_NAME = 100


class Audience(StrEnum):
    """Who may read an article."""

    PUBLIC = "public"
    INTERNAL = "internal"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Said:
    """What a source says of an article's audience.

    Attributes:
        audience: None where it says nothing.
        groups: Names or ids of those who may read it, where they are a few.
    """

    audience: Audience | None = None
    groups: tuple[str, ...] = ()


def with_audience(values: Mapping[str, Any], stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """An article that an import brings, for whom it is: a person's choice stays, and what nobody says is internal.

    Args:
        values: With ``audience`` None where its source says nothing.
        stored: The same article as it is, with ``audience_chosen``.
    """
    if stored is not None and (stored["audience_chosen"] or values["audience"] is None):
        return {**values, "audience": stored["audience"], "audience_groups": stored["audience_groups"]}
    return {**values, "audience": str(values["audience"] or Audience.INTERNAL)}


def is_hidden(values: Mapping[str, Any]) -> bool:
    """Whether nothing is made of an article's text: nobody finds it."""
    return values.get("audience") == Audience.RESTRICTED


_WORDS = {
    **dict.fromkeys(("public", "everyone", "everybody", "anyone", "external", "all users"), Audience.PUBLIC),
    **dict.fromkeys(("internal", "agents", "staff", "technicians", "private"), Audience.INTERNAL),
    "restricted": Audience.RESTRICTED,
}


def said_audience(row: Mapping[str, Any]) -> Said:
    """The audience of an article, by its row of an export or by a desk's answer."""
    for read in (_own_word, _zendesk, _servicenow, _confluence, _servicedesk_plus):
        said = read(row)
        if said.audience is not None:
            return said
    return Said()


def _own_word(row: Mapping[str, Any]) -> Said:
    groups = _names(row.get("audience_groups"))
    word = row.get("audience")
    plain = folded(word) if isinstance(word, str) else ""
    if not plain:
        return Said(Audience.RESTRICTED, groups) if groups else Said()
    known = _WORDS.get(plain)
    if known is None:
        # Whatever else stands there names people.
        return Said(Audience.RESTRICTED, groups or _names(word))
    return Said(known, groups if known is Audience.RESTRICTED else ())


def _zendesk(row: Mapping[str, Any]) -> Said:
    if "user_segment_id" not in row:
        return Said()
    segment = row["user_segment_id"]
    # A draft is nobody's yet but its writers'.
    if row.get("draft") is True:
        return Said(Audience.INTERNAL)
    if segment is None and not row.get("user_segment_ids"):
        return Said(Audience.PUBLIC)
    # An empty cell of a table is no null of the API: it may as well be a column that was not exported.
    groups = _names(row.get("user_segment_ids") or segment)
    return Said(Audience.RESTRICTED, tuple(f"user segment {one}" for one in groups)) if groups else Said()


def _servicenow(row: Mapping[str, Any]) -> Said:
    groups = (*_names(row.get("can_read_user_criteria")), *_names(row.get("cannot_read_user_criteria")))
    return Said(Audience.RESTRICTED, groups[:MOST_GROUPS]) if groups else Said()


def _confluence(row: Mapping[str, Any]) -> Said:
    read = _member(row.get("restrictions"), "read")
    allowed = _member(read, "restrictions")
    groups = [name for kind in ("group", "user") for one in _results(_member(allowed, kind)) for name in _names(one)]
    return Said(Audience.RESTRICTED, tuple(groups[:MOST_GROUPS])) if groups else Said()


def _servicedesk_plus(row: Mapping[str, Any]) -> Said:
    if not isinstance(row.get("is_public"), bool):
        return Said()
    if groups := _names(row.get("user_groups")):
        return Said(Audience.RESTRICTED, groups)
    return Said(Audience.PUBLIC if row["is_public"] else Audience.INTERNAL)


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _results(value: Any) -> Iterable[Any]:
    found = _member(value, "results")
    return found if isinstance(found, list) else ()


def _names(value: Any) -> tuple[str, ...]:
    """Names of people or groups in whatever form they are given."""
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("name", "displayName", "display_value", "id") if value.get(key)), None)
    if isinstance(value, str):
        parts: Iterable[Any] = value.replace(";", ",").split(",")
    elif isinstance(value, list | tuple):
        parts = [name for one in value[:MOST_GROUPS] for name in _names(one)]
    else:
        parts = () if value is None or isinstance(value, bool) else (value,)
    names = (" ".join(storable_text(str(part)).split())[:_NAME] for part in parts)
    return tuple(dict.fromkeys(name for name in names if name))[:MOST_GROUPS]


__all__ = ["Audience", "Said", "is_hidden", "said_audience", "with_audience"]

"""What is known of a ticket that a tenant's rule may ask, how much of it, and the conditions that ask it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from deskhand.kit.schema import InputModel

MOST_VALUES = 200
CONDITIONS = ("desk", "company", "group", "category", "form", "tags", "words", "requester", "custom", "vip")
_ID = re.compile(r"[0-9]+|[0-9a-f]{32}")
_WORD = re.compile(r"[^\W_]+")

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Labels = Annotated[list[Label], Field(min_length=1, max_length=MOST_VALUES)]
# Something beside blanks and signs: of nothing else is a word made.
Words = Annotated[
    list[Annotated[Label, StringConstraints(pattern=r"^[^\x00]*[^\s\x00!-/:-@\[-`{-~][^\x00]*$")]],
    Field(min_length=1, max_length=MOST_VALUES),
]


def one_of_these(names: Iterable[str]) -> list[dict[str, Any]]:
    """For a document's ``anyOf``: one of these members, and null is none."""
    return [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names]


def _say_that_one_is_needed(schema: dict[str, Any]) -> None:
    schema["anyOf"] = one_of_these(CONDITIONS)


class TicketConditions(InputModel):
    """A ticket that fits every condition, of each list any member."""

    model_config = ConfigDict(json_schema_extra=_say_that_one_is_needed)

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)] = Field(
        description="For people; reasons and the audit log name it."
    )
    desk: Labels | None = Field(None, description="Desks, such as `jira`.")
    company: Labels | None = Field(None, description="Client companies, by name or by the desk's id.")
    group: Labels | None = Field(None, description="Groups, by name or id.")
    category: Labels | None = Field(None, description="Categories, in the desk's words.")
    form: Labels | None = Field(
        None, description="Forms, templates, request or issue types, by name or id; of Zendesk's forms by id."
    )
    tags: Labels | None = Field(None, description="Tags or labels.")
    words: Words | None = Field(
        None,
        description="Any of these as a whole word in the name of its group, category, form or a tag: `HR` finds"
        " `HR Operations` and `hr-payroll`, and no `HRS`.",
    )
    requester: Labels | None = Field(
        None, description="Who filed it: an address, `@` and a domain, or the desk's own id or account."
    )
    custom: dict[Label, Labels] | None = Field(
        None, min_length=1, max_length=20, description="Fields by the desk's name, each with the values that are meant."
    )
    vip: bool | None = Field(
        None, description="Whether the desk marks the requester as a VIP, where it has such a mark."
    )

    @model_validator(mode="after")
    def _says_something(self) -> TicketConditions:
        if not self.conditions:
            raise ValueError("must have at least one condition, else it would mean every ticket")
        return self

    @property
    def conditions(self) -> frozenset[str]:
        """Names of its conditions."""
        return frozenset(name for name in CONDITIONS if getattr(self, name) is not None)

    def fits(self, traits: Traits) -> bool | None:
        """Whether it is about a ticket; None where what is known does not tell."""
        verdicts = list(self._verdicts(traits))
        return False if False in verdicts else None if None in verdicts else True

    def _verdicts(self, traits: Traits) -> Iterator[bool | None]:
        for name in ("desk", "company", "group", "category", "form", "tags"):
            if (wanted := getattr(self, name)) is not None:
                yield getattr(traits, name).any_of(wanted)
        if self.words is not None:
            yield traits.says_any_of(self.words)
        if self.requester is not None:
            yield traits.requester.any_of(self.requester, is_id=lambda one: "@" not in one)
        for name, wanted in (self.custom or {}).items():
            yield traits.of_field(name).any_of(wanted)
        if self.vip is not None:
            # Most desks have no such mark at all: there nobody is a VIP, and the rule would mean everybody.
            yield bool(traits.vip) is self.vip if traits.vip is not None or traits.is_read else None


class Knowledge(StrEnum):
    """How much is known of one trait: everything, ids without names, or nothing."""

    ALL = "all"
    IDS = "ids"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Trait:
    """What is known of one trait of a ticket."""

    values: tuple[str, ...] = ()
    known: Knowledge = Knowledge.NOTHING

    def any_of(
        self, wanted: Iterable[str], *, is_id: Callable[[str], bool] = lambda one: _ID.fullmatch(one) is not None
    ) -> bool | None:
        """Whether it has any of the values; None where that is not known."""
        words = {one.casefold() for one in wanted}
        have = {one.strip().casefold() for one in self.values}
        domains = tuple(one for one in words if one.startswith("@"))
        if words & have or (domains and any(one.endswith(domains) for one in have)):
            return True
        if self.known is Knowledge.ALL or (self.known is Knowledge.IDS and all(map(is_id, words))):
            return False
        return None


def whole(*values: str | None) -> Trait:
    """A trait of which everything is known."""
    return Trait(tuple(value for value in values if value), Knowledge.ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is known of a ticket that a rule may ask.

    Attributes:
        custom: Fields by the desk's name; None where none is known.
        is_read: The ticket was read as a whole: a field that is not there is empty.
        is_event: It is what an event says.
    """

    desk: Trait
    company: Trait = Trait()
    group: Trait = Trait()
    category: Trait = Trait()
    form: Trait = Trait()
    tags: Trait = Trait()
    requester: Trait = Trait()
    custom: Mapping[str, Any] = field(default_factory=dict)
    vip: bool | None = None
    is_read: bool = False
    is_event: bool = False

    def says_any_of(self, words: Iterable[str]) -> bool | None:
        """Whether the name of a group, category, form or tag has any of these words; None where that is not known."""
        wanted = [said for word in words if (said := _as_words(word))]
        named = (self.group, self.category, self.form, self.tags)
        if any(said in _as_words(value) for trait in named for value in trait.values for said in wanted):
            return True
        # What a desk's own answer has as a number alone has no name that could say anything; an event may leave it out.
        enough = (Knowledge.ALL,) if self.is_event else (Knowledge.ALL, Knowledge.IDS)
        return False if all(trait.known in enough for trait in named) else None

    def of_field(self, name: str) -> Trait:
        """A field by the desk's name, in any case; additional fields may stand one level below."""
        known = {**_nested(self.custom), **self.custom}
        value = next((known[key] for key in known if key.casefold() == name.casefold()), None)
        if value is None:
            return Trait(known=Knowledge.ALL if self.is_read else Knowledge.NOTHING)
        return Trait(tuple(_words(value)), Knowledge.ALL)


def are_ids(values: Iterable[str]) -> bool:
    known = list(values)
    return bool(known) and all(_ID.fullmatch(one) for one in known)


def _as_words(text: str) -> str:
    """A text as its words, each between two blanks, so that a part of a word is not found in it."""
    words = _WORD.findall(text.casefold())
    return f" {' '.join(words)} " if words else ""


def _nested(custom: Mapping[str, Any]) -> dict[str, Any]:
    below = [value for value in custom.values() if isinstance(value, Mapping) and "id" not in value]
    return {str(name): value for part in below for name, value in part.items()}


def _words(value: Any) -> Iterator[str]:
    """Everything by which people call a value: of a reference its id and its name, of a list each member."""
    if isinstance(value, Mapping):
        for name in ("id", "name", "value", "display_value", "email_id"):
            yield from _words(value.get(name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _words(one)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif value is not None:
        yield str(value)

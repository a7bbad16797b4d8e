"""Where a tenant wants no agent, or only a careful one: rules about tickets, above every agent. Pure but for one query.

A rule is asked of whatever is known of a ticket: at the door of its event, of the ticket once it was read, of its row
in the history. What is not known there is left open; a run that has read its ticket takes what is still open for so,
because a rule that somebody made to keep a client out must not fail for a name that the desk does not show.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import ConfigurationError
from deskhand.kit.schema import InputModel
from deskhand.plugins.contract import Person, Ticket, TicketDraft, TicketMetadata
from deskhand.tenants.companies import known_companies

MOST_RULES, MOST_VALUES = 50, 200
EXCLUDED = "excluded"
"""Code of a delivery that starts nothing because of a rule."""
CONDITIONS = ("desk", "company", "group", "category", "form", "tags", "requester", "custom", "vip")
STORED = frozenset({"desk", "company", "category", "tags"})
"""What the history keeps of a ticket, so that its rows alone answer."""
_ID = re.compile(r"[0-9]+|[0-9a-f]{32}")

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Labels = Annotated[list[Label], Field(min_length=1, max_length=MOST_VALUES)]


class Effect(StrEnum):
    """What a rule does.

    - ``silence``: nothing is kept, sent to a model or written.
    - ``approve``: a person approves every write of a run on such a ticket, whatever its agent was granted.
    - ``local``: no model but a local one reads it; without one the note is made without a model.

    Under any of them a ticket becomes no knowledge, and no other run is shown it.
    """

    SILENCE = "silence"
    APPROVE = "approve"
    LOCAL = "local"


def _say_that_one_is_needed(schema: dict[str, Any]) -> None:
    """In the document, too: null is no condition."""
    schema["anyOf"] = [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in CONDITIONS]


class Boundary(InputModel):
    """One rule: a ticket that fits every condition, of each list any member."""

    model_config = ConfigDict(json_schema_extra=_say_that_one_is_needed)

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)] = Field(
        description="For people; reasons and the audit log name it."
    )
    effect: Effect = Field(
        Effect.SILENCE,
        description="`silence`: nothing is kept, sent to a model or written. `approve`: a person approves every write."
        " `local`: no model but a local one reads it.",
    )
    desk: Labels | None = Field(None, description="Desks, such as `jira`.")
    company: Labels | None = Field(None, description="Client companies, by name or by the desk's id.")
    group: Labels | None = Field(None, description="Groups, by name or id.")
    category: Labels | None = Field(None, description="Categories, in the desk's words.")
    form: Labels | None = Field(
        None, description="Forms, templates, request or issue types, by name or id; of Zendesk's forms by id."
    )
    tags: Labels | None = Field(None, description="Tags or labels.")
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
    def _says_something(self) -> Boundary:
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

    def of_field(self, name: str) -> Trait:
        """A field by the desk's name, in any case; additional fields may stand one level below."""
        known = {**_nested(self.custom), **self.custom}
        value = next((known[key] for key in known if key.casefold() == name.casefold()), None)
        if value is None:
            return Trait(known=Knowledge.ALL if self.is_read else Knowledge.NOTHING)
        return Trait(tuple(_words(value)), Knowledge.ALL)


@dataclass(frozen=True, slots=True)
class Decision:
    """A rule that is about a ticket, or may be."""

    rule: Boundary
    is_certain: bool

    @property
    def words(self) -> str:
        """Why, for people."""
        if self.is_certain:
            return f"The tenant's rule '{self.rule.name}' is about this ticket"
        return (
            f"The tenant's rule '{self.rule.name}' may be about this ticket, and the desk does not say enough to tell"
        )


@dataclass(frozen=True, slots=True)
class Boundaries:
    """A tenant's rules.

    Attributes:
        names: Desk and id of a company, to its name as the desk last told it.
    """

    rules: tuple[Boundary, ...] = ()
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def decide(self, traits: Traits, *effects: Effect, openly: bool = False) -> Decision | None:
        """The first rule with one of these effects (any, where none is named) that is about a ticket.

        Args:
            traits: What is known of it.
            effects: Which rules are asked.
            openly: Leave open what is not known, instead of taking it for so.
        """
        uncertain: Decision | None = None
        for rule in self.rules:
            if effects and rule.effect not in effects:
                continue
            verdict = rule.fits(traits)
            if verdict:
                return Decision(rule, is_certain=True)
            if verdict is None and uncertain is None and not openly:
                uncertain = Decision(rule, is_certain=False)
        return uncertain

    def why_silent(self, traits: Traits, *, openly: bool = False) -> str | None:
        """Why nothing is done about a ticket, in a sentence; None where it is no rule's to forbid."""
        decision = self.decide(traits, Effect.SILENCE, openly=openly)
        return None if decision is None else f"{decision.words}: nothing was done."

    def of_ticket(self, ticket: Ticket, *, is_listed: bool = False) -> Traits:
        """What is known of a ticket that was read, or that stood in a list, which seldom shows every field."""
        company = ticket.company
        return Traits(
            desk=whole(ticket.tool_type),
            company=whole() if company is None else self._company(ticket.tool_type, company.id, company.name),
            group=whole(ticket.group),
            category=whole(ticket.category, *(part.strip() for part in (ticket.category or "").split(","))),
            form=Trait(ticket.kinds, Knowledge.IDS if _are_ids(ticket.kinds) else Knowledge.ALL),
            tags=whole(*ticket.tags),
            requester=_requester(ticket.requester),
            custom=ticket.custom,
            vip=ticket.requester.is_vip if ticket.requester else None,
            is_read=not is_listed,
        )

    def of_event(self, event: TicketMetadata, company_field: str | None = None) -> Traits:
        """What an event says.

        Args:
            event: Of the ticket.
            company_field: Which of the fields that may name the client does, on desks where that is a setting.
        """
        return Traits(
            desk=whole(event.tool_type),
            company=self._event_company(event, company_field),
            group=_said(event.group, event.group_id),
            form=Trait() if event.kinds is None else Trait(event.kinds, _of_ids(event.kinds)),
            tags=Trait() if event.tags is None else whole(*event.tags),
            requester=_requester(
                Person(id=event.requester_id, email=event.requester_email)
                if event.requester_id or event.requester_email
                else None,
                is_said=bool(event.requester_id or event.requester_email),
            ),
            custom=event.custom,
            vip=event.is_vip,
        )

    def of_draft(self, tool_type: str, draft: TicketDraft) -> Traits:
        """What is known of a ticket that is about to be filed; what it does not say is nothing."""
        return Traits(
            desk=whole(tool_type),
            company=whole(draft.company, *self._known_as(tool_type, draft.company)),
            group=whole(draft.group),
            category=whole(draft.category),
            form=whole(draft.type),
            tags=whole(*draft.tags),
            requester=whole(draft.requester_email),
            custom=draft.custom,
            is_read=True,
        )

    def of_row(self, row: Mapping[str, Any]) -> Traits:
        """What a row of the history, of the articles or of the systems says of whose it is."""
        tool_type, company_id = row.get("tool_type"), row.get("company_id")
        named = (row.get("company_name"), *self._known_as(tool_type, company_id))
        return Traits(
            desk=whole(tool_type) if tool_type else Trait(),
            company=whole(company_id, *named),
            category=whole(row.get("category")) if "category" in row else Trait(),
            tags=whole(*row["tags"]) if row.get("tags") is not None else Trait(),
        )

    @property
    def asks_desks(self) -> bool:
        """Whether a stored row alone cannot answer every rule."""
        return any(rule.conditions - STORED for rule in self.rules)

    @property
    def digest(self) -> str:
        """Names this set of rules; another set has another one."""
        stored = [rule.model_dump(mode="json", exclude_none=True) for rule in self.rules]
        return hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()[:32]

    def _company(self, tool_type: str, company_id: str, name: str) -> Trait:
        # Where a desk shows no name, its id stands there a second time.
        known = self.names.get((tool_type, company_id), name if name != company_id else "")
        return Trait(tuple({company_id, name, known} - {""}), Knowledge.ALL if known else Knowledge.IDS)

    def _event_company(self, event: TicketMetadata, company_field: str | None) -> Trait:
        if event.companies is None:
            return Trait()
        if company_field is not None and company_field not in event.companies:
            # Another field than the one that counts says nothing of it.
            return Trait()
        company = next((one for name, one in event.companies.items() if one and company_field in (None, name)), None)
        return self._company(event.tool_type, company.id, company.name) if company else whole()

    def _known_as(self, tool_type: Any, company: Any) -> tuple[str, ...]:
        """Every name of a company that is given by its id or by one of its names."""
        wanted = str(company or "").removeprefix("=").casefold()
        return tuple(
            word
            for (desk, company_id), name in self.names.items()
            if desk == tool_type and wanted and wanted in (company_id.casefold(), name.casefold())
            for word in (company_id, name)
        )


NO_BOUNDARIES = Boundaries()


_RULES = TypeAdapter(list[Boundary])


def stored_rules(preferences: Mapping[str, Any] | None) -> tuple[Boundary, ...]:
    """The rules as they are stored.

    Raises:
        ConfigurationError: They cannot be read. Nobody may take them for none: they are what keeps somebody out.
    """
    stored = (preferences or {}).get("boundaries")
    try:
        return () if stored is None else tuple(_RULES.validate_python(stored))
    except ValidationError as error:
        raise ConfigurationError(
            "The tenant's boundaries cannot be read; set them again in its preferences."
        ) from error


async def read_boundaries(session: AsyncSession, preferences: Mapping[str, Any] | None) -> Boundaries:
    """The rules of the session's tenant, and how its desks name companies."""
    rules = stored_rules(preferences)
    if not any(rule.company for rule in rules):
        return Boundaries(rules)
    named = {(one.tool_type, one.company_id): one.name for one in await known_companies(session)}
    return Boundaries(rules, named)


def _said(name: str | None, number: str | None) -> Trait:
    """A trait that an event gives by name, by id, or both; an empty text is known to be nothing."""
    if name is not None:
        return whole(name, number)
    return Trait() if number is None else Trait((number,), Knowledge.IDS) if number else whole()


def _requester(person: Person | None, *, is_said: bool = True) -> Trait:
    if person is None:
        return whole() if is_said else Trait()
    known = tuple(value for value in (person.email, person.id, person.account) if value)
    return Trait(known, Knowledge.ALL if person.email else Knowledge.IDS)


def _are_ids(values: Iterable[str]) -> bool:
    known = list(values)
    return bool(known) and all(_ID.fullmatch(one) for one in known)


def _of_ids(values: Iterable[str]) -> Knowledge:
    return Knowledge.IDS if _are_ids(values) else Knowledge.ALL


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

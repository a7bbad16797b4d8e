"""Where a tenant wants no agent, or only a careful one: rules about tickets, above every agent. Pure but for one query.

A rule is asked of whatever is known of a ticket: at the door of its event, of the ticket once it was read, of its row
in the history. What is not known there is left open; a run that has read its ticket takes what is still open for so,
because a rule that somebody made to keep a client out must not fail for a name that the desk does not show.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import ConfigurationError
from deskhand.plugins.contract import Person, Ticket, TicketDraft, TicketMetadata
from deskhand.tenants.calendars import stored_calendars
from deskhand.tenants.companies import known_companies
from deskhand.tenants.traits import Knowledge, TicketConditions, Trait, Traits, are_ids, whole

MOST_RULES = 50
STORED = frozenset({"desk", "company", "category", "tags"})
"""What the history keeps of a ticket, so that its rows alone answer."""


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


class Boundary(TicketConditions):
    """One rule: a ticket that fits every condition, of each list any member."""

    effect: Effect = Field(
        Effect.SILENCE,
        description="`silence`: nothing is kept, sent to a model or written. `approve`: a person approves every write."
        " `local`: no model but a local one reads it.",
    )


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
            form=Trait(ticket.kinds, Knowledge.IDS if are_ids(ticket.kinds) else Knowledge.ALL),
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
            form=Trait()
            if event.kinds is None
            else Trait(event.kinds, Knowledge.IDS if are_ids(event.kinds) else Knowledge.ALL),
            tags=Trait() if event.tags is None else whole(*event.tags),
            requester=_requester(
                Person(id=event.requester_id, email=event.requester_email)
                if event.requester_id or event.requester_email
                else None,
                is_said=bool(event.requester_id or event.requester_email),
            ),
            custom=event.custom,
            vip=event.is_vip,
            is_event=True,
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
    if not any(rule.company for rule in rules) and not stored_calendars(preferences).name_companies:
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

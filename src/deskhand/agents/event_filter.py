"""Which events of a webhook start a run: conditions on what an event, and then its ticket, says. Pure.

An event is a hint and rarely says everything. A condition about what it does not say is left open at the door; the run
asks it again of the ticket that it reads, before it looks anything up and before a model is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from deskhand.kit.schema import InputModel
from deskhand.kit.words import Word, has_word
from deskhand.plugins.priorities import PRIORITIES

MOST = 50
REFUSED = "The event filter"
"""How every sentence begins that says why an event started nothing."""
_SHOWN = 5
EXAMPLES: tuple[dict[str, Any], ...] = (
    {"events": ["*created"], "priority": ["critical", "high"]},
    {"words": ["vpn"], "not": {"requester_domain": ["monitoring.example.com"]}},
)

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
EventName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^*\s\u0000]*\*?[^*\s\u0000]*$")]
Domain = Annotated[
    str, StringConstraints(to_lower=True, max_length=253, pattern=r"^[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """What is known of an event and its ticket: None is not known, an empty text is known to be nothing.

    Attributes:
        priority: In the desk's words and in ours, as far as both are known.
        in_hours: Whether it came within working time, by the calendar of its ticket's company.
    """

    desk: str | None = None
    event: str | None = None
    status: str | None = None
    priority: tuple[str, ...] | None = None
    group: str | None = None
    requester: str | None = None
    subject: str | None = None
    description: str | None = None
    in_hours: bool | None = None


def _say_that_one_is_needed(schema: dict[str, Any]) -> None:
    """In the document: at least one condition, and null is none."""
    if "not" in schema["properties"]:
        schema["examples"] = [dict(one) for one in EXAMPLES]
    schema["anyOf"] = [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in schema["properties"]
    ]


class EventConditions(InputModel):
    """Conditions; of each list any member will do."""

    model_config = ConfigDict(json_schema_extra=_say_that_one_is_needed)

    desk: list[Label] | None = Field(None, min_length=1, max_length=MOST, description="Desks, such as `jira`.")
    events: list[EventName] | None = Field(
        None,
        min_length=1,
        max_length=MOST,
        description="The desk's own names of events; one `*` in a name stands for anything.",
    )
    status: list[Label] | None = Field(None, min_length=1, max_length=MOST, description="The desk's own words.")
    priority: list[Label] | None = Field(
        None, min_length=1, max_length=MOST, description="`critical`, `high`, `medium`, `low`, or the desk's own words."
    )
    group: list[Label] | None = Field(None, min_length=1, max_length=MOST, description="Names of groups.")
    requester_domain: list[Domain] | None = Field(
        None, min_length=1, max_length=MOST, description="Domains of the requester's address; subdomains are in them."
    )
    words: list[Word] | None = Field(
        None, min_length=1, max_length=MOST, description="Words in subject or description, in any case."
    )

    hours: Literal["inside", "outside"] | None = Field(
        None,
        description="What comes within or outside working time, by the tenant's calendars; without one Monday to"
        " Friday, UTC.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> EventConditions:
        if not self.model_fields_set or all(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("must have at least one condition; leave it out where every event is meant")
        return self

    def verdicts(self, facts: EventFacts) -> Iterator[tuple[str, bool | None]]:
        """Each condition there is, and whether it holds; None where the facts do not say."""
        asked: dict[str, Callable[[Any], bool | None]] = {
            "desk": lambda wanted: _any_equal(wanted, facts.desk),
            "events": lambda wanted: _any_named(wanted, facts.event),
            "status": lambda wanted: _any_equal(wanted, facts.status),
            "priority": lambda wanted: _any_priority(wanted, facts.priority),
            "group": lambda wanted: _any_equal(wanted, facts.group),
            "requester_domain": lambda wanted: _any_domain(wanted, facts.requester),
            "words": lambda wanted: _any_word(wanted, facts),
            "hours": lambda wanted: None if facts.in_hours is None else facts.in_hours is (wanted == "inside"),
        }
        for name, holds in asked.items():
            if (wanted := getattr(self, name)) is not None:
                yield name, holds(wanted)


class EventFilter(EventConditions):
    """Which events start a run: those that fit every condition, and none of `not`."""

    model_config = ConfigDict(json_schema_extra=_say_that_one_is_needed)

    not_: EventConditions | None = Field(None, alias="not", description="What fits any of these starts nothing.")

    @property
    def asks_hours(self) -> bool:
        """Whether it has to be known if an event came in working time."""
        return self.hours is not None or (self.not_ is not None and self.not_.hours is not None)

    @property
    def asks_hours_alone(self) -> bool:
        """Whether nothing else has to be known."""
        asked = {name for part in (self, self.not_) if part for name, value in part if value is not None}
        return asked <= {"hours", "not_"}

    def as_stored(self) -> dict[str, Any]:
        """For the column and for files: what is said, and nothing else."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def why_not(self, facts: EventFacts) -> str | None:
        """Why an event starts nothing, in a sentence; None where it does, or where that is not known yet."""
        for name, holds in self.verdicts(facts):
            if holds is False:
                return f"{REFUSED} wants {_said(name, getattr(self, name))}, and {_has(name, facts, 'none')}."
        for name, holds in self.not_.verdicts(facts) if self.not_ else ():
            if holds:
                return f"{REFUSED} leaves out {_said(name, getattr(self.not_, name))}, and {_has(name, facts, 'one')}."
        return None

    def open_conditions(self, facts: EventFacts) -> list[str]:
        """Names of conditions that the facts do not answer."""
        both = (*self.verdicts(facts), *(self.not_.verdicts(facts) if self.not_ else ()))
        return list(dict.fromkeys(name for name, holds in both if holds is None))


def read_filter(stored: Mapping[str, Any] | None) -> EventFilter | None:
    """The filter as a trigger or a version holds it."""
    return None if stored is None else EventFilter.model_validate(dict(stored))


def _any_equal(wanted: list[str], value: str | None) -> bool | None:
    return None if value is None else value.strip().casefold() in {one.casefold() for one in wanted}


def _any_named(wanted: list[str], event: str | None) -> bool | None:
    if event is None:
        return None
    patterns = (re.escape(one.casefold()).replace(r"\*", ".*") for one in wanted)
    return any(re.fullmatch(pattern, event.casefold()) for pattern in patterns)


def _any_priority(wanted: list[str], known: tuple[str, ...] | None) -> bool | None:
    if known is None:
        return None
    words, values = {one.casefold() for one in wanted}, {one.strip().casefold() for one in known}
    if words & values:
        return True
    # A desk's word says nothing of ours: which of the four it is, the tenant's mapping tells when the ticket is read.
    return None if values and not values & set(PRIORITIES) and words & set(PRIORITIES) else False


def _any_domain(wanted: list[str], address: str | None) -> bool | None:
    if address is None:
        return None
    domain = address.rpartition("@")[2].strip().casefold()
    return any(domain == one or domain.endswith(f".{one}") for one in wanted)


def _any_word(wanted: list[str], facts: EventFacts) -> bool | None:
    known = [text for text in (facts.subject, facts.description) if text is not None]
    if any(has_word(text, word) for text in known for word in wanted):
        return True
    return False if len(known) == 2 else None


def _said(name: str, wanted: list[str] | str) -> str:
    if isinstance(wanted, str):
        return f"{name} '{wanted}'"
    shown = " or ".join(f"'{one}'" for one in wanted[:_SHOWN])
    more = f" or one of {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else ""
    return f"{name.replace('_', ' ')} {shown}{more}"


def _has(name: str, facts: EventFacts, words: str) -> str:
    if name == "words":
        return f"the ticket has {words} of them"
    if name == "requester_domain":
        domain = (facts.requester or "").rpartition("@")[2]
        return f"the requester's is '{domain}'" if domain else "the desk shows no address of the requester"
    if name == "hours":
        return f"it came {'within' if facts.in_hours else 'outside'} working time"
    value = {"events": facts.event, "priority": " / ".join(facts.priority or ())}.get(name, getattr(facts, name, ""))
    return f"it is '{value}'" if value else "it has none"

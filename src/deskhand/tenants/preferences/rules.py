"""Lists of a tenant's preferences as forms and as sentences: rules about tickets, and calendars. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deskhand.tenants.preferences.boxes import Box
from deskhand.tenants.traits import CONDITIONS

RuleKind = Literal["boundaries", "machines", "instructions", "calendars"]

_LISTS = {
    "company": ("Company", "Client companies, by name or by the desk's id."),
    "group": ("Group", "By name or id."),
    "category": ("Category", "In the desk's words."),
    "form": ("Form", "Forms, templates, request or issue types, by name or id; of Zendesk's forms by id."),
    "tags": ("Tags", "Tags or labels."),
    "words": (
        "Words",
        "As whole words in the name of a group, category, form or tag, such as HR, payroll, legal or security.",
    ),
    "requester": ("Requester", "Addresses, @ and a domain, or the desk's own id or account."),
    "desk": ("Desk", "Such as jira or zendesk."),
}
_FITS = "It is about a ticket that fits every condition below that is filled in."
_SAID = {"form": "form", "tags": "tag", "requester": "requester", "desk": "desk", "vip": "requester"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One list of rules.

    Attributes:
        empty: What is so while there is none, and what one would do.
        removing: What removing one does.
        effects: Boxes of what it says.
        one: What one of them is called.
        conditions: Boxes of what it is about; None: of a ticket's traits.
    """

    key: RuleKind
    title: str
    words: str
    empty: str
    removing: str
    effects: tuple[Box, ...]
    one: str = "rule"
    conditions: tuple[Box, ...] | None = None

    @property
    def about(self) -> str:
        """What the conditions mean, in a sentence."""
        return "" if self.conditions is not None else _FITS

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Of the form of one rule."""
        name = Box(path=("name",), label="Name", help="For people; reasons and the audit log name it.", kind="text")
        return (name, *self.effects, *(_CONDITION_BOXES if self.conditions is None else self.conditions))


def _condition_boxes() -> Iterator[Box]:
    for name, (label, words) in _LISTS.items():
        yield Box(path=(name,), label=label, help=f"{words} One a line; any of them will do.", kind="lines")
    yield Box(
        path=("custom",),
        label="Other fields",
        help="By the desk's name, one a line: field = value, another value.",
        kind="pairs",
    )
    yield Box(
        path=("vip",),
        label="VIP",
        help="Whether the desk marks the requester, where it has such a mark.",
        kind="choice",
        choices=(("", "Does not matter"), ("true", "Is marked"), ("false", "Is not marked")),
    )


_CONDITION_BOXES = tuple(_condition_boxes())

BOUNDARIES = Kind(
    key="boundaries",
    title="Where agents are kept out",
    words="These rules stand above every agent, whatever it was granted. A ticket that fits one becomes no knowledge.",
    empty="There is no rule: agents work on every ticket that they were granted. A rule keeps a client, a group or a"
    " kind of ticket from them, or from models outside this house, or lets a person approve every write.",
    removing="Agents may work on such tickets again. What was deleted of them stays deleted until the history is"
    " imported again.",
    effects=(
        Box(
            path=("effect",),
            label="What it does",
            help="",
            kind="choice",
            usual="silence",
            choices=(
                ("silence", "Nothing is kept, sent to a model or written"),
                ("approve", "A person approves every write"),
                ("local", "No model but a local one reads it"),
            ),
        ),
    ),
)
MACHINES = Kind(
    key="machines",
    title="Machines among people",
    words="Tickets that monitoring makes. A rule counts only where the desk says enough to be sure.",
    empty="There is no rule: agents treat every ticket as a person's. A rule keeps them from writing a note about each"
    " of five hundred alerts.",
    removing="Agents treat such tickets as a person's again.",
    effects=(
        Box(
            path=("speak",),
            label="What is said about them",
            help="",
            kind="choice",
            usual="silent",
            choices=(
                ("silent", "Nothing"),
                ("once", "Something about the first of a condition on a device, then nothing until it was quiet"),
            ),
        ),
        Box(
            path=("quiet_hours",),
            label="Quiet after, hours",
            help="After so many hours without an alert a condition counts as a new one.",
            kind="number",
            usual=24,
        ),
    ),
)
INSTRUCTIONS = Kind(
    key="instructions",
    title="What agents are told",
    words="Rules, contacts and articles of a client, or of a kind of ticket. They stand above every agent's own prompt,"
    " grant no tool, and are shown in the trace of each run. They count only where the desk says enough to be sure.",
    empty="There is none: agents know of a client what their own prompts say. An instruction tells all of them, such as"
    " whom a client wants called before a server is restarted.",
    removing="Agents are no longer told it, from their next runs on.",
    effects=(
        Box(
            path=("rules",),
            label="Rules",
            help="What agents do and leave on such tickets, a sentence a line. No requester is told them.",
            kind="lines",
        ),
        Box(
            path=("contacts",),
            label="Contacts",
            help="Whom to turn to, one a line. Agents may name them, to requesters too.",
            kind="lines",
        ),
        Box(
            path=("articles",),
            label="Articles",
            help="Ids of articles that such tickets are read with, one a line, three at most. They have to belong to"
            " the ticket's company, or be shared.",
            kind="lines",
        ),
    ),
)
CALENDARS = Kind(
    key="calendars",
    title="Working hours",
    words="When your people work, and when those of a client do: what an agent's filter means by working time, and"
    " what counts as a working day.",
    empty="There is no calendar: Monday to Friday count, from midnight to midnight in UTC. A calendar says hours,"
    " zone and holidays, for everybody or for some clients.",
    removing="What counted by it counts by the calendar without a company, or Monday to Friday where there is none."
    " Waits that have begun end when they were to.",
    one="calendar",
    effects=(
        Box(path=("timezone",), label="Time zone", help="Such as Europe/Berlin.", kind="text"),
        Box(
            path=("hours",),
            label="Hours",
            help="Days and times, one or more a line: mon-fri 08:00-12:00 13:00-17:00. An end before its beginning is"
            " on the next day.",
            kind="lines",
        ),
        Box(
            path=("holidays",),
            label="Holidays",
            help="One a line: 2026-04-03 Good Friday, or 12-25 of every year.",
            kind="lines",
        ),
        Box(
            path=("count_waits",),
            label="Waits count working time alone",
            help="How long a call waits for approval, and a run for its requester's answer, is counted within these"
            " hours.",
            kind="flag",
            usual=False,
            off="Off. Such waits end by the clock, at night and on Sundays, too.",
        ),
    ),
    conditions=(
        Box(
            path=("company",),
            label="Company",
            help="Client companies, by name or by the desk's id, one a line. Empty: everybody whom no other calendar is"
            " about.",
            kind="lines",
        ),
    ),
)
KINDS: Mapping[str, Kind] = {one.key: one for one in (BOUNDARIES, MACHINES, INSTRUCTIONS, CALENDARS)}


def in_words(rule: Mapping[str, Any], kind: Kind) -> str:
    """What a rule means, in a sentence."""
    if kind is CALENDARS:
        return _calendar(rule)
    parts = [_condition(name, rule[name]) for name in CONDITIONS if rule.get(name) not in (None, [], {})]
    does = [
        words[:1].lower() + words[1:]
        for box in kind.effects
        for value, words in box.choices
        if value == box.value_in(rule)
    ]
    lists = [box for box in kind.effects if box.kind == "lines" and rule.get(box.name)]
    told = [_counted(len(rule[box.name]), box.label.lower()) for box in lists]
    does += [f"agents are told {_all_of(told)}"] if told else []
    return f"Tickets whose {', and whose '.join(parts)}: {'; '.join(does)}."


def _calendar(calendar: Mapping[str, Any]) -> str:
    whose = _any_of(calendar["company"]) if calendar.get("company") else "Everybody else"
    holidays = calendar.get("holidays") or []
    parts = [f"{whose}: {'; '.join(calendar['hours'])} ({calendar['timezone']})"]
    parts += [f"without {_counted(len(holidays), 'holidays')}"] if holidays else []
    parts += ["waits count working time alone"] if calendar.get("count_waits") else []
    return f"{', '.join(parts)}."


def _counted(number: int, names: str) -> str:
    return f"{number} {names.removesuffix('s') if number == 1 else names}"


def _all_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _condition(name: str, value: Any) -> str:
    if name == "vip":
        return f"requester is {'' if value else 'not '}marked as a VIP"
    if name == "words":
        return f"group, category, form or a tag says {_any_of(value)}"
    if name == "custom":
        fields = [f"{field} is {_any_of(wanted)}" for field, wanted in value.items()]
        return " and ".join(fields)
    return f"{_SAID.get(name, name)} is {_any_of(value)}"


def _any_of(values: Any) -> str:
    listed = [str(one) for one in values] if isinstance(values, list) else [str(values)]
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} or {listed[-1]}"

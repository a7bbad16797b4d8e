"""What an agent is, in words for a person. Pure: stored values in, sentences out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from deskhand.agents.models import AgentTrigger, AgentVersion
from deskhand.agents.schemas import AgentStatus, TriggerType
from deskhand.agents.versions import VersionDiff
from deskhand.kit.cron import check_cron, describe, occurrences, zone
from deskhand.llm import catalogue
from deskhand.tools.values import A_DAY, Grant, Mode, Provider, Scope
from deskhand.ui.format import count, label, money

SHOWN_TIMES = 5
A_MILLION = 1_000_000

STATUS_BADGES = {"draft": "queued", "active": "completed", "suspended": "waiting", "inactive": "cancelled"}
"""The colour of each state, by the state of a run that has it."""

STATUS_WORDS: Mapping[str, str] = {
    AgentStatus.DRAFT: "Draft: nothing starts it but you, trying it.",
    AgentStatus.ACTIVE: "Active: its triggers start it.",
    AgentStatus.SUSPENDED: "Suspended: its triggers are ignored until it is resumed.",
    AgentStatus.INACTIVE: "Deleted: it does nothing any more and cannot be changed.",
}

OUTCOME_WORDS = {
    "note": ("An internal note", "for the technician, on the ticket that started the run, with its sources."),
    "reply": ("A reply", "to the requester, on the ticket that started the run."),
    "fields": ("Fields", "of the ticket: category, priority and group."),
    "report": ("A report", "kept with the run, and sent by mail or chat where you say so."),
    "none": ("Nothing of its own", "only what its tools do, and a sentence about it."),
}

SCOPE_WORDS = {
    Scope.OWN: "on the ticket that started it",
    Scope.LISTED: "on that ticket and those its searches find",
    Scope.ANY: "on any ticket of the connection",
}
_PARTS = {
    "system_prompt": "prompt",
    "llm_config": "model settings",
    "outcome": "outcome",
    "tools": "tools",
    "triggers": "triggers",
}


@dataclass(frozen=True, slots=True)
class Button:
    """A step of the lifecycle that is possible now.

    Attributes:
        verb: The last part of its address.
        label: What stands on it.
        will: What happens when it is pressed.
        asks: Whether it is asked again, because it cannot be taken back.
    """

    verb: str
    label: str
    will: str
    asks: bool = False


_SUSPEND = Button(
    "suspend",
    "Suspend",
    "From now on its triggers are ignored. Webhook addresses and secrets stay, and it can be resumed at any time.",
)
_DELETE = Button(
    "delete",
    "Delete",
    "It never runs again and cannot be changed or brought back; its webhooks and schedules end."
    " Its runs, its versions and what it wrote on tickets stay.",
    asks=True,
)
BUTTONS: Mapping[str, tuple[Button, ...]] = {
    AgentStatus.DRAFT: (
        Button(
            "activate",
            "Activate",
            "From now on its triggers start it, and it writes what its tools allow. What is missing is told first.",
        ),
    ),
    AgentStatus.ACTIVE: (_SUSPEND, _DELETE),
    AgentStatus.SUSPENDED: (
        Button("resume", "Resume", "Its triggers start it again; events that came meanwhile are not made up for."),
        _DELETE,
    ),
    AgentStatus.INACTIVE: (),
}

DONE = {
    "create": "The draft is made. Try it, then activate it.",
    "save": "Saved.",
    "trigger": "What starts it is changed.",
    "removed": "The trigger is removed.",
    "tools": "Its tools are changed: from now on it may do what stands here, and nothing else.",
    "activate": "It is active: its triggers start it from now on.",
    "suspend": "It is suspended: its triggers are ignored.",
    "resume": "It is active again.",
    "delete": "It is deleted. Its runs and versions stay.",
    "rollback": "It is as it was in that version; this is a new version.",
    "rotate": "The webhook has a new secret.",
}
"""What was done, by the verb in the address that the browser was sent to."""


@dataclass(frozen=True, slots=True)
class When:
    """What starts an agent, in words.

    Attributes:
        words: One line.
        fault: Why it starts nothing, where its schedule cannot be read any more.
        upcoming: The next times of a schedule, in its own zone.
    """

    words: str
    fault: str | None = None
    upcoming: tuple[datetime, ...] = ()


def when(trigger: AgentTrigger, *, now: datetime | None = None) -> When:
    """What a trigger waits for; with ``now``, a schedule's next times too."""
    if trigger.trigger_type == TriggerType.WEBHOOK:
        if trigger.note_word:
            return When(f"When a technician writes {trigger.note_word} in an internal note")
        return When("When its webhook gets an event" + (" that fits its filter" if trigger.event_filter else ""))
    cron = trigger.schedule_cron or ""
    try:
        check_cron(cron, trigger.schedule_timezone)
        clock = zone(trigger.schedule_timezone)
        times = () if now is None else islice(occurrences(cron, trigger.schedule_timezone, after=now), SHOWN_TIMES)
        upcoming = tuple(one.astimezone(clock) for one in times)
        hours = (trigger.event_filter or {}).get("hours")
        more = f", {hours} working time" if hours else ""
        return When(f"{describe(cron)} ({trigger.schedule_timezone}){more}", upcoming=upcoming)
    # tzdata drops zones, and the page is where such a schedule is mended.
    except ValueError as error:
        return When(f"{cron} ({trigger.schedule_timezone})", fault=f"The schedule cannot be read: {error}.")


@dataclass(frozen=True, slots=True)
class Granted:
    """One operation that an agent may use, in words."""

    name: str
    description: str
    is_write: bool
    how: str


@dataclass(frozen=True, slots=True)
class GrantedTool:
    """A tool of an agent with what it may do there.

    Attributes:
        is_known: False where the installation or the tenant does not have it any more.
    """

    tool_id: str
    name: str
    operations: tuple[Granted, ...]
    is_known: bool = True


def granted_tool(tool_id: str, grants: Mapping[str, Grant], provider: Provider | None) -> GrantedTool:
    """The grants of one tool, reading before writing."""
    rows = [granted(name, grant, provider) for name, grant in grants.items()]
    rows.sort(key=lambda one: (one.is_write, one.name))
    name = tool_id if provider is None else provider.name
    return GrantedTool(tool_id, name, tuple(rows), is_known=provider is not None)


def granted(name: str, grant: Grant, provider: Provider | None) -> Granted:
    """One granted operation."""
    operation = None if provider is None else provider.operation(name)
    if operation is None:
        return Granted(name, "not offered any more", is_write=False, how=_by_whom(grant))
    # What concerns no single ticket has no scope.
    parts = [_by_whom(grant), *([SCOPE_WORDS[grant.scope]] if operation.scopes else [])]
    if grant.answer_hours is not None:
        parts.append(f"and goes on without an answer after {grant.answer_hours} h")
    return Granted(name, operation.description, operation.is_write, ", ".join(parts))


def _by_whom(grant: Grant) -> str:
    if grant.mode is not Mode.APPROVE:
        return "by itself"
    hours = grant.wait_minutes / 60
    wait = f"{hours:g} h" if grant.wait_minutes >= 60 and grant.wait_minutes != A_DAY else "a day"
    if grant.wait_minutes < 60:
        wait = f"{grant.wait_minutes} min"
    return f"a person ({label(grant.approver).lower()}) approves each call first, within {wait}"


def price_words(model: str) -> str | None:
    """What a model costs, per million tokens; None where nobody knows."""
    known = catalogue.facts(model)
    if known is None or known.price is None:
        return None
    amounts = [Decimal(A_MILLION) * one for one in (known.price.input, known.price.output)]
    return f"{money(amounts[0])} in, {money(amounts[1])} out per million tokens"


def window_words(model: str, *, embedded: bool) -> str | None:
    """How much a model can read at once; None where nobody knows."""
    window = catalogue.prompt_window(model, embedded=embedded)
    return None if window is None else f"{count(window)} tokens"


def changed_parts(before: AgentVersion | None, after: AgentVersion) -> list[str]:
    """Which parts of an agent a version changed."""
    if before is None:
        return ["the beginning"]
    return [words for name, words in _PARTS.items() if getattr(before, name) != getattr(after, name)]


@dataclass(frozen=True, slots=True)
class Change:
    """One place where two versions differ, in words."""

    place: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a prompt's comparison: ``added``, ``removed``, ``same`` or ``place``."""

    kind: str
    text: str


def changes_in_words(diff: VersionDiff) -> list[Change]:
    """What differs besides the prompt, whose lines are compared one by one."""
    changes = []
    for one in diff.changes:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in one.pointer.split("/")[1:]]
        if parts == ["system_prompt"]:
            continue
        place = " \N{MIDDLE DOT} ".join([label(_PARTS.get(parts[0], parts[0])), *parts[1:]])
        changes.append(Change(place, _shown(one.before), _shown(one.after)))
    return changes


def prompt_lines(diff: Sequence[str]) -> list[Line]:
    """The lines of a unified diff, without its two headings."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return [
        Line(kinds.get(line[:1], "same"), "\N{HORIZONTAL ELLIPSIS}" if line[:1] == "@" else line[1:])
        for line in diff[2:]
    ]


def _shown(value: Any) -> Any:
    # A list of names reads better as a line than as JSON.
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return value

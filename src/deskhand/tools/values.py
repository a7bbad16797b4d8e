"""What an agent may be granted: providers, their operations, and grants. Values alone; nothing here acts.

A provider declares each of its operations once, and everything else is read from there: what may be saved, what
``GET /api/v1/tools`` lists, what a model is offered, which of its arguments pass, and how a doubt is settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from deskhand.plugins.contract import Access, Operation

Schema = Mapping[str, Any]


class Mode(StrEnum):
    """How an operation is granted; one that is not named is not granted."""

    ALLOW = "allow"
    APPROVE = "approve"


class Risk(StrEnum):
    """How much a write that turns out wrong costs; whoever approves one reads it.

    - ``low``: seen inside alone, and taken back in a moment.
    - ``medium``: seen inside, and others act on it.
    - ``high``: leaves the house, or tells the requester that something is over.
    """

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Scope(StrEnum):
    """Which tickets an operation may touch.

    - ``own``: the ticket that started the run.
    - ``listed``: that one, and tickets this run found by a granted search.
    - ``any``: every ticket that the connection shows.
    """

    OWN = "own"
    LISTED = "listed"
    ANY = "any"


class Kind(StrEnum):
    """What kind of provider a tool is."""

    DESK = "desk"
    KNOWLEDGE = "knowledge"
    MAIL = "mail"
    CHAT = "chat"
    WEBHOOK = "webhook"
    HTTP = "http"
    OPENAPI = "openapi"
    MCP = "mcp"


class Doubt(StrEnum):
    """How it is settled whether an operation that was begun by a worker that died has happened.

    - ``repeat``: it is done again; twice is as once.
    - ``mark``: the desk is asked for the mark that the write carries.
    - ``person``: nobody can be asked, so the run waits for a person. It is never done again silently.
    """

    REPEAT = "repeat"
    MARK = "mark"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOperation:
    """One thing an agent may be granted.

    Attributes:
        name: Unique within the provider.
        description: One line; a model reads it at every call.
        arguments: JSON schema of the arguments, an object.
        result: JSON schema of what comes back.
        access: Read or write.
        doubt: How a doubt is settled.
        scopes: What a grant may narrow it to; empty for what concerns no single ticket.
        cost: What one call costs, in words.
        requires: What a desk must be able to do for it.
        for_model: Whether a model may call it; what is not is used by the run itself.
        risk: Of a write that turns out wrong, on the run's own ticket.
    """

    name: str
    description: str
    arguments: Schema
    result: Schema
    access: Access
    doubt: Doubt = Doubt.REPEAT
    scopes: tuple[Scope, ...] = ()
    cost: str
    requires: Operation | None = None
    for_model: bool = True
    risk: Risk = Risk.LOW

    @property
    def is_write(self) -> bool:
        """Whether it changes something outside."""
        return self.access is Access.WRITE


@dataclass(frozen=True, slots=True)
class Provider:
    """One tool: what ``tool_id`` names, and what it can do.

    Attributes:
        prefixed: Whether a model always reads the tool's name before the operation's, which says too little alone.
    """

    tool_id: str
    name: str
    kind: Kind
    operations: tuple[ToolOperation, ...]
    prefixed: bool = False

    def operation(self, name: str) -> ToolOperation | None:
        """The operation of that name, or None."""
        return next((one for one in self.operations if one.name == name), None)


A_DAY = 24 * 60
"""Minutes that a call waits for approval where the grant does not say."""


@dataclass(frozen=True, slots=True)
class Grant:
    """How one operation is granted.

    Attributes:
        approver: Role that somebody needs who approves a call.
        wait_minutes: How long a call waits for an answer.
        answer_hours: Of a question to the requester: how long the run waits; None: two working days by the calendar.
    """

    mode: Mode = Mode.ALLOW
    scope: Scope = Scope.OWN
    approver: str = "operator"
    wait_minutes: int = A_DAY
    answer_hours: int | None = None


Grants = Mapping[str, Grant]
"""Of one tool: operation to grant."""

PLAIN = Grant()


def guarded(grants: Grants, provider: Provider) -> dict[str, Grant]:
    """The same grants, with a person's approval before each write."""
    writes = {operation.name for operation in provider.operations if operation.is_write}
    return {name: replace(grant, mode=Mode.APPROVE) if name in writes else grant for name, grant in grants.items()}


def read_grants(stored: object) -> dict[str, Grant]:
    """Grants as a version holds them: a plain list means ``allow`` and ``own``."""
    if isinstance(stored, Mapping):
        return {str(name): _read_grant(how) for name, how in sorted(stored.items())}
    # Sorted, so that the same grants make the same snapshot, and no new version of an agent.
    return dict.fromkeys(sorted(map(str, stored)), PLAIN) if isinstance(stored, Iterable) else {}


def stored_grants(grants: Grants) -> list[str] | dict[str, dict[str, Any]]:
    """The form in which grants are stored and shown: the plain list wherever it says everything."""
    # The plain list is what agents had before grants had modes; whoever sent one gets one back.
    if all(grant == PLAIN for grant in grants.values()):
        return sorted(grants)
    return {name: _stored_grant(grants[name]) for name in sorted(grants)}


def _read_grant(how: Mapping[str, Any]) -> Grant:
    grant = Grant(Mode(how["mode"]), Scope(how["scope"]), answer_hours=how.get("answer_hours"))
    if grant.mode is not Mode.APPROVE:
        return grant
    return replace(grant, approver=how.get("approver", grant.approver), wait_minutes=how.get("wait_minutes", A_DAY))


def _stored_grant(grant: Grant) -> dict[str, Any]:
    stored: dict[str, Any] = {"mode": grant.mode.value, "scope": grant.scope.value}
    if grant.answer_hours is not None:
        stored["answer_hours"] = grant.answer_hours
    # Who answers and how long it waits means nothing of what is allowed, and is not kept there.
    if grant.mode is not Mode.APPROVE:
        return stored
    return {**stored, "approver": grant.approver, "wait_minutes": grant.wait_minutes}

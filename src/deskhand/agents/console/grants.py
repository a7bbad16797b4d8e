"""What an agent may do, as a form: the operations to choose from, what was typed, what it would change. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deskhand.agents.console.words import SCOPE_WORDS, granted
from deskhand.errors import FieldProblem
from deskhand.tools import desk
from deskhand.tools.asking import ASK, SPEAKS
from deskhand.tools.offered import OfferedTool
from deskhand.tools.values import Grants, Kind, Provider, Risk, Scope, ToolOperation

LIMITS = ("scope", "approver", "wait_minutes", "answer_hours")
_NUMBERS = ("wait_minutes", "answer_hours")

KIND_WORDS: Mapping[Kind, str] = {
    Kind.DESK: "Desk",
    Kind.KNOWLEDGE: "What your organisation knows",
    Kind.MAIL: "Mail to addresses that your organisation allows",
    Kind.CHAT: "Channels that your organisation set up",
    Kind.WEBHOOK: "Receivers that your organisation set up",
    Kind.HTTP: "Hosts that your organisation allows",
    Kind.OPENAPI: "Your organisation's own service (OpenAPI)",
    Kind.MCP: "Your organisation's own server (MCP)",
}
RISK_WORDS: Mapping[Risk, str] = {
    Risk.LOW: "",
    Risk.MEDIUM: "Others act on it",
    Risk.HIGH: "Leaves the house, or tells the requester that something is over",
}

Typed = Mapping[str, str]
"""The boxes of the form by their names, such as ``mode/jira/reply``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operation to choose.

    Attributes:
        key: Tool and operation, as the names of its boxes end.
        values: What stands in its boxes.
        scopes: What it may be narrowed to, in words; empty where there is nothing to choose.
        is_offered: False of what the desk's plugin cannot do.
        fault: What is wrong with what was typed.
    """

    key: str
    name: str
    description: str
    is_write: bool
    risk: str = ""
    values: Mapping[str, str]
    scopes: tuple[tuple[str, str], ...] = ()
    is_offered: bool = True
    fault: str = ""

    @property
    def speaks(self) -> bool:
        """Whether a requester reads its words, for which a model is shown public sources alone."""
        return self.name in SPEAKS

    @property
    def asks(self) -> bool:
        """Whether it waits for the requester's answer."""
        return self.name == ASK


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """One tool with all that it can do."""

    tool_id: str
    name: str
    kind: str
    is_connected: bool
    rows: tuple[Row, ...]

    @property
    def chosen(self) -> int:
        """How many of its operations are granted."""
        return sum(bool(row.values["mode"]) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation that a change grants, takes away, or grants otherwise.

    Attributes:
        how: How it is granted afterwards; before, where it is taken away.
        was: How it was, of one that is granted otherwise.
    """

    tool: str
    name: str
    is_write: bool
    how: str
    was: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """What an agent gains and loses by a change of its grants."""

    gained: tuple[Step, ...]
    lost: tuple[Step, ...]
    otherwise: tuple[Step, ...]

    def __bool__(self) -> bool:
        return bool(self.gained or self.lost or self.otherwise)


def typed_of(present: Mapping[str, Grants]) -> dict[str, str]:
    """The boxes as they stand for an agent's grants."""
    typed: dict[str, str] = {}
    for tool_id, grants in present.items():
        for name, grant in grants.items():
            boxes = {
                "mode": grant.mode.value,
                "scope": grant.scope.value,
                "approver": grant.approver,
                "wait_minutes": str(grant.wait_minutes),
                "answer_hours": "" if grant.answer_hours is None else str(grant.answer_hours),
            }
            typed |= {f"{box}/{tool_id}/{name}": value for box, value in boxes.items()}
    return typed


def boxes_in(form: Iterable[tuple[str, object]]) -> dict[str, str]:
    """The boxes of grants among all that a form sent."""
    return {
        key: value
        for key, value in form
        if isinstance(value, str) and key.count("/") == 2 and key.partition("/")[0] in ("mode", *LIMITS)
    }


def body_of(typed: Typed) -> dict[str, Any]:
    """The part of the body of ``PATCH`` that the boxes amount to; the schema of the API judges it."""
    operations: dict[str, dict[str, Any]] = {}
    for key, mode in typed.items():
        box, tool_id, name = key.split("/")
        if box != "mode" or not mode:
            continue
        limits = {limit: typed.get(f"{limit}/{tool_id}/{name}", "").strip() for limit in LIMITS}
        given = {limit: _number(value) if limit in _NUMBERS else value for limit, value in limits.items() if value}
        operations.setdefault(tool_id, {})[name] = {"mode": mode, **given}
    return {"tool_ids": sorted(operations), "tool_operations": operations}


def choices(tools: Sequence[OfferedTool], typed: Typed, faults: Mapping[str, str]) -> list[ToolChoice]:
    """The tools that are open on the page: those with a box, in the catalogue's order.

    Args:
        tools: Everything the tenant has.
        typed: What stands in the boxes.
        faults: What is wrong, by tool and operation.
    """
    with_boxes = {key.split("/")[1] for key in typed}
    return [_choice(one, typed, faults) for one in tools if one.provider.tool_id in with_boxes]


def opened(provider: Provider) -> dict[str, str]:
    """The boxes of a tool that is opened, none of them chosen."""
    return {f"mode/{provider.tool_id}/{one.name}": "" for one in provider.operations}


def difference(
    before: Mapping[str, Grants], after: Mapping[str, Grants], providers: Mapping[str, Provider]
) -> Difference:
    """What a change grants and takes away; what a tool does not offer any more is taken away, too."""
    gained, lost, otherwise = [], [], []
    for tool_id in sorted({*before, *after}):
        old, new, provider = before.get(tool_id, {}), after.get(tool_id, {}), providers.get(tool_id)
        for name in sorted({*old, *new}):
            if name not in old:
                gained.append(_step(tool_id, provider, name, new))
            elif name not in new:
                lost.append(_step(tool_id, provider, name, old))
            elif old[name] != new[name]:
                otherwise.append(_step(tool_id, provider, name, new, was=old))
    return Difference(tuple(gained), tuple(lost), tuple(otherwise))


def faults_of(faults: Sequence[FieldProblem]) -> dict[str, str]:
    """What is wrong with each operation, by tool and operation as the names of the boxes end."""
    found: dict[str, str] = {}
    for fault in faults:
        parts = fault.pointer.split("/")[1:]
        if len(parts) >= 3 and parts[0] == "tool_operations":
            found.setdefault(f"{parts[1]}/{parts[2]}", fault.detail)
    return found


def _choice(tool: OfferedTool, typed: Typed, faults: Mapping[str, str]) -> ToolChoice:
    provider = tool.provider
    rows = [_row(provider, one, typed, faults) for one in provider.operations]
    if provider.kind is Kind.DESK:
        rows += [_absent(provider, one) for one in desk.OPERATIONS if provider.operation(one.name) is None]
    # Reading first, and what is not offered at the end: the page is read from above.
    rows.sort(key=lambda row: (not row.is_offered, row.is_write))
    return ToolChoice(
        tool_id=provider.tool_id,
        name=provider.name,
        kind=KIND_WORDS[provider.kind],
        is_connected=tool.is_connected,
        rows=tuple(rows),
    )


def _row(provider: Provider, operation: ToolOperation, typed: Typed, faults: Mapping[str, str]) -> Row:
    key = f"{provider.tool_id}/{operation.name}"
    # Where there is one scope there is nothing to choose, and the first is what a grant has that names none.
    scopes = operation.scopes if len(operation.scopes) > 1 else ()
    usual = {"scope": Scope.OWN.value, "approver": "operator", "wait_minutes": "1440"}
    return Row(
        key=key,
        name=operation.name,
        description=operation.description,
        is_write=operation.is_write,
        risk=RISK_WORDS[operation.risk] if operation.is_write else "",
        values={box: typed.get(f"{box}/{key}") or usual.get(box, "") for box in ("mode", *LIMITS)},
        scopes=tuple((scope.value, SCOPE_WORDS[scope]) for scope in scopes),
        fault=faults.get(key, ""),
    )


def _absent(provider: Provider, operation: ToolOperation) -> Row:
    return Row(
        key=f"{provider.tool_id}/{operation.name}",
        name=operation.name,
        description=operation.description,
        is_write=operation.is_write,
        values={"mode": ""},
        is_offered=False,
    )


def _step(tool_id: str, provider: Provider | None, name: str, grants: Grants, *, was: Grants | None = None) -> Step:
    told = granted(name, grants[name], provider)
    tool = tool_id if provider is None else provider.name
    return Step(tool, name, told.is_write, told.how, "" if was is None else granted(name, was[name], provider).how)


def _number(typed: str) -> int | str:
    """What is no number stays a text, which the schema refuses by its own sentence."""
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else typed

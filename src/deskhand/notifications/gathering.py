"""Facts put together by their cause: five hundred failures of one cause are one line with a number. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from deskhand.notifications.models import Kind

MOST_CAUSES = 100
"""Lines of one message; further causes are counted in one more."""
MOST_TICKETS = 5
MORE = "more"
NOT_ANSWERED = 3
"""Runs that got no answer before a desk or model counts as gone: one may have met a hiccup."""
WITHIN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact as it is gathered; ``label`` is the name of the agent, desk, model or budget that it is about."""

    fact_key: str
    kind: Kind
    cause: str
    label: str
    detail: str = ""
    subject_id: UUID | None = None
    ticket: str | None = None
    happened_at: datetime


@dataclass(slots=True)
class Line:
    """What has happened of one cause: how often, from when to when, and on which tickets."""

    kind: str
    label: str
    detail: str
    count: int
    first_at: datetime
    last_at: datetime
    subject_id: str | None = None
    tickets: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As stored."""
        return {
            "kind": self.kind,
            "label": self.label,
            "detail": self.detail,
            "count": self.count,
            "first_at": self.first_at.isoformat(),
            "last_at": self.last_at.isoformat(),
            "subject_id": self.subject_id,
            "tickets": self.tickets,
        }


def lines_of(items: Mapping[str, Any]) -> dict[str, Line]:
    """The lines of a message, by cause, in the order in which they came; what is beyond the number is last."""
    lines = {
        key: Line(
            kind=one["kind"],
            label=one["label"],
            detail=one["detail"],
            count=one["count"],
            first_at=datetime.fromisoformat(one["first_at"]),
            last_at=datetime.fromisoformat(one["last_at"]),
            subject_id=one["subject_id"],
            tickets=list(one["tickets"]),
        )
        for key, one in items.items()
    }
    # The database keeps the keys of a document in an order of its own.
    return dict(sorted(lines.items(), key=lambda item: (item[0] == MORE, item[1].first_at)))


def key_of(fact: Fact) -> str:
    """Under which a fact is counted."""
    return f"{fact.kind}|{fact.cause}"


def add(items: Mapping[str, Any], facts: Iterable[Fact]) -> dict[str, Any]:
    """The lines of a message with these facts among them."""
    lines = lines_of(items)
    for fact in facts:
        key = key_of(fact)
        if key not in lines and len(lines) >= MOST_CAUSES:
            key = MORE
        line = lines.get(key)
        if line is None:
            lines[key] = _first(fact, rest=key == MORE)
            continue
        line.count += 1
        line.first_at, line.last_at = min(line.first_at, fact.happened_at), max(line.last_at, fact.happened_at)
        if fact.ticket and fact.ticket not in line.tickets and len(line.tickets) < MOST_TICKETS:
            line.tickets.append(fact.ticket)
        if str(fact.subject_id) != line.subject_id:
            line.subject_id = None  # of several no single page tells
    return {key: line.as_json() for key, line in lines.items()}


def _first(fact: Fact, *, rest: bool) -> Line:
    if rest:
        return Line(MORE, "", "", 1, fact.happened_at, fact.happened_at)
    return Line(
        kind=fact.kind.value,
        label=fact.label,
        detail=fact.detail,
        count=1,
        first_at=fact.happened_at,
        last_at=fact.happened_at,
        subject_id=None if fact.subject_id is None else str(fact.subject_id),
        tickets=[fact.ticket] if fact.ticket else [],
    )


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is to be told, what concerns nobody any more, and what more of its kind must come for.

    Attributes:
        waiting: By fact, until when it may still count.
    """

    told: Sequence[Fact]
    waiting: Mapping[str, datetime]


def sift(facts: Sequence[Fact], now: datetime) -> Sifted:
    """Leave out desks and models that did not answer once or twice: nobody is to be woken for that."""
    missed: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.kind is Kind.CONNECTION:
            missed.setdefault(fact.cause, []).append(fact)
    few = {
        cause for cause, ones in missed.items() if sum(now - one.happened_at <= WITHIN for one in ones) < NOT_ANSWERED
    }
    waiting = {
        one.fact_key: one.happened_at + WITHIN
        for cause in few
        for one in missed[cause]
        if one.happened_at + WITHIN > now
    }
    told = [fact for fact in facts if fact.kind is not Kind.CONNECTION or fact.cause not in few]
    return Sifted(told, waiting)


def due_at(
    facts: Iterable[Fact],
    told: Mapping[str, datetime],
    *,
    now: datetime,
    gather: timedelta,
    repeat: timedelta,
    free: datetime | None,
) -> datetime:
    """When a message with these facts leaves.

    Args:
        facts: What is new in it.
        told: By cause, when the recipient was told of it last.
        now: The present moment.
        gather: How long further facts are waited for.
        repeat: How long a cause is not told again.
        free: Until when the recipient is left alone.
    """
    earliest = min(max(now + gather, told[key] + repeat) if key in told else now + gather for key in map(key_of, facts))
    return earliest if free is None else max(earliest, free)

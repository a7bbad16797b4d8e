"""What a notification says: what happened, how often, on which tickets, and where to look.

As in a notice of approvals, nothing that a requester or a model has written leaves so; a ticket is its number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deskhand.kit.words import plain
from deskhand.notifications.gathering import MORE, Line
from deskhand.notifications.models import Kind, Pace
from deskhand.notifications.outbox import Message

SHOWN = 30
"""Causes of one message that are listed; the rest is counted."""
IN_CHAT = 15


def subject(message: Message) -> str:
    """What the mail is about."""
    name = plain(message.tenant.name)
    if message.pace == Pace.DIGEST:
        return f"Deskhand, the last day: {_number(message)} ({name})"
    first = message.lines[0]
    if len(message.lines) == 1:
        return f"{line_in_words(first)} ({name})"
    return f"{line_in_words(first)}, and {len(message.lines) - 1} more ({name})"


def body(message: Message, public_url: str, stop: str) -> str:
    """A mail to one person."""
    parts = [f"{_number(message)} in {plain(message.tenant.name)}.", ""]
    for number, line in enumerate(message.lines[:SHOWN], 1):
        parts += [
            f"{number}. {line_in_words(line)}",
            *(f"   {more}" for more in _more(line)),
            f"   {_address(line, public_url)}",
            "",
        ]
    if len(message.lines) > SHOWN:
        parts += [f"… and {len(message.lines) - SHOWN} more causes.", ""]
    parts += [
        f"What you are told of, at once or once a day: {public_url}/notifications",
        f"Stop these mails without signing in: {stop}",
    ]
    return "\n".join(parts) + "\n"


def chat(message: Message) -> str:
    """A message to a channel; its button is not part of it."""
    lines = [f"**{_number(message)} in {plain(message.tenant.name)}**"]
    lines += ["• " + "; ".join([line_in_words(line), *_more(line)]) for line in message.lines[:IN_CHAT]]
    if len(message.lines) > IN_CHAT:
        lines.append(f"… and {len(message.lines) - IN_CHAT} more causes.")
    return "\n".join(lines)


def first_address(message: Message, public_url: str) -> str:
    """Where a channel's button leads: to signing in, and then to what happened."""
    return _address(message.lines[0], public_url) if len(message.lines) == 1 else f"{public_url}/home"


def _number(message: Message) -> str:
    number = sum(line.count for line in message.lines)
    return "Something needs a look" if number == 1 else f"{number} things need a look"


def _failure(line: Line) -> str:
    why = f": {plain(line.detail)}" if line.detail else ""
    return f"{_runs(line)} of {plain(line.label)} failed{why}"


def _doubt(line: Line) -> str:
    return f"{_count(line, 'write')} of {plain(line.label)} {'is' if line.count == 1 else 'are'} in doubt"


def _approval(line: Line) -> str:
    return f"{_count(line, 'call')} of {plain(line.label)} {'waits' if line.count == 1 else 'wait'} for a yes"


def _connection(line: Line) -> str:
    # A dot makes an address of a name, for a mail program; of a model's version it is better lost.
    name = plain(line.label.replace(".", "-"))
    return f"The {plain(line.detail)} {name} did not answer {_runs(line)}"


def _storm(line: Line) -> str:
    return f"An outage on {plain(line.label)}: {plain(line.detail)} tickets report the same"


def _published(line: Line) -> str:
    return f"{_count(line, 'internal note')} of {plain(line.label)} became public, and the agent is paused"


def _runs(line: Line) -> str:
    return _count(line, "run")


def _count(line: Line, noun: str) -> str:
    return f"{line.count} {noun}" if line.count == 1 else f"{line.count} {noun}s"


_WORDS: Mapping[str, Callable[[Line], str]] = {
    Kind.FAILURE: _failure,
    Kind.DOUBT: _doubt,
    Kind.APPROVAL: _approval,
    Kind.BUDGET_WARNING: lambda line: f"The budget of {line.label} is near its end",
    Kind.BUDGET_STOP: lambda line: f"The budget of {line.label} is used up: calls of models are refused",
    Kind.CONNECTION: _connection,
    Kind.SCHEDULE: lambda line: f"A schedule of {plain(line.label)} stopped: it has no next time",
    Kind.AUDIT: lambda _line: "The audit log does not verify",
    Kind.STORM: _storm,
    Kind.PUBLISHED: _published,
    MORE: lambda line: f"{line.count} more of other causes",
}
_PAGES: Mapping[str, str] = {
    Kind.FAILURE: "/executions?status=failed",
    Kind.DOUBT: "/executions?status=waiting",
    Kind.APPROVAL: "/approvals",
    Kind.BUDGET_WARNING: "/costs",
    Kind.BUDGET_STOP: "/costs",
    Kind.CONNECTION: "/operations",
    Kind.SCHEDULE: "/schedules",
    Kind.AUDIT: "/audit",
    Kind.STORM: "/storms",
    Kind.PUBLISHED: "/executions",
}
_OF_ONE = frozenset((Kind.FAILURE, Kind.DOUBT, Kind.PUBLISHED))


def line_in_words(line: Line) -> str:
    """What happened, in a sentence without its full stop."""
    return _WORDS[line.kind](line)


def _more(line: Line) -> list[str]:
    found = []
    if line.tickets:
        rest = ", and others" if line.count > len(line.tickets) else ""
        found.append(f"Tickets: {', '.join(plain(one, most=40) for one in line.tickets)}{rest}")
    at = f"{line.first_at:%Y-%m-%d %H:%M} UTC"
    found.append(at if line.count == 1 else f"{at} to {line.last_at:%Y-%m-%d %H:%M} UTC")
    return found


def _address(line: Line, public_url: str) -> str:
    if line.kind == Kind.STORM and line.subject_id is not None:
        return f"{public_url}/storms/{line.subject_id}"
    if line.kind in _OF_ONE and line.subject_id is not None:
        return f"{public_url}/executions/{line.subject_id}"
    return f"{public_url}{_PAGES.get(line.kind, '/home')}"

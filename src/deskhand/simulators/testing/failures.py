"""Every operation and every way a desk can fail: the two sides of the failure table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from deskhand.plugins.contract import (
    NoteDraft,
    Operation,
    TicketChanges,
    TicketDraft,
    TicketingToolPlugin,
    TicketLink,
    TicketQuery,
    ValueKind,
    WorkLog,
)
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskConflictError,
    DeskError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskUnavailableError,
)
from deskhand.plugins.further import FurtherOperations
from deskhand.simulators.base import Fault
from deskhand.simulators.testing.harness import READ_TIMEOUT, Vocabulary

ErrorT = TypeVar("ErrorT", bound=BaseException)
Call = Callable[[TicketingToolPlugin, Vocabulary, str], Awaitable[object]]
MARK = "dh-0123456789abcdef0123"
OTHER_MARK = "dh-ffffffffffffffffffff"

DRAFT = TicketDraft(subject="Scanner of floor 4 is dead", description="It does not even **hum**.")
ELSEWHERE = TicketLink(url="https://tracker.corp.test/browse/OPS-7", title="OPS-7")

WORK = WorkLog(
    minutes=95, text="Looked through **three** logs.", started_at=datetime(2026, 11, 20, 9, tzinfo=UTC), mark=MARK
)

CALLS: dict[str, Call] = {
    "get_ticket": lambda plugin, _words, ticket: plugin.get_ticket(ticket),
    "search_tickets": lambda plugin, _words, _ticket: plugin.search_tickets(TicketQuery(text="printer")),
    "list_history": lambda plugin, _words, _ticket: plugin.list_history(datetime(2020, 1, 1, tzinfo=UTC)),
    "list_notes": lambda plugin, _words, ticket: plugin.list_notes(ticket),
    "ticket_changes": lambda plugin, _words, ticket: plugin.ticket_changes(ticket),
    "list_values": lambda plugin, _words, _ticket: plugin.list_values(ValueKind.PRIORITIES),
    "add_note": lambda plugin, _words, ticket: plugin.add_note(ticket, NoteDraft(body="hello", mark=MARK)),
    "update_note": lambda plugin, _words, ticket: plugin.update_note(ticket, "1", NoteDraft(body="anew", mark=MARK)),
    "reply": lambda plugin, _words, ticket: plugin.reply(ticket, "hello", mark=MARK),
    "create_ticket": lambda plugin, _words, _ticket: plugin.create_ticket(DRAFT, mark=MARK),
    "link_tickets": lambda plugin, _words, ticket: plugin.link_tickets(ticket, ELSEWHERE, mark=MARK),
    "log_time": lambda plugin, _words, ticket: plugin.log_time(ticket, WORK),
    "update_ticket": lambda plugin, _words, ticket: plugin.update_ticket(ticket, TicketChanges(subject="other")),
    "assign": lambda plugin, words, ticket: plugin.assign(ticket, assignee_email=words.technician),
    "transition": lambda plugin, words, ticket: plugin.transition(ticket, words.working_status),
    "resolve": lambda plugin, _words, ticket: plugin.resolve(ticket, "done", mark=MARK),
    "find_write": lambda plugin, _words, ticket: plugin.find_write(ticket, MARK),
}
WRITES = ("add_note", "reply", "update_ticket", "assign", "transition", "resolve", "link_tickets")

FAILURES: dict[str, tuple[Fault, type[DeskError]]] = {
    "401": (Fault(status=401), DeskAuthError),
    "403": (Fault(status=403), DeskPermissionError),
    "404": (Fault(status=404), DeskNotFoundError),
    "409": (Fault(status=409), DeskConflictError),
    "412": (Fault(status=412), DeskConflictError),
    "429": (Fault(status=429, headers={"Retry-After": "7"}), DeskRateLimitedError),
    "500": (Fault(status=500), DeskUnavailableError),
    "503": (Fault(status=503), DeskUnavailableError),
    # Twice the time that the plugin waits: enough on a busy machine, and still a short test.
    "slow": (Fault(kind="slow", delay=2 * READ_TIMEOUT), DeskUnavailableError),
    "outage": (Fault(kind="outage"), DeskUnavailableError),
    "garbage": (Fault(kind="garbage"), DeskProtocolError),
}


def offers(plugin: TicketingToolPlugin, call: str) -> bool:
    """Whether a desk has what a call is about; of what it has not, another test says that it is refused."""
    if call == "read_file":
        return type(plugin).read_file is not FurtherOperations.read_file
    named = {operation.value: operation for operation in Operation}
    return call not in named or named[call] in plugin.manifest.operations


async def raised(kind: type[ErrorT], call: Awaitable[object]) -> ErrorT:
    """The error of ``kind`` that a call raises; anything else fails the test."""
    try:
        result = await call
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got the result {result!r}")

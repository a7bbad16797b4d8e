"""What a notice says: number, agent, operation and risk of each call, and where to answer.

Mails travel, and are read on locked screens. So nothing that a requester or a model has written is in a notice, and
nothing that a mail program would make an address of but our own.
"""

from __future__ import annotations

from deskhand.approvals.notice_rows import WaitingCall
from deskhand.approvals.notices import Notice
from deskhand.kit.words import plain

SHOWN = 20
"""Calls of one notice that are listed; the rest is counted."""


def subject(notice: Notice) -> str:
    """What the mail is about."""
    return f"{_how_many(notice)} for your approval ({plain(notice.tenant.name)})"


def body(notice: Notice, public_url: str) -> str:
    """A mail to one person."""
    parts = [f"{_how_many(notice)} for an answer in {plain(notice.tenant.name)}.", ""]
    for number, call in enumerate(notice.calls[:SHOWN], 1):
        link = f"{public_url}/approvals/link?token={notice.tokens[call.id]}"
        parts += [f"{number}. {_what(call)}", f"   {_whose(call)}", f"   {link}", ""]
    parts += ["Each link shows its call first, and then answers once, in your name: keep this mail to yourself.", ""]
    parts += [*_rest(notice), f"All that waits for you: {public_url}/approvals"]
    return "\n".join(parts) + "\n"


def message(notice: Notice) -> str:
    """A message to a channel; its button is not part of it."""
    lines = [f"**{_how_many(notice)} for approval in {plain(notice.tenant.name)}**"]
    lines += [f"• {_what(call)}: {_whose(call)}" for call in notice.calls[:SHOWN]]
    return "\n".join([*lines, *_rest(notice)])


def address(notice: Notice, public_url: str) -> str:
    """Where a channel's button leads: to signing in, and then to the call, or to all of them."""
    return address_of(notice, notice.calls[0], public_url) if len(notice.calls) == 1 else f"{public_url}/approvals"


def address_of(notice: Notice, call: WaitingCall, public_url: str) -> str:
    """The page of one call."""
    return f"{public_url}/approvals/{notice.tenant_id}/{call.id}"


def _how_many(notice: Notice) -> str:
    number = len(notice.calls)
    return "1 call waits" if number == 1 else f"{number} calls wait"


def _what(call: WaitingCall) -> str:
    ticket = f" on #{plain(call.ticket_number, most=40)}" if call.ticket_number else ""
    return f"{plain(call.operation.replace('_', ' ').capitalize())}{ticket}, {call.risk} risk"


def _whose(call: WaitingCall) -> str:
    return f"{plain(call.agent_name)}, version {call.agent_version}, waits until {call.expires_at:%Y-%m-%d %H:%M} UTC"


def _rest(notice: Notice) -> list[str]:
    rest = len(notice.calls) - SHOWN
    return [f"… and {rest} more."] if rest > 0 else []

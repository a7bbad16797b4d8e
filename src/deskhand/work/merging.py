"""Tickets that were merged into another one: a run about such a ticket ends, and nothing is written on it.

Only the desk knows what a person merged, and it may happen at any moment of a run. So it is asked of every look at the
ticket: at the first one, at those before a write, and of an answer that says that there is no such ticket any more.
"""

from __future__ import annotations

from deskhand.plugins.contract import Ticket

GONE = "The ticket is gone from the desk, deleted or merged into another one; nothing was written."


def why_merged(ticket: Ticket) -> str | None:
    """Why nothing is written on a ticket, in a sentence; None if it stands by itself."""
    if ticket.merged_into is None:
        return None
    other = f"ticket {ticket.merged_into}" if ticket.merged_into else "another one"
    return f"The ticket was merged into {other}; nothing was written."

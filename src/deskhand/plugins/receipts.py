"""Receipts that are made the same way on every desk."""

from __future__ import annotations

from deskhand.plugins.contract import Ticket, WriteReceipt


def created(ticket: Ticket, mark: str, *, adopted: bool = False) -> WriteReceipt:
    """Receipt of a created ticket.

    Args:
        ticket: As the desk shows it.
        mark: Of its creation.
        adopted: It was found, not created.
    """
    return WriteReceipt(
        id=ticket.id,
        ticket_id=ticket.id,
        mark=mark,
        revision=ticket.revision,
        adopted=adopted,
        display_id=ticket.display_id,
        url=ticket.url,
    )


__all__ = ["created"]

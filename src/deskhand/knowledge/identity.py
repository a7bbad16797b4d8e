"""Which stored tickets are the one that comes in: a desk's internal id and the number people see are one ticket (pure).

A file usually has the number alone, a desk gives both, and what was imported before both were kept may have either one.
Where ids and numbers look alike (both digits), one that equals the other is not proof: the subjects must agree too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from deskhand.kit.words import folded

DESK_SOURCE = "desk"
"""``source`` of what was read from a desk itself."""


@dataclass(frozen=True, slots=True)
class Settled:
    """An incoming ticket and what it becomes.

    Attributes:
        values: Its columns under its final names.
        place: Which of the incoming ones it is.
        rows: Stored rows that are the same ticket; it is written over the first, and the others go.
    """

    values: dict[str, Any]
    place: int
    rows: tuple[dict[str, Any], ...]

    @property
    def stored(self) -> dict[str, Any] | None:
        """The row it is written over."""
        return self.rows[0] if self.rows else None


def settle(incoming: Sequence[dict[str, Any]], stored: Sequence[dict[str, Any]]) -> list[Settled]:
    """Give each incoming ticket its names, and find the stored rows that are the same ticket.

    Args:
        incoming: Columns of each ticket, of which ``tool_type, ticket_id, desk_id, subject`` count here. Of two that
            are the same ticket the later counts.
        stored: Rows that have one of the names of one of them, with their ``id``.
    """
    settled: list[Settled] = []
    taken: set[UUID] = set()
    for place, values in enumerate(incoming):
        same = [one for one in settled if same_ticket(values, one.values)]
        own = [row for row in stored if row["id"] not in taken and same_ticket(values, row)]
        # A stored row belongs to one incoming ticket; two that claimed it would each delete or overwrite it.
        taken.update(row["id"] for row in own)
        rows = [*(row for one in same for row in one.rows), *own]
        named = _named(values, [*(one.values for one in same), *rows])
        # The row with the ticket's final number first: the import writes over it, and deletes the others without
        # renaming.
        rows.sort(key=lambda row: (row["ticket_id"] != named["ticket_id"], row["id"]))
        settled = [*(one for one in settled if one not in same), Settled(named, place, tuple(rows))]
    return settled


def same_ticket(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two rows of one tenant are one ticket of one desk."""
    if one["tool_type"] != other["tool_type"]:
        return False
    if one["ticket_id"] == other["ticket_id"]:
        return True
    # Both sides name the desk's own id, which decides by itself.
    if one["desk_id"] is not None and other["desk_id"] is not None:
        return bool(one["desk_id"] == other["desk_id"])
    with_id, without = (one, other) if one["desk_id"] is not None else (other, one)
    if with_id["desk_id"] is None or with_id["desk_id"] != without["ticket_id"]:
        return False
    # On such a desk id 4711 and number 4711 are usually two tickets, so a file's bare "4711" needs the same subject.
    alike = with_id["desk_id"].isdigit() and with_id["ticket_id"].isdigit()
    return not alike or without.get("source") == DESK_SOURCE or _subject(one) == _subject(other)


def _subject(row: dict[str, Any]) -> str:
    return folded(str(row["subject"]))


def _named(values: dict[str, Any], others: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A ticket under the number people see, with the internal id as far as anybody knows it."""
    if values["desk_id"] is not None:
        return values
    known = next((row for row in others if row["desk_id"] is not None), None)
    if known is None:
        return values
    # The incoming row may carry the internal id as its number; then the stored row knows what people call the ticket.
    number = known["ticket_id"] if known["desk_id"] == values["ticket_id"] else values["ticket_id"]
    return {**values, "ticket_id": number, "desk_id": known["desk_id"]}


__all__ = ["DESK_SOURCE", "Settled", "same_ticket", "settle"]

"""The newest delivery of each desk: what is said to somebody who sets one up and waits for its first word.

Deliveries to agents are rows. Where no agent listens there is none to write one for (``freshness.HistoryBell``), so the
process that heard it remembers the last, until it ends: for the minutes in which somebody sets the desk up.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from deskhand.intake.schemas import DeliveryRecord, Outcome

MOST_DESKS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One delivery, as far as a page about its desk tells it.

    Attributes:
        reason: Why it started nothing, or was refused.
        is_kept: Whether it is in the list of deliveries.
    """

    at: datetime
    outcome: Outcome
    reason: str | None = None
    http_status: int = 202
    event: str | None = None
    ticket_ref: str | None = None
    execution_id: UUID | None = None
    is_kept: bool = False


def heard_of(record: DeliveryRecord) -> Heard:
    """What a row says."""
    return Heard(
        at=record.received_at,
        outcome=record.outcome,
        reason=record.reason,
        http_status=record.http_status,
        event=record.event,
        ticket_ref=record.ticket_ref,
        execution_id=record.execution_id,
        is_kept=True,
    )


class LastHeard:
    """The last delivery to each desk's own address at which no agent listened, of the desks that spoke last."""

    def __init__(self) -> None:
        self._heard: OrderedDict[tuple[str, str], Heard] = OrderedDict()

    def keep(self, tenant_id: str, tool_type: str, heard: Heard) -> None:
        """Remember it instead of the one before. Only of addresses that exist: a stranger can invent any other."""
        self._heard[tenant_id, tool_type] = heard
        self._heard.move_to_end((tenant_id, tool_type))
        while len(self._heard) > MOST_DESKS:
            self._heard.popitem(last=False)

    def of(self, tenant_id: str, tool_type: str) -> Heard | None:
        """The last of this desk, if this process heard one."""
        return self._heard.get((tenant_id, tool_type))

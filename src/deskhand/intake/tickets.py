"""What came in about one ticket."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.intake import repository
from deskhand.intake.schemas import DeliveryRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Which deliveries are about a ticket.

    Attributes:
        names: Its id, and its number where no other ticket can have it as its id.
        runs: Runs that it started; what started or joined one is about it.
        since: The oldest of what started nothing; None: however old.
        until: The newest of that.
    """

    tool_type: str
    names: Collection[str]
    runs: Collection[UUID]
    since: datetime | None = None
    until: datetime | None = None


async def deliveries_about(session: AsyncSession, about: About, *, limit: int) -> list[tuple[DeliveryRecord, str]]:
    """Deliveries about a ticket, each with the name of the agent it came to, newest first.

    What started nothing is looked for among the newest deliveries alone.
    """
    records = await repository.deliveries_of_ticket(
        session, about.tool_type, about.names, about.runs, since=about.since, until=about.until, limit=limit
    )
    agents = await repository.agent_names(session, {one.agent_id for one in records})
    return [(one, agents[one.agent_id]) for one in records]

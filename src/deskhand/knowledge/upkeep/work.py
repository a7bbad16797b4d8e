"""A job under way in one process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import LostClaimError
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge.boundaries import boundaries_of
from deskhand.knowledge.embedding import Embedder
from deskhand.knowledge.listing import ListingWatch
from deskhand.knowledge.upkeep import repository
from deskhand.knowledge.upkeep.repository import JobClaim
from deskhand.plugins.contract import TicketingToolPlugin
from deskhand.tenants.boundaries import Boundaries


@dataclass
class Work:
    """A job under way in this process.

    Attributes:
        desk: None for vectors.
        watch: Sees whether the desk's listing comes to an end.
    """

    db: Database
    claim: JobClaim
    lease: float
    embedder: Embedder
    desk: TicketingToolPlugin | None = None
    watch: ListingWatch = field(default_factory=ListingWatch)

    async def save(self, session: AsyncSession, **values: Any) -> None:
        """Write what was done, inside the transaction that did it.

        Raises:
            LostClaimError: The job was paused, or another worker has it: nothing of this transaction is kept.
        """
        if not await repository.save(session, self.claim, self.lease, **values):
            raise LostClaimError("The job was paused or taken over.")

    async def save_alone(self, **values: Any) -> None:
        """The same where nothing else is written."""
        async with self.db.tenant_session(self.claim.tenant_id, companies=EVERY_COMPANY) as session:
            await self.save(session, **values)

    async def boundaries(self) -> Boundaries:
        """The tenant's rules as they are now."""
        async with self.db.tenant_session(self.claim.tenant_id, companies=EVERY_COMPANY) as session:
            return await boundaries_of(session)

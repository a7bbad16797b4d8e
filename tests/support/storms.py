"""An outage of which tickets have told."""

from __future__ import annotations

from uuid import uuid4

from deskhand.kit.clock import utc_now
from deskhand.kit.db.session import Database
from deskhand.storms.models import StormReport, TicketStorm


async def blown(db: Database, tenant: str) -> str:
    """The id of a storm of a tenant's that goes on, with its first ticket."""
    now = utc_now()
    async with db.tenant_session(tenant) as session:
        storm = TicketStorm(
            **{"tenant_id": tenant, "tool_type": "servicedesk_plus", "company": "7", "company_name": "Nordwind"},
            **{"first_ticket_id": f"of-{tenant}", "first_number": "1042", "execution_id": uuid4(), "told": 5},
            **{"tickets": 12, "requesters": 11, "usual": 1, "began_at": now, "last_at": now, "over_at": now},
        )
        session.add(storm)
        await session.flush()
        first = StormReport(
            **{"tenant_id": tenant, "tool_type": storm.tool_type, "ticket_id": storm.first_ticket_id, "number": "1042"},
            **{"company": "7", "execution_id": uuid4(), "reported_at": now, "words": [], "storm_id": storm.id},
        )
        session.add(first)
    return str(storm.id)

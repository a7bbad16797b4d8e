"""Tickets as they come, without desk, run and model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from deskhand.kit.db.session import Database
from deskhand.storms.likeness import digest_of, words_of
from deskhand.storms.schemas import Report
from deskhand.storms.service import Part, see
from deskhand.tenants.storm_rules import StormRules

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
VPN = "VPN gateway unreachable"
See = Callable[..., Awaitable[Part | None]]


def report(number: int, text: str = VPN, *, minutes: float = 0, **more: Any) -> Report:
    """A ticket that came so many minutes after nine, of a requester of its own."""
    values: dict[str, Any] = {
        **{"tool_type": "jira", "ticket_id": str(number), "number": f"IT-{number}", "company": "", "company_name": ""},
        **{"requester": digest_of(f"person-{number}"), "execution_id": UUID(int=number)},
        **{"reported_at": NOW + timedelta(minutes=minutes), "words": words_of(text), "vector": None, "model": None},
    }
    return Report(**{**values, **more})


@pytest.fixture
async def see_ticket(clean_db: Database, make_tenant: Any) -> See:
    """Looks at one ticket, in a transaction of its own; the desk has been known for a month."""
    await make_tenant("acme")

    async def look(number: int, text: str = VPN, *, rules: StormRules | None = None, **more: Any) -> Part | None:
        async with clean_db.tenant_session("acme") as session:
            return await see(session, "acme", report(number, text, **more), rules or StormRules(), now=NOW)

    for place, company in enumerate(("", "nordwind", "suedwerk")):
        await look(900 + place, "Toner for the printer", minutes=-28 * 1440, company=company)
    return look

"""A merged pair is one vote: of the two only the survivor becomes knowledge, on every desk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest
from sqlalchemy import text
from tests.knowledge.desks import solving_desk
from tests.support.desks import DESKS
from tests.support.merging import merge
from tests.support.runs import ticket

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer
from deskhand.knowledge.boundaries import may_keep
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.plugins.contract import TicketingToolPlugin
from deskhand.tenants.boundaries import NO_BOUNDARIES


@pytest.mark.parametrize("tool", DESKS)
async def test_of_a_merged_pair_the_survivor_alone_is_kept(clean_db: Database, tenant: str, tool: str) -> None:
    async with solving_desk(tool) as desk:
        survivor, source = desk.solve("VPN is down"), desk.file("VPN drops")
        merge(desk.simulator, source, survivor)
        desk.simulator.clock.advance(86_400)
        await importer.import_from_desk(
            clean_db, tenant, desk.plugin, since=datetime(2000, 1, 1, tzinfo=UTC), embedder=LexicalOnly()
        )
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        assert list(await session.scalars(text("SELECT subject FROM ticket_history"))) == ["VPN is down"]


async def test_what_was_known_of_a_ticket_that_was_merged_since_may_not_be_kept() -> None:
    nobody = cast(TicketingToolPlugin, None)
    one = ticket(is_closed=True)
    assert await may_keep(NO_BOUNDARIES, nobody, one)
    for into in ("4711", ""):
        assert not await may_keep(NO_BOUNDARIES, nobody, replace(one, merged_into=into))

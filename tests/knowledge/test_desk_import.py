"""History straight from a desk: the real plugin, the real simulator, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.knowledge import importer
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.plugins.contract import DeskContext
from deskhand.plugins.errors import DeskAuthError
from deskhand.plugins.servicedesk_plus import ServiceDeskPlusPlugin
from deskhand.plugins.servicedesk_plus.config import Dialect, ServiceDeskPlusConfig
from deskhand.simulators.base import run_in_process
from deskhand.simulators.base.faults import Fault
from deskhand.simulators.servicedesk_plus.simulator import ServiceDeskPlusSimulator

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "technician-key-of-this-test"
WORDS = LexicalOnly()


@asynccontextmanager
async def open_desk(url: str, *, key: str = KEY) -> AsyncIterator[ServiceDeskPlusPlugin]:
    config = ServiceDeskPlusConfig.model_validate(
        {"servicedesk_url": url, "servicedesk_api_key": key, "servicedesk_dialect": Dialect.ON_PREMISES}
    )
    plugin = ServiceDeskPlusPlugin(config, DeskContext(http=HttpClientFactory(allow_private=True)))
    try:
        yield plugin
    finally:
        await plugin.aclose()


@pytest.fixture
async def simulator() -> AsyncIterator[tuple[ServiceDeskPlusSimulator, str]]:
    made = ServiceDeskPlusSimulator(dialect=Dialect.ON_PREMISES, api_key=KEY, client_secret="unused", seed=1)
    who = made.store.person("maria@example.com", name="Maria")
    for number in range(120):
        made.store.add(
            str(1000 + number), subject=f"Printer {number} jams", requester=who, description="<p>It <b>jams</b>.</p>",
            status="Resolved", resolution="<p>Cleaned tray 2.</p>", priority="High",
            resolved_at=START + timedelta(hours=number),
        )  # fmt: skip
    made.store.add("5000", subject="Still open", requester=who, status="Open")
    async with run_in_process(made.build()) as server:
        yield made, server.url


async def test_resolved_tickets_arrive_page_by_page_through_limits_and_outages(
    clean_db: Database, tenant: str, simulator: tuple[ServiceDeskPlusSimulator, str]
) -> None:
    made, url = simulator
    made.faults.add(Fault(status=429, headers={"Retry-After": "0"}, count=1))
    made.faults.add(Fault(status=503, headers={"Retry-After": "0"}, count=1))
    pages: list[int] = []
    async with open_desk(url) as desk:
        report = await importer.import_from_desk(
            clean_db, tenant, desk, since=START, page_size=50, embedder=WORDS,
            progress=lambda report: pages.append(report.done),
        )  # fmt: skip
        newest = await importer.resume_point(clean_db, tenant, "servicedesk_plus")
        assert newest == START + timedelta(hours=119)
        again = await importer.import_from_desk(clean_db, tenant, desk, since=newest, embedder=WORDS)
    assert (report.created, report.failed, report.cursor) == (120, 0, None)
    assert pages[-1] == 120
    assert 50 in pages
    assert (again.created, again.updated, again.unchanged) == (0, 0, 1)
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        row = (
            await session.execute(
                text("SELECT description, resolution, priority, source FROM ticket_history WHERE desk_id = '1000'")
            )
        ).one()
    assert tuple(row) == ("It **jams**.", "Cleaned tray 2.", "high", "desk")


async def test_a_desk_that_refuses_us_ends_the_import(
    clean_db: Database, tenant: str, simulator: tuple[ServiceDeskPlusSimulator, str]
) -> None:
    async with open_desk(simulator[1], key="wrong") as desk:
        with pytest.raises(DeskAuthError):
            await importer.import_from_desk(clean_db, tenant, desk, since=START, embedder=WORDS)
    assert await importer.resume_point(clean_db, tenant, "servicedesk_plus") is None

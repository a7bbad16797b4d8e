from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.console import Console, running_console
from tests.support.logins import open_pool

from deskhand.kit.db.session import Database


@pytest.fixture
async def console(clean_db: Database, database_urls, make_tenant) -> AsyncIterator[Console]:
    """A running API with two tenants."""
    await make_tenant("acme")
    await make_tenant("globex")
    pool = await open_pool(database_urls.app_url, min_size=1, max_size=2)
    async with running_console(clean_db, pool) as running:
        yield running
    await pool.close()

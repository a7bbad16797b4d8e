from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.console import Console, console_of_two

from deskhand.kit.db.session import Database


@pytest.fixture
async def console(clean_db: Database, database_urls, make_tenant) -> AsyncIterator[Console]:
    """A running API with two tenants."""
    async with console_of_two(clean_db, database_urls.app_url, make_tenant) as running:
        yield running

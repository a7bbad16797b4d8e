from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.conftest import DatabaseUrls
from tests.support.product import Product, running_product
from tests.support.schedules import ScheduleBook

from deskhand.kit.db.session import Database, create_pool


@pytest.fixture
async def book(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[ScheduleBook]:
    """Schedules in an empty database."""
    connection = await asyncpg.connect(database_urls.superuser_url)
    yield ScheduleBook(connection)
    await connection.close()


@pytest.fixture
async def pool(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """Connections of the application role."""
    made = await create_pool(database_urls.app_url, min_size=1, max_size=4)
    yield made
    await made.close()


@pytest.fixture
async def product(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Product]:
    """API, desk and model, running; the test starts workers and schedulers."""
    async with running_product(clean_db, database_urls.app_url) as running:
        yield running

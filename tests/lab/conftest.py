"""One product, or one API, per test, on an empty database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.conftest import DatabaseUrls
from tests.support.product import Product, running_product

from deskhand.kit.db.session import Database


@pytest.fixture
async def product(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Product]:
    """API, desk and model, running; the test starts workers."""
    async with running_product(clean_db, database_urls.app_url) as running:
        yield running

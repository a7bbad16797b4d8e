"""One product, or one API, per test, on an empty database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.conftest import DatabaseUrls
from tests.support.api import Api, running_api
from tests.support.product import Product, running_product

from deskhand.kit.db.session import Database


@pytest.fixture
async def product(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Product]:
    """API, desk and model, running; the test starts workers."""
    async with running_product(clean_db, database_urls.app_url) as running:
        yield running


@pytest.fixture
async def api(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Api]:
    """The whole application."""
    async with running_api(database_urls.app_url) as running:
        yield running


@pytest.fixture
async def admin(api: Api) -> httpx2.AsyncClient:
    """The API of acme's administrator; its desk refuses at once."""
    return await api.tenant(servicedesk_url="https://127.0.0.1:9")

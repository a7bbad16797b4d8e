from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.conftest import DatabaseUrls
from tests.support.api import Api, running_api
from tests.support.console import Console, console_of_two

from deskhand.kit.db.session import Database


@pytest.fixture
async def console(clean_db: Database, database_urls, make_tenant) -> AsyncIterator[Console]:
    """A running API with two tenants."""
    async with console_of_two(clean_db, database_urls.app_url, make_tenant) as running:
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

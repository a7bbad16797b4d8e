from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.conftest import DatabaseUrls
from tests.support.api import Api, running_api

from deskhand.kit.db.session import Database


@pytest.fixture
async def api(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Api]:
    """The API and its pages, over loopback."""
    async with running_api(database_urls.app_url) as running:
        yield running

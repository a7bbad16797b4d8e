from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.conftest import DatabaseUrls
from tests.support.api import running_api
from tests.support.logins import open_pool
from tests.support.notices import running_office
from tests.support.told import Told, teller_of

from deskhand.kit.db.session import Database


@pytest.fixture
async def told(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Told]:
    """A tenant with its mail and its chats, two members, and a teller that the test drives."""
    url = database_urls.app_url
    async with (
        running_api(url) as api,
        running_office(api, url) as office,
        await open_pool(url, min_size=1, max_size=2) as pool,
    ):
        yield Told(office, teller_of(office, pool))

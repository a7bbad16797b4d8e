"""One running API with two tenants for all attacks of a file: an attack that fails changes nothing for the next one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.access.test_permissions import World, one_of_everything, routes_of
from tests.conftest import DatabaseUrls, empty_tables
from tests.support.api import running_api
from tests.support.attacks import plant_canaries
from tests.support.console import Console

from deskhand.kit.db.session import Database


@pytest.fixture(scope="module")
async def world(db: Database, database_urls: DatabaseUrls) -> AsyncIterator[World]:
    """``acme``, whose members attack, and ``globex``, whose every name bears the canary."""
    await empty_tables(database_urls.superuser_url)
    async with running_api(database_urls.app_url) as api:
        world = World(api, Console(api.url, db, api.app), list(routes_of(api.app)))
        world.own, world.foreign = await one_of_everything(world, "acme"), await one_of_everything(world, "globex")
        await plant_canaries(database_urls.superuser_url, "globex")
        yield world

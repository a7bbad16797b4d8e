"""A running API and console, and notes to judge."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.console import Console, running_console
from tests.support.lent import LENDER
from tests.support.logins import PROVER
from tests.support.verdicts import Note, write_note

from deskhand.kit.db.session import Database


@pytest.fixture
async def console(clean_db: Database, database_urls, make_tenant) -> AsyncIterator[Console]:
    """A running API with two tenants."""
    await make_tenant("acme")
    await make_tenant("globex")
    pool = await LENDER.pool(database_urls.app_url, min_size=1, max_size=2, process="worker", prover=PROVER)
    async with pool, running_console(clean_db, pool) as running:
        yield running


@pytest.fixture
async def note(console: Console) -> Note:
    """A note of acme's."""
    return await write_note(console, await console.agent())

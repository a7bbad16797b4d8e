from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.api import Api
from tests.support.identity import Pretender, pretender


@pytest.fixture
async def api(api: Api) -> Api:
    await api.tenant("acme")
    return api


@pytest.fixture
async def source() -> AsyncIterator[Pretender]:
    async with pretender() as made:
        yield made

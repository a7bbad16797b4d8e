"""A running API with two tenants, and runs that cost what is said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from tests.support.console import Console, console_of_two

from deskhand.agents.models import Agent
from deskhand.kit.db.session import Database

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MAY = {"since": "2026-05-01", "until": "2026-05-31"}
MakeRun = Callable[..., Awaitable[UUID]]


@pytest.fixture
async def console(clean_db: Database, database_urls, make_tenant) -> AsyncIterator[Console]:
    """A running API with two tenants."""
    async with console_of_two(clean_db, database_urls.app_url, make_tenant) as running:
        yield running


@pytest.fixture
def run(console: Console) -> MakeRun:
    """A run that ended as its worker would have written it."""

    async def make(agent: Agent, cost: str | None = "0.25", *, seconds: float = 4, **columns: Any) -> UUID:
        at = columns.pop("at", NOON)
        values: dict[str, Any] = {
            "status": "completed",
            "attempt": 1,
            "queued_at": at,
            "started_at": at + timedelta(seconds=1),
            "completed_at": at + timedelta(seconds=seconds),
            "token_usage": {"input_tokens": 1200, "output_tokens": 180, "model_calls": 2},
            "cost_usd": cost and Decimal(cost),
            **columns,
        }
        return await console.execution(agent, **values)

    return make

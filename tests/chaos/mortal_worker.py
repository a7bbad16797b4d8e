"""A worker process that dies, or freezes, at one chosen moment. Run as ``python -m tests.chaos.mortal_worker``.

The product's own code is untouched: the pool it is given stands between it and the database, and ends the
process right before or right after the statement that the test names.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import asyncpg

from deskhand.executions.executor import ExecutionLimits, Executor
from deskhand.executions.runner import Runner
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database, create_pool
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.telemetry import Telemetry
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.llm.gateway import GatewaySettings
from deskhand.plugins.registry import PluginManager


@dataclass(frozen=True)
class Moment:
    """When it happens: before or after a statement, for one step (by its key's start) or any."""

    statement: str = ""
    when: str = "before"
    step: str = ""
    signal: int = signal.SIGKILL

    def matches(self, query: str, values: tuple[Any, ...]) -> bool:
        if not self.statement or f"{self.statement}(" not in query:
            return False
        return not self.step or any(isinstance(v, str) and v.startswith(self.step) for v in values)


class MortalPool:
    """A pool that ends, or freezes, its own process at the moment."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], moment: Moment) -> None:
        self._pool = pool
        self._moment = moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    async def fetchrow(self, query: str, *values: Any) -> Any:
        return await self._around(query, values, lambda: self._pool.fetchrow(query, *values))

    async def fetchval(self, query: str, *values: Any) -> Any:
        return await self._around(query, values, lambda: self._pool.fetchval(query, *values))

    async def _around(self, query: str, values: tuple[Any, ...], call: Callable[[], Awaitable[Any]]) -> Any:
        due = self._moment.matches(query, values)
        if due and self._moment.when == "before":
            os.kill(os.getpid(), self._moment.signal)
        answer = await call()
        if due and self._moment.when == "after":
            os.kill(os.getpid(), self._moment.signal)
        return answer


async def main(given: dict[str, Any]) -> None:
    db = Database(given["app_url"])
    pool = await create_pool(given["app_url"], min_size=2, max_size=8)
    mortal: Any = MortalPool(pool, Moment(**given["moment"]))
    executor = Executor(
        db=db,
        pool=mortal,
        secrets=SecretBox(given["keys"]),
        http=HttpClientFactory(allow_private=True),
        plugins=PluginManager(),
        gateway=GatewaySettings(base_url=given["model_url"], api_key="sk-test", timeout=5.0),
        embedder=LexicalOnly(),
        limits=ExecutionLimits(timeout=60.0, max_cost_usd=Decimal(1)),
        telemetry=Telemetry(),
    )
    runner = Runner(mortal, executor.execute, concurrency=given.get("concurrency", 4), stale_after=given["stale_after"])
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.request_stop)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await runner.run()
    await pool.close()
    await db.dispose()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))

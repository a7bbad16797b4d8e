"""A worker process that dies, or freezes, at one chosen moment; ``nursery.py`` forks it.

The product's own code is untouched: the pool it is given stands between it and the database, and ends the
process right before or right after the statement that the test names.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import asyncpg
from sqlalchemy import event
from tests.support.logins import PROVER, open_pool

from deskhand.engine.limits import RunLimits
from deskhand.engine.runner import Runner
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.log import configure_logging
from deskhand.kit.telemetry import Telemetry
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.llm.connection import GatewaySettings
from deskhand.plugins.registry import PluginManager
from deskhand.work.executor import Executor
from deskhand.work.notices.sending import Notifier


@dataclass(frozen=True)
class Moment:
    """When it happens: before or after a statement, for one step (by its key's start) or any, of one run or any.

    Attributes:
        statement: Name of a fenced statement, or how a statement of an open transaction begins (then always "after").
    """

    statement: str = ""
    when: str = "before"
    step: str = ""
    execution: str = ""
    signal: int = signal.SIGKILL

    def matches(self, query: str, rows: Sequence[dict[str, Any]]) -> bool:
        """Whether one of the rows that go out together (see ``engine/statements.py``) is the one."""
        if not self.statement or f"{self.statement}s(" not in query:
            return False
        return any(
            row["execution"] == (self.execution or row["execution"]) and row.get("key", "").startswith(self.step)
            for row in rows
        )


class MortalPool:
    """A pool that ends, or freezes, its own process at the moment."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], moment: Moment) -> None:
        self._pool = pool
        self._moment = moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    async def fetch(self, query: str, *values: Any) -> Any:
        due = bool(values) and self._moment.matches(query, values[0])
        if due and self._moment.when == "before":
            os.kill(os.getpid(), self._moment.signal)
        answer = await self._pool.fetch(query, *values)
        if due and self._moment.when == "after":
            os.kill(os.getpid(), self._moment.signal)
        return answer


async def main(given: dict[str, Any], ready: Callable[[], None]) -> None:
    """Work until SIGTERM, or until the moment.

    Args:
        given: ``app_url``, ``keys``, ``model_url``, ``stale_after``, ``concurrency``, ``moment`` and ``worker_id``;
            with ``notices`` it tells people what waits, and works on no runs.
        ready: Called when nothing is left to do before taking work.
    """
    configure_logging()
    db = Database(given["app_url"], prover=PROVER)
    pool = await open_pool(given["app_url"], min_size=2, max_size=8)
    moment = Moment(**given["moment"])
    mortal: Any = MortalPool(pool, moment)

    @event.listens_for(db.engine.sync_engine, "after_cursor_execute")
    def inside_a_transaction(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if moment.statement and statement.startswith(moment.statement):
            os.kill(os.getpid(), moment.signal)

    if given.get("notices"):
        http = HttpClientFactory(allow_private=True)
        notifier = Notifier(pool, db, SecretBox(given["keys"]), http, public_url="https://desk.example.com")
        ready()
        await notifier.run()
        return
    executor = Executor(
        db=db,
        pool=mortal,
        secrets=SecretBox(given["keys"]),
        http=HttpClientFactory(allow_private=True),
        plugins=PluginManager(),
        gateway=GatewaySettings(base_url=given["model_url"], api_key="sk-test", timeout=5.0),
        embedder=LexicalOnly(),
        limits=RunLimits(timeout=60.0, max_cost_usd=Decimal(1)),
        telemetry=Telemetry(),
        public_url="https://desk.example.com",
    )
    runner = Runner(mortal, executor.execute, concurrency=given["concurrency"], stale_after=given["stale_after"])
    runner.worker_id = given["worker_id"] or runner.worker_id
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.request_stop)
    ready()
    await runner.run()
    await pool.close()
    await db.dispose()

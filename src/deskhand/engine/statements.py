"""The fenced statements of runs, as a worker sends them: those of many runs that come at once share a commit.

Each is one autocommit statement for the database (SQL in ``engine.sql``), so a frozen worker can hold no lock. When
the database is away they are tried again for a while: all of them are safe to repeat, because the fence decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import asyncpg
import stamina
import structlog

from deskhand.errors import UnavailableError
from deskhand.kit.db.away import DATABASE_ERRORS, is_passing
from deskhand.kit.db.group_commit import GroupCommit

log = structlog.get_logger(__name__)

T = TypeVar("T")
Row = dict[str, Any]

_STATEMENTS = {
    "start_execution": "SELECT verdict, attempt, execution FROM start_executions($1) ORDER BY ordinal",
    "begin_step": "SELECT verdict, output FROM begin_steps($1) ORDER BY ordinal",
    "end_step": "SELECT kept FROM end_steps($1) ORDER BY ordinal",
    "finish_execution": "SELECT applied, promoted FROM finish_executions($1) ORDER BY ordinal",
}


class RunStatements:
    """Start, begin a step, end it, finish; one instance for all runs of a worker.

    Args:
        pool: Connections of the application role.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        # One group per statement: rows of different statements cannot share one, and a run's own calls come one after
        # the other anyway.
        self._groups = {
            # Two groups of starts would only wait for each other: the same tenants' locks are in both.
            verb: GroupCommit(partial(_send, pool, call), order=_order, at_once=1 if verb == "start_execution" else 2)
            for verb, call in _STATEMENTS.items()
        }

    async def start_execution(self, **row: Any) -> asyncpg.Record:
        """Of tenant, execution, worker, stale_seconds."""
        return await self._put("start_execution", row)

    async def begin_step(self, **row: Any) -> asyncpg.Record:
        """Of tenant, execution, attempt, key, kind, name, idempotent, mark, input."""
        return await self._put("begin_step", row)

    async def end_step(self, **row: Any) -> asyncpg.Record:
        """Of tenant, execution, attempt, key, state, output, error, tokens_in, tokens_out, cost."""
        return await self._put("end_step", row)

    async def finish_execution(self, **row: Any) -> asyncpg.Record:
        """Of tenant, execution, attempt, status, output, error_code and _message, delay_seconds."""
        return await self._put("finish_execution", row)

    async def _put(self, name: str, row: Row) -> asyncpg.Record:
        # Repeated from here and not inside the group: a repeated row joins whatever group goes out next.
        return await steadily(lambda: self._groups[name].put(row))


async def _send(pool: asyncpg.Pool[asyncpg.Record], statement: str, rows: Sequence[Row]) -> Sequence[asyncpg.Record]:
    answers: Sequence[asyncpg.Record] = await pool.fetch(statement, rows)
    return answers


def _order(row: Row) -> tuple[str, ...]:
    # Tenant first: start_execution locks by tenant, so two workers that send the same tenants wait in one order.
    return row["tenant"], row["execution"]


async def steadily(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a fenced statement while what stops it passes by itself (``is_passing``), for at most 30 s.

    Raises:
        UnavailableError: It did not come back; the run is tried again later.
    """
    try:
        return await call()  # stamina's machinery costs as much as a statement; it is needed once in a long while
    except DATABASE_ERRORS as error:
        if not is_passing(error):
            raise
        log.warning("statement_repeated", error=str(error) or type(error).__name__)
    try:
        # Thirty seconds outlast a failover or a restart of PostgreSQL. A worker that waited longer would hold its place
        # while its heartbeat has long failed.
        async for attempt in stamina.retry_context(on=is_passing, attempts=None, timeout=30.0, wait_max=2.0):
            with attempt:
                return await call()
    except DATABASE_ERRORS as error:
        if not is_passing(error):
            raise
        raise UnavailableError("The database could not be reached.") from error
    raise AssertionError("unreachable: the loop returns or raises")

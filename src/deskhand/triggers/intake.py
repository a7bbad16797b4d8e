"""Group commit: events that arrive while a commit is under way share the next one.

A commit to disk and a round trip cost the same for one event as for thirty, and under load they are most of what
accepting costs. Nothing waits for company: an event that arrives alone is stored at once. An answer is given when the
commit that holds the event is on disk, so what was accepted stays accepted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import asyncpg

from deskhand.triggers.repository import Arrival
from deskhand.triggers.schemas import DeliveryAnswer

Store = Callable[[Sequence[Arrival]], Awaitable[list[DeliveryAnswer | None]]]


@dataclass(slots=True)
class _Waiting:
    arrival: Arrival
    answer: asyncio.Future[DeliveryAnswer | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Intake:
    """Stores arrivals, many in one statement when many come at once.

    Args:
        store: Stores arrivals in one transaction and answers in their order.
        commits: Statements under way at once.
        largest: Arrivals in one statement.
    """

    def __init__(self, store: Store, *, commits: int = 2, largest: int = 64) -> None:
        self._store = store
        self._commits = commits
        self._largest = largest
        self._waiting: list[_Waiting] = []
        self._storing: set[asyncio.Task[None]] = set()

    async def accept(self, arrival: Arrival) -> DeliveryAnswer | None:
        """Store one arrival; returns after its commit.

        Returns:
            The answer, or None if the agent has changed since the trigger was read.
        """
        entry = _Waiting(arrival)
        self._waiting.append(entry)
        if len(self._storing) < self._commits:
            task = asyncio.create_task(self._work(), name="intake")
            self._storing.add(task)
            task.add_done_callback(self._storing.discard)
        return await entry.answer

    async def _work(self) -> None:
        while self._waiting:
            batch = self._waiting[: self._largest]
            del self._waiting[: self._largest]
            # In one order everywhere: two processes that store the same tickets then wait for each other, not deadlock.
            batch.sort(key=lambda entry: entry.arrival.order)
            await self._settle(batch)

    async def _settle(self, batch: list[_Waiting]) -> None:
        try:
            answers = await self._store([entry.arrival for entry in batch])
        except asyncpg.PostgresError as error:
            if len(batch) == 1 or isinstance(error, asyncpg.PostgresConnectionError):
                _fail(batch, error)
                return
            # One of them is at fault (a character PostgreSQL refuses, say): the others must not suffer for it.
            for entry in batch:
                await self._settle([entry])
        except (OSError, asyncpg.InterfaceError, TimeoutError) as error:
            _fail(batch, error)
        else:
            for entry, answer in zip(batch, answers, strict=True):
                if not entry.answer.done():
                    entry.answer.set_result(answer)


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for entry in batch:
        if not entry.answer.done():
            entry.answer.set_exception(error)

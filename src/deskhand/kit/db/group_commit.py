"""Group commit: what is to be stored while a commit is under way shares the next one.

A commit to disk and a round trip cost the same for one row as for thirty, and under load they are most of what a small
statement costs. Nothing waits for company: what comes alone is stored at once. An answer is given when the commit that
holds its item is done, so a promise that was made is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from deskhand.kit.db.away import DATABASE_ERRORS, is_passing

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class GroupCommit(Generic[Item, Answer]):
    """Stores items, many in one statement when many come at once.

    Args:
        store: Stores items in one transaction; answers in their order.
        order: Sort key of an item. Everybody who locks the same rows uses the same order, so that two processes wait
            for each other instead of deadlocking.
        at_once: Statements under way at the same time.
        largest: Items in one statement.
    """

    def __init__(
        self,
        store: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        order: Callable[[Item], tuple[str, ...]],
        at_once: int = 2,
        largest: int = 64,
    ) -> None:
        self._store = store
        self._order = order
        self._at_once = at_once
        self._largest = largest
        self._waiting: list[_Waiting[Item, Answer]] = []
        self._active = 0
        self._storing: set[asyncio.Task[None]] = set()  # keeps the tasks from being collected

    async def put(self, item: Item) -> Answer:
        """Store one item; returns after its commit.

        Raises:
            asyncpg.PostgresError: The database refused this item.
            OSError, asyncpg.InterfaceError: The database cannot be reached; whether the item was stored is not known.
        """
        entry: _Waiting[Item, Answer] = _Waiting(item)
        self._waiting.append(entry)
        # Whoever finds a free place sends at once what waits, its own item among it; the others join the next round.
        if self._active < self._at_once:
            self._active += 1
            task = asyncio.create_task(self._work(), name="group-commit")
            self._storing.add(task)
            task.add_done_callback(self._storing.discard)
        return await entry.answer

    async def _work(self) -> None:
        # Counted here and not by the set of tasks: a task leaves that one a moment after it has seen that nothing
        # waits, and what is put in that moment would wait for ever.
        try:
            while self._waiting:
                batch = self._waiting[: self._largest]
                del self._waiting[: self._largest]
                # Sorted within the statement, because PostgreSQL takes the rows' locks in the order in which it meets
                # them.
                batch.sort(key=lambda entry: self._order(entry.item))
                await self._settle(batch)
        finally:
            self._active -= 1

    async def _settle(self, batch: list[_Waiting[Item, Answer]]) -> None:
        try:
            answers = await self._store([entry.item for entry in batch])
        except DATABASE_ERRORS as error:
            # The database is away for all of them alike; to try each by itself would only multiply the waiting.
            if len(batch) == 1 or is_passing(error):
                _fail(batch, error)
                return
            # One of them is at fault (a character that PostgreSQL refuses, say); the others must not suffer for it.
            for entry in batch:
                await self._settle([entry])
        else:
            for entry, answer in zip(batch, answers, strict=True):
                if not entry.answer.done():
                    entry.answer.set_result(answer)
        finally:
            for entry in batch:
                entry.answer.cancel()  # a bug in ``store``; nobody may wait for ever. Without effect on an answer given


def _fail(batch: Sequence[_Waiting[Item, Answer]], error: Exception) -> None:
    for entry in batch:
        if not entry.answer.done():
            entry.answer.set_exception(error)

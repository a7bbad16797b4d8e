"""The suite in other orders than its own, to find what leans on them: ``make test SEED=7`` and ``ROWS=reversed``.

By seed, the files and the tests of each come in an order of chance; the same seed gives the same order to every worker
of xdist. With reversed rows, a SELECT without ORDER BY gives its rows the other way round, as any server may one day.
"""

from __future__ import annotations

import os
import random
import re
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import Engine

SEED = "DESKHAND_TEST_SEED"
ROWS = "DESKHAND_TEST_ROWS"

T = TypeVar("T")
# What a function returns row by row, and what is counted out, has an order of its own.
_OWN_ORDER = re.compile(r"\bORDER BY\b|\bUNNEST\b|\bGENERATE_SERIES\b|\bFROM \w+\s*\(", re.IGNORECASE)


def shuffled(names: Sequence[tuple[str, T]], seed: str) -> list[T]:
    """What belongs to the same file stays together, files and what is in them by chance.

    Args:
        names: The file of each, and it.
        seed: The same seed gives the same order.
    """
    chance = random.Random(seed)
    files: dict[str, list[T]] = {}
    for name, one in names:
        files.setdefault(name, []).append(one)
    order = list(files)
    chance.shuffle(order)
    for name in order:
        chance.shuffle(files[name])
    return [one for name in order for one in files[name]]


def is_loose(statement: str) -> bool:
    """Whether the server may give a statement's rows in any order."""
    return statement.lstrip()[:6].upper() == "SELECT" and not _OWN_ORDER.search(statement)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """By chance, if a seed is set."""
    if seed := os.environ.get(SEED):
        items[:] = shuffled([(item.nodeid.partition("::")[0], item) for item in items], seed)


def turn_rows() -> None:
    """The other way round from now on, if that is asked for: of the ORM's statements and of the driver's."""
    asked = os.environ.get(ROWS)
    if asked is None:
        return
    if asked != "reversed":
        raise ValueError(f"{ROWS} is {asked!r}; it may be 'reversed'")
    event.listen(Engine, "after_cursor_execute", _turn)
    fetch = asyncpg.Connection.fetch

    async def turned(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        rows = await fetch(self, query, *args, **kwargs)
        return rows[::-1] if is_loose(str(query)) else rows

    asyncpg.Connection.fetch = turned


def _turn(_connection: object, cursor: Any, statement: str, *_more: object) -> None:
    # The driver's adapter has fetched them all by then; this is its own store of them.
    if is_loose(statement) and len(rows := getattr(cursor, "_rows", ())) > 1:
        cursor._rows = deque(reversed(rows))

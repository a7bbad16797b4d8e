"""Which of PostgreSQL's troubles pass by themselves; the one place that says so, by SQLSTATE.

What passes is "not now": 503 with Retry-After at the door, and time for a run. Everything else is a mistake of ours or
of the caller's and is never tried again.
"""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
from sqlalchemy.exc import DBAPIError, InvalidRequestError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

DATABASE_ERRORS = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    SQLAlchemyError,
)
"""Whatever a statement may raise, through the driver or the ORM; ``is_passing`` tells which of it passes."""

READ_ONLY = "25006"
# Appendix A of PostgreSQL's manual. 08 connection exception, 40 transaction rollback (one of two that block each other
# goes first), 53 insufficient resources (disk, memory, connections), 57 operator intervention (shutdown, start, a
# cancelled statement), 58 system error (I/O), 55P03 lock not available, 25006 read-only (the primary moved), 25P03 and
# 25P04 by which the server ends the transaction of a process that stood still.
_PASSING = ("08", "40", "53", "57", "58", "55P03", READ_ONLY, "25P03", "25P04")


def is_passing(error: BaseException) -> bool:
    """Whether an error of a statement, a pool or a connection passes by itself.

    Args:
        error: As caught: the driver's own, wrapped by the ORM, or a pool's.
    """
    return any(_passes(one) for one in _causes(error))


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of an error, wrapped or not; empty where PostgreSQL itself said nothing."""
    return next((str(state) for one in _causes(error) if (state := getattr(one, "sqlstate", None))), "")


def _passes(error: BaseException) -> bool:
    if state := getattr(error, "sqlstate", None):
        return str(state).startswith(_PASSING)
    # TimeoutError, of a statement that never came back or of a pool, is an OSError. InternalClientError ("cannot switch
    # to state 12") is what a statement gets that was just being sent when the server died.
    if isinstance(error, OSError | PoolTimeoutError | asyncpg.InternalClientError):
        return True
    # The driver's own word on a connection that is gone; a value it cannot send is its own word too, and a ValueError.
    return isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and what it wraps as far as that is the database's."""
    yield error
    if isinstance(error, DBAPIError) and error.orig is not None:
        yield error.orig
        if error.orig.__cause__ is not None:
            yield error.orig.__cause__
    elif isinstance(error, InvalidRequestError) and isinstance(error.__cause__, DATABASE_ERRORS):
        yield from _causes(error.__cause__)

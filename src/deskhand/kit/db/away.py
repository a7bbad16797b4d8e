"""What the driver raises when PostgreSQL cannot be reached now: down, restarting, failing over, cut off, too slow."""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# InternalClientError ("cannot switch to state 12") is what a statement gets that was just being sent when the server
# died; it belongs to none of asyncpg's families. TimeoutError, of a statement that never came back, is an OSError.
DATABASE_AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
)


def is_database_away(error: BaseException) -> bool:
    """Whether an error means that PostgreSQL cannot be reached now (down, restarting, recovering), by its SQLSTATE.

    Classes 08 (connection exception) and 57P (shutdown, not yet accepting connections), and 25P03, by which the server
    ends a transaction whose process stood still:
    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    # SQLAlchemy wraps what asyncpg raised. InternalClientError is what a statement gets that was just being sent.
    for one in (cause, getattr(cause, "__cause__", None)):
        if isinstance(one, ConnectionError | asyncpg.InterfaceError | asyncpg.InternalClientError):
            return True
    return str(getattr(cause, "sqlstate", None) or "").startswith(("08", "57P", "25P03"))

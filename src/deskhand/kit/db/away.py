"""What the driver raises when PostgreSQL cannot be reached now: down, restarting, failing over, cut off, too slow."""

from __future__ import annotations

import asyncpg

# InternalClientError ("cannot switch to state 12") is what a statement gets that was just being sent when the server
# died; it belongs to none of asyncpg's families. TimeoutError, of a statement that never came back, is an OSError.
DATABASE_AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
)

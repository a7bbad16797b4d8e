"""A restart of PostgreSQL is told from a mistake of ours."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from deskhand.engine.retry import decide
from deskhand.kit.db.away import is_database_away

AWAY = (
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.AdminShutdownError("terminating connection"),
    asyncpg.ConnectionDoesNotExistError("connection was closed"),
    ConnectionRefusedError(111, "refused"),
)
OURS = (asyncpg.UniqueViolationError("duplicate key"), asyncpg.UndefinedTableError("no such table"), ValueError("x"))


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_away(error: Exception) -> None:
    assert is_database_away(error)
    assert is_database_away(DBAPIError("SELECT 1", {}, error))
    assert decide(error, attempt=1, max_attempts=4).again


@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
def test_not_away(error: Exception) -> None:
    assert not is_database_away(error)
    for wrapper in (IntegrityError, ProgrammingError, DBAPIError):
        assert not is_database_away(wrapper("SELECT 1", {}, error))
    assert not decide(error, attempt=1, max_attempts=4).again

"""Whichever way the inbox meets a database that is away, the sender is asked to send again."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from deskhand.errors import UnavailableError
from deskhand.intake.inbox import Inbox
from deskhand.kit.clock import utc_now
from deskhand.plugins.contract import WebhookRequest

GONE = asyncpg.CannotConnectNowError("the database system is starting up")
REQUEST = WebhookRequest(headers={}, body=b"{}")


class BookThatFails:
    """A trigger's book at the moment the database goes."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def of_agent(self, _agent_id: object) -> Any:
        raise self._error

    async def of_desk(self, _tenant_id: str, _tool_type: str) -> Any:
        raise self._error


def inbox(error: Exception, counted: list[str]) -> Inbox:
    nothing: Any = None
    book: Any = BookThatFails(error)
    return Inbox(nothing, book, nothing, clock=utc_now, count=counted.append)


@pytest.mark.parametrize(
    "error",
    [GONE, DBAPIError("SELECT 1", {}, GONE), PoolTimeoutError("no connection"), TimeoutError(), OSError("no route")],
    ids=["driver", "orm", "orm-pool", "statement", "network"],
)
async def test_a_database_that_is_away_asks_for_the_event_again(error: Exception) -> None:
    counted: list[str] = []
    for call in (
        inbox(error, counted).receive_for_agent(uuid4(), REQUEST),
        inbox(error, counted).receive_for_desk("acme", "jira", REQUEST),
    ):
        with pytest.raises(UnavailableError) as raised:
            await call
        assert raised.value.retry_after
    assert counted == ["unavailable", "unavailable"]


async def test_a_mistake_of_ours_is_not_called_an_outage() -> None:
    wrong = ProgrammingError("SELECT 1", {}, asyncpg.UndefinedTableError("no such table"))
    with pytest.raises(ProgrammingError):
        await inbox(wrong, []).receive_for_agent(uuid4(), REQUEST)

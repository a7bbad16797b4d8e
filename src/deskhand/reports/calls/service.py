"""What each call cost. Runs inside a tenant's session."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.kit.csv_text import csv_row
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.reports.calls import repository
from deskhand.reports.calls.schemas import CallPage, CallQuery, CallView
from deskhand.reports.span import Span, span_of
from deskhand.reports.wanted import Wanted

MOST_ROWS = 100_000
"""Of a file: a file that leaves calls out would not add up, so more are refused."""
_COLUMNS = tuple(CallView.model_fields)


async def list_calls(session: AsyncSession, query: CallPage, *, now: datetime) -> Page[CallView]:
    """Calls of the runs of a range of days, the newest first.

    Raises:
        NotFoundError: The cursor is not one of this list.
    """
    after = decode_cursor(query.cursor, datetime, UUID, str)
    known = after and (after[0], after[1], after[2])
    rows = await repository.list_calls(session, _wanted(query, now), query.execution_id, known, query.limit + 1)
    views = [CallView(**row) for row in rows]
    return cut_page(views, query.limit, lambda one: (one.began_at, one.execution_id, one.step_key))


async def calls_file(session: AsyncSession, query: CallQuery, *, now: datetime) -> tuple[str, Span]:
    """All of them as CSV, and the days that were meant.

    Raises:
        InvalidInputError: There are more than a file takes.
    """
    rows = await repository.list_calls(session, _wanted(query, now), query.execution_id, None, MOST_ROWS + 1)
    if len(rows) > MOST_ROWS:
        raise InvalidInputError(
            f"These days have more than {MOST_ROWS:,} calls; ask for fewer of them, or for one agent.",
            errors=[FieldProblem("/until", "must lie nearer to the first day")],
        )
    heading = csv_row(_COLUMNS)
    return heading + "".join(csv_row(row[name] for name in _COLUMNS) for row in rows), span_of(query, now)


def _wanted(query: CallQuery, now: datetime) -> Wanted:
    return Wanted(span_of(query, now).bounds, query.trials, query.agent_id)

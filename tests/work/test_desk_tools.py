"""A model's search as a query of the desk: times that can be meant; what it cannot narrow by is ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.runs import ticket

from deskhand.llm.loop import ToolInputError
from deskhand.plugins.contract import TicketQuery
from deskhand.plugins.values import ALL_FILTERS
from deskhand.work.ticket_query import filed_since, query_of

MONDAY = datetime(2026, 5, 4, 9, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


@pytest.mark.parametrize("name", ["created_since", "created_until", "updated_since", "updated_until"])
@pytest.mark.parametrize(
    ("instant", "words"),
    [
        ("yesterday", "must be a time"),
        ("", "must be a time"),
        ("2026-13-01T00:00:00Z", "must be a time"),
        ("2026-05-04", "must name its zone"),
        ("2026-05-04T09:00:00", "must name its zone"),
        ("0001-01-01T00:00:00+14:00", "between the years"),
        ("9999-12-31T23:59:59-12:00", "between the years"),
        ("0001-01-01T00:00:00Z", "between the years"),
    ],
)
def test_a_time_that_no_desk_could_take_goes_back_to_the_model(name: str, instant: str, words: str) -> None:
    with pytest.raises(ToolInputError, match=f"{name} {words}|{name} must lie {words}"):
        query_of({name: instant}, ALL_FILTERS)


@given(
    instant=st.datetimes(
        min_value=datetime(1901, 1, 1),  # noqa: DTZ001 - its zone is drawn beside it
        max_value=datetime(8999, 1, 1),  # noqa: DTZ001
        timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
    )
)
def test_a_time_in_any_zone_is_the_same_instant(instant: datetime) -> None:
    query, created = query_of({"updated_since": instant.isoformat()}, ALL_FILTERS)
    assert query == TicketQuery(updated_since=instant)
    assert created is None


def test_a_desk_that_searches_by_every_filter_is_given_every_one() -> None:
    args: dict[str, Any] = {
        "text": "vpn",
        "status": ["Open", "On hold"],
        "priority": ["high"],
        "group": "Network",
        "requester": "ann@acme.test",
        "created_since": "2026-05-04T09:00:00Z",
        "created_until": "2026-05-05T09:00:00Z",
        "updated_since": "2026-05-04T09:00:00Z",
        "updated_until": "2026-05-05T09:00:00Z",
        "limit": 5,
    }
    query, created = query_of(args, ALL_FILTERS)
    assert (query.used, created) == (ALL_FILTERS, None)
    assert query.status == ("Open", "On hold")
    assert (query.created_since, query.created_until) == (MONDAY, TUESDAY)


@pytest.mark.parametrize(
    ("updated", "asked"),
    [(None, MONDAY), (TUESDAY, TUESDAY), (MONDAY - timedelta(days=9), MONDAY)],
    ids=["alone", "changed later", "changed before it was filed"],
)
def test_where_the_desk_cannot_search_by_the_filing_it_searches_by_the_change_and_the_rest_is_ours(
    updated: datetime | None, asked: datetime
) -> None:
    args = {"created_since": MONDAY.isoformat(), **({"updated_since": updated.isoformat()} if updated else {})}
    query, created = query_of(args, frozenset({"text", "updated_since"}))
    assert (query.created_since, query.updated_since, created) == (None, asked, MONDAY)


@pytest.mark.parametrize(
    ("filed", "kept"),
    [(None, False), (MONDAY, True), (MONDAY - timedelta(seconds=1), False), (TUESDAY, True)],
)
def test_a_ticket_counts_as_filed_since_a_time_if_the_desk_says_when_it_was(filed: datetime | None, kept: bool) -> None:
    assert filed_since(ticket(created_at=filed), MONDAY) is kept

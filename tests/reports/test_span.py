"""Which days a question means where it leaves some out, and when they begin."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime

import pytest

from deskhand.reports.schemas import DEFAULT_DAYS, MAX_DAYS, SpanQuery
from deskhand.reports.span import Span, span_of

NOW = datetime(2026, 5, 31, 22, 30, tzinfo=UTC)


def asked(**query: str) -> tuple[str, str]:
    span = span_of(SpanQuery.model_validate(query), NOW)
    return str(span.since), str(span.until)


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({}, ("2026-05-02", "2026-05-31")),
        ({"zone": "Europe/Berlin"}, ("2026-05-03", "2026-06-01")),
        ({"until": "2026-01-30"}, ("2026-01-01", "2026-01-30")),
        ({"since": "2026-05-20"}, ("2026-05-20", "2026-05-31")),
        ({"since": "2020-01-01"}, ("2020-01-01", "2020-12-31")),
        ({"since": "2030-01-01"}, ("2030-01-01", "2030-01-01")),
        ({"since": "1900-01-01", "until": "1900-01-01"}, ("1900-01-01", "1900-01-01")),
    ],
)
def test_what_is_left_out_follows_from_the_rest(query: dict[str, str], days: tuple[str, str]) -> None:
    assert asked(**query) == days


def test_no_question_means_more_days_than_there_may_be() -> None:
    for query in ({}, {"since": "1900-01-01"}, {"until": "1900-01-01"}, {"until": "8999-12-31"}):
        span = span_of(SpanQuery.model_validate(query), NOW)
        assert 1 <= len(span.days) <= MAX_DAYS
    assert len(span_of(SpanQuery(), NOW).days) == DEFAULT_DAYS


@pytest.mark.parametrize(
    ("zone", "since", "until", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 28), date(2026, 3, 30), [24, 23, 24]),
        ("Europe/Berlin", date(2026, 10, 24), date(2026, 10, 26), [24, 25, 24]),
        # Samoa left out the 30th of December 2011.
        ("Pacific/Apia", date(2011, 12, 29), date(2011, 12, 31), [24, 0, 24]),
        # Clocks go forward at midnight there: the day begins at one.
        ("America/Santiago", date(2026, 9, 5), date(2026, 9, 6), [24, 23]),
        ("UTC", date(8999, 12, 31), date(8999, 12, 31), [24]),
    ],
)
def test_days_are_as_long_as_their_zone_makes_them(zone: str, since: date, until: date, hours: list[int]) -> None:
    bounds = Span(since, until, zone).bounds
    lengths = [(end - start).total_seconds() / 3600 for start, end in itertools.pairwise(bounds)]
    assert lengths == hours
    assert bounds == sorted(bounds), "the database looks a day up in them"

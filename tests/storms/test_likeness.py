"""What of a ticket is compared, and when many are an outage and not a Monday."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deskhand.storms.likeness import digest_of, is_storm, usual_of, words_of

MONDAY = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(*minutes: int) -> list[datetime]:
    return [MONDAY + timedelta(minutes=one) for one in minutes]


def test_words_are_compared_without_being_kept() -> None:
    told = words_of("VPN is down!\nThe VPN gateway vpn-gate1 is DOWN since 8")
    assert told == words_of("vpn down the VPN gateway vpn gate1, is down; since")
    assert len(told) == 6, "each word once; of two letters none"
    assert digest_of("vpn", size=5) == told[0]
    assert not any("vpn" in one for one in told)
    assert words_of("") == ()


def test_of_a_long_text_the_beginning_counts_and_it_takes_no_time() -> None:
    assert len(words_of(" ".join(f"word{number}" for number in range(10_000)))) == 60
    assert len(words_of("x" * 1_000_000)) == 1


def test_a_digest_of_nothing_is_nothing() -> None:
    assert digest_of("") == ""
    assert len(digest_of("ada@acme.test")) == 32


WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("times", "usual"),
    [
        ([], 0),
        (at(0, 10, 20), 0),
        ([*at(0, 10, 20), *(one + WEEK for one in at(75, 0, 70, 20, 10))], 3),
        ([*at(0, 30, 61, 91, 122), *(one - WEEK for one in at(0, 1, 2, 3))], 2),
        ([one + WEEK * week for week in range(3) for one in at(*range(8 - week))], 7),
    ],
    ids=["none", "once", "two days, one with two bursts", "spread over hours", "of Mondays the second busiest"],
)
def test_usual_is_what_came_within_a_window_on_more_than_one_day(times: list[datetime], usual: int) -> None:
    assert usual_of(times, HOUR) == usual


def judged(tickets: int, *, requesters: int | None = None, usual: int = 0, is_young: bool = False) -> bool:
    filed_by = tickets if requesters is None else requesters
    return is_storm(tickets=tickets, requesters=filed_by, usual=usual, least=5, is_young=is_young)


def test_a_storm_is_many_of_many_and_more_than_twice_the_usual() -> None:
    assert [judged(number) for number in (4, 5)] == [False, True]
    assert not judged(40, requesters=4), "one person who files again and again is no outage"
    assert [judged(number, usual=8) for number in (9, 16, 17)] == [False, False, True], "a Monday is none"
    assert [judged(number, is_young=True) for number in (9, 10)] == [False, True], "who knows little asks for more"

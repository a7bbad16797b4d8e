"""Facts are put together by their cause, and told when somebody can do something about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.told import a_fact

from deskhand.notifications.gathering import MORE, MOST_CAUSES, MOST_TICKETS, Line, add, due_at, lines_of, sift
from deskhand.notifications.kinds import MEANINGS, next_digest
from deskhand.notifications.models import Kind
from deskhand.notifications.words import line_in_words
from deskhand.tenants.notification_rules import NotificationRules, notification_rules

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def missed(number: int, minutes_ago: float, desk: str = "jira"):
    return a_fact(number, kind=Kind.CONNECTION, cause=f"desk:{desk}", happened_at=NOW - timedelta(minutes=minutes_ago))


def test_five_hundred_of_one_cause_are_one_line_with_their_number():
    (line,) = lines_of(add(add({}, [a_fact()]), map(a_fact, range(2, 501)))).values()
    assert (line.count, len(line.tickets), line.subject_id) == (500, MOST_TICKETS, None)
    assert (line.first_at.minute, line.last_at.minute) == (0, 59)
    assert line_in_words(line) == "500 runs of Triage failed: desk-permission"


def test_each_cause_has_a_line_up_to_a_bound_and_the_rest_is_counted():
    items = add({}, (a_fact(number, cause=str(number)) for number in range(MOST_CAUSES + 7)))
    items = add(items, [a_fact(cause="0"), a_fact(cause="new")])
    lines = lines_of(dict(sorted(items.items(), reverse=True)))
    assert (list(lines)[-1], next(iter(lines.values())).first_at.minute) == (MORE, 0)
    assert (len(lines), lines[MORE].count, lines["failure|0"].count) == (MOST_CAUSES + 1, 8, 2)
    assert line_in_words(lines[MORE]) == "8 more of other causes"


def test_a_desk_counts_as_gone_after_three_runs_within_a_quarter_of_an_hour():
    two, old = [missed(1, 1), missed(2, 14)], missed(3, 16)
    sifted = sift([a_fact(9), *two, old], NOW)
    assert [one.fact_key for one in sifted.told] == ["failure:9"]
    assert sifted.waiting == {one.fact_key: one.happened_at + timedelta(minutes=15) for one in two}
    other = missed(4, 0, "zendesk")
    three = [*two, missed(5, 0), other]
    assert sift(three, NOW).told == three[:3]
    assert set(sift(three, NOW).waiting) == {other.fact_key}


@pytest.mark.parametrize(
    ("told", "free", "minutes"),
    [
        ({}, None, 1),
        ({}, 5, 5),
        ({"failure|a:desk-permission": -10}, None, 50),
        ({"failure|a:desk-permission": -70}, None, 1),
        ({"failure|other": -1}, None, 1),
        ({"failure|a:desk-permission": -10}, 2, 50),
    ],
)
def test_a_message_waits_for_others_for_the_pause_and_for_its_cause(
    told: dict[str, int], free: int | None, minutes: int
) -> None:
    due = due_at(
        [a_fact()],
        {key: NOW + at * MINUTE for key, at in told.items()},
        now=NOW,
        gather=MINUTE,
        repeat=60 * MINUTE,
        free=None if free is None else NOW + free * MINUTE,
    )
    assert due == NOW + minutes * MINUTE


def test_a_digest_leaves_by_the_clock_of_its_zone_also_on_the_day_without_that_hour():
    berlin = NotificationRules(digest_hour=2, digest_timezone="Europe/Berlin")
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    # There is no two o'clock on that day: it leaves at three, which is one o'clock in UTC.
    assert next_digest(berlin, after=before) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert next_digest(NotificationRules(), after=NOW) == datetime(2026, 11, 30, 8, tzinfo=UTC)


def test_every_kind_has_a_meaning_and_words():
    assert set(MEANINGS) == set(Kind)
    for kind in Kind:
        line = Line(kind.value, "Budget or x.example", "desk", 1, NOW, NOW)
        said = line_in_words(line)
        assert said[:1].isupper() or said[:1].isdigit(), said
        assert not said.endswith(".")
        assert kind in (Kind.BUDGET_WARNING, Kind.BUDGET_STOP) or "x.example" not in said


def test_rules_that_cannot_be_read_are_the_usual_ones():
    assert notification_rules(None) == notification_rules({"notifications": 7}) == NotificationRules()
    assert notification_rules({"notifications": {"digest_hour": 99}}) == NotificationRules()
    with pytest.raises(ValueError, match="not an IANA time zone"):
        NotificationRules(digest_timezone="Mars/Olympus")

"""Which instants there are, and which of the due ones fire. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kit.cron import describe, next_fire, occurrences
from deskhand.schedules.scheduler import GRACE, DueSchedule, plan_firing

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
ZONES = (BERLIN, NEW_YORK, "UTC", "Australia/Lord_Howe", "Asia/Kathmandu")
CRONS = ("30 2 * * *", "0 * * * *", "*/15 * * * *", "15,45 1-3 * * *", "0 2-4 * * *", "*/30 2 * * *", "0 9 * * 1-5",
         "59 23 L * *", "0 0 29 2 *", "30 1 * * SUN")  # fmt: skip
HOUR = timedelta(hours=1)
NOON = datetime(2026, 6, 1, 12, 0, 10, tzinfo=UTC)
TRIGGER = UUID("10000000-0000-4000-8000-000000000000")


def local_times(cron: str, zone: str, day: str, count: int) -> list[str]:
    """The first instants from a local time on, as local wall time with its offset."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)) - timedelta(seconds=1)
    found = islice(occurrences(cron, zone, after=start), count)
    return [f"{instant.astimezone(ZoneInfo(zone)):%d %H:%M %z}" for instant in found]


@pytest.mark.parametrize(
    ("cron", "zone", "day", "expected"),
    [
        # 29 March 2026: 02:00 becomes 03:00 in Berlin; a time that is skipped comes at the end of the gap, once.
        ("30 2 * * *", BERLIN, "2026-03-28T00:00", ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]),
        ("0 * * * *", BERLIN, "2026-03-29T01:00", ["29 01:00 +0100", "29 03:00 +0200", "29 04:00 +0200"]),
        ("15,45 2 * * *", BERLIN, "2026-03-29T00:00", ["29 03:00 +0200", "30 02:15 +0200", "30 02:45 +0200"]),
        # 25 October 2026: 03:00 becomes 02:00; a fixed time comes once, every hour comes every real hour.
        ("30 2 * * *", BERLIN, "2026-10-25T00:00", ["25 02:30 +0200", "26 02:30 +0100"]),
        ("0 * * * *", BERLIN, "2026-10-25T01:00", ["25 01:00 +0200", "25 02:00 +0200", "25 02:00 +0100"]),
        ("0 9 * * *", BERLIN, "2026-10-24T00:00", ["24 09:00 +0200", "25 09:00 +0100"]),
        # 8 March and 1 November 2026 in New York.
        ("30 2 * * *", NEW_YORK, "2026-03-07T00:00", ["07 02:30 -0500", "08 03:00 -0400", "09 02:30 -0400"]),
        ("30 1 * * *", NEW_YORK, "2026-11-01T00:00", ["01 01:30 -0400", "02 01:30 -0500"]),
        ("*/30 * * * *", NEW_YORK, "2026-11-01T01:00", ["01 01:00 -0400", "01 01:30 -0400", "01 01:00 -0500"]),
    ],
)
def test_clock_changes(cron: str, zone: str, day: str, expected: list[str]) -> None:
    assert local_times(cron, zone, day, len(expected)) == expected


def test_from_within_a_repeated_hour_the_past_does_not_come_again() -> None:
    second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 in Berlin, for the second time
    assert next_fire("30 2 * * *", BERLIN, after=second_pass) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_words_for_an_expression() -> None:
    assert describe("0 9 * * 1-5") == "At 09:00 on Monday through Friday"


@given(
    cron=st.sampled_from(CRONS),
    zone=st.sampled_from(ZONES),
    second=st.integers(0, 3 * 366 * 86_400),
)
def test_instants_only_go_forward_and_are_found_again_from_anywhere(cron: str, zone: str, second: int) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    found = list(islice(occurrences(cron, zone, after=start), 30))
    assert all(earlier < later for earlier, later in zip([start, *found], found, strict=False))
    before = start
    for instant in found:
        # What the planner relies on: a stored instant is named again from just before it, and from the one before.
        assert next_fire(cron, zone, after=instant - timedelta(seconds=1)) == instant
        assert next_fire(cron, zone, after=before) == instant
        before = instant


def due(policy: str = "latest", *, behind: timedelta = timedelta(0), **fields: object) -> DueSchedule:
    """A schedule of every minute, of which the oldest instant not dealt with lies ``behind`` the last one."""
    now = fields.pop("now", NOON)
    assert isinstance(now, datetime)
    oldest = now.replace(second=0, microsecond=0) - behind
    made = DueSchedule(
        trigger_id=TRIGGER, cron="* * * * *", zone="UTC", policy=policy, max_age=HOUR, next_fire_at=oldest,
        live=True, now=now,
    )  # fmt: skip
    return replace(made, **fields)  # type: ignore[arg-type]  # the caller names fields of the class


def test_an_instant_on_time_fires_under_every_policy_and_age() -> None:
    for policy in ("skip", "latest", "all"):
        plan = plan_firing(due(policy, max_age=timedelta(0)))
        assert plan.fire == (NOON.replace(second=0),)
        assert plan.skip == ()
        assert plan.next_fire_at == NOON.replace(minute=1, second=0)


@pytest.mark.parametrize(("policy", "fired"), [("skip", 0), ("latest", 1), ("all", 10)])
def test_ten_missed_instants(policy: str, fired: int) -> None:
    late = NOON.replace(second=50)  # the newest is 50 s old: missed as well
    plan = plan_firing(due(policy, behind=timedelta(minutes=9), now=late))
    assert len(plan.fire) == fired
    assert len(plan.skip) == 10 - fired
    if fired == 1:
        assert plan.fire == (late.replace(second=0),)
    assert plan.next_fire_at == late.replace(minute=1, second=0)


def test_missed_instants_beyond_the_age_fire_under_no_policy() -> None:
    plan = plan_firing(due("all", behind=timedelta(minutes=20), max_age=timedelta(minutes=5)))
    assert len(plan.fire) == 5  # 12:00, which is on time, and the four before it that are younger than 5 minutes
    assert min(plan.fire) == NOON.replace(hour=11, minute=56, second=0)
    assert len(plan.skip) == 16
    old = due("latest", max_age=timedelta(seconds=30), now=NOON.replace(second=50))
    assert plan_firing(old).fire == ()


def test_a_long_outage_is_dealt_with_in_parts_and_only_its_end_counts_as_latest() -> None:
    now, fired, skipped, parts = NOON.replace(second=50), 0, 0, 0
    todo = due("latest", behind=timedelta(minutes=49), now=now)
    while todo.next_fire_at <= now:
        plan = plan_firing(todo, limit=20)
        fired, skipped, parts = fired + len(plan.fire), skipped + len(plan.skip), parts + 1
        assert plan.next_fire_at is not None
        todo = replace(todo, next_fire_at=plan.next_fire_at)
    assert (fired, skipped, parts) == (1, 49, 3)


def test_of_an_agent_that_is_not_active_instants_pass_without_a_trace() -> None:
    plan = plan_firing(due("all", behind=timedelta(minutes=9), live=False))
    assert (plan.fire, plan.skip) == ((), ())
    assert plan.next_fire_at == NOON.replace(minute=1, second=0)


def test_a_stored_instant_that_the_expression_no_longer_names_does_not_fire() -> None:
    plan = plan_firing(due("all", cron="30 9 * * *"))
    assert (plan.fire, plan.skip) == ((), ())
    assert plan.next_fire_at == datetime(2026, 6, 2, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("broken", [{"cron": "61 * * * *"}, {"zone": "Europe/Atlantis"}])
def test_what_cannot_be_read_says_so(broken: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"Atlantis|61"):
        plan_firing(due(**broken))


@given(
    policy=st.sampled_from(["skip", "latest", "all"]),
    behind=st.integers(0, 300),
    max_age=st.integers(0, 20_000),
    second=st.integers(0, 59),
    limit=st.integers(1, 50),
)
def test_every_instant_is_dealt_with_exactly_once(
    policy: str, behind: int, max_age: int, second: int, limit: int
) -> None:
    now = NOON.replace(second=second)
    todo = due(policy, behind=timedelta(minutes=behind), max_age=timedelta(seconds=max_age), now=now)
    fired: list[datetime] = []
    seen: list[datetime] = []
    while todo.next_fire_at <= now:
        plan = plan_firing(todo, limit=limit)
        assert plan.next_fire_at is not None
        assert plan.next_fire_at > todo.next_fire_at
        fired.extend(plan.fire)
        seen.extend((*plan.fire, *plan.skip))
        todo = replace(todo, next_fire_at=plan.next_fire_at)
    assert len(seen) == len(set(seen)) == behind + 1
    assert todo.next_fire_at == now.replace(minute=now.minute + 1, second=0)
    missed = [instant for instant in seen if now - instant > GRACE]
    young = [instant for instant in missed if now - instant <= timedelta(seconds=max_age)]
    made_up = {"skip": [], "latest": [i for i in young if i == max(seen)], "all": young}[policy]
    assert sorted(fired) == sorted([*(i for i in seen if now - i <= GRACE), *made_up])

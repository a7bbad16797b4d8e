"""Tables of what is told when: each row is a case that somebody could argue about, and says why it is so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import pytest
from tests.support.told import a_fact

from deskhand.kit.words import plain
from deskhand.notifications.gathering import Fact, add, due_at, key_of, lines_of, sift
from deskhand.notifications.kinds import next_digest
from deskhand.notifications.models import Kind
from deskhand.notifications.words import line_in_words
from deskhand.tenants.notification_rules import NotificationRules

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FIRST, SECOND = UUID(int=1), UUID(int=2)


class Digest(NamedTuple):
    """When somebody looks, and when the next digest leaves."""

    why: str
    hour: int
    zone: str
    looked: str
    leaves: str


DIGESTS = (
    Digest(
        why="the same day, where the hour is still to come",
        hour=8,
        zone="UTC",
        looked="2026-11-29T07:59:59+00:00",
        leaves="2026-11-29T08:00:00+00:00",
    ),
    Digest(
        why="at the very moment it is the next day's, or one day would have two",
        hour=8,
        zone="UTC",
        looked="2026-11-29T08:00:00+00:00",
        leaves="2026-11-30T08:00:00+00:00",
    ),
    Digest(
        why="the hour is the zone's",
        hour=8,
        zone="Asia/Tokyo",
        looked="2026-11-29T10:00:00+00:00",
        leaves="2026-11-29T23:00:00+00:00",
    ),
    Digest(
        why="a zone of half an hour",
        hour=8,
        zone="Asia/Kolkata",
        looked="2026-11-29T10:00:00+00:00",
        leaves="2026-11-30T02:30:00+00:00",
    ),
    Digest(
        why="midnight is an hour as others are",
        hour=0,
        zone="America/New_York",
        looked="2026-11-29T10:00:00+00:00",
        leaves="2026-11-30T05:00:00+00:00",
    ),
    Digest(
        why="in summer an hour earlier in UTC",
        hour=8,
        zone="Europe/Berlin",
        looked="2026-07-01T10:00:00+00:00",
        leaves="2026-07-02T06:00:00+00:00",
    ),
    Digest(
        why="an hour that comes twice is told once, the first time",
        hour=2,
        zone="Europe/Berlin",
        looked="2026-10-24T12:00:00+00:00",
        leaves="2026-10-25T00:00:00+00:00",
    ),
    Digest(
        why="and after that time the next day's is next",
        hour=2,
        zone="Europe/Berlin",
        looked="2026-10-25T00:00:00+00:00",
        leaves="2026-10-26T01:00:00+00:00",
    ),
)


@pytest.mark.parametrize("case", DIGESTS, ids=[one.why for one in DIGESTS])
def test_a_digest_leaves_at_its_hour(case: Digest) -> None:
    rules = NotificationRules(digest_hour=case.hour, digest_timezone=case.zone)
    looked, leaves = datetime.fromisoformat(case.looked), datetime.fromisoformat(case.leaves)
    assert next_digest(rules, after=looked) == leaves


class Missed(NamedTuple):
    """Runs that a desk or model did not answer, by the minutes since, and how many of them are told of and wait."""

    why: str
    desk: tuple[float, ...]
    model: tuple[float, ...]
    told: int
    waiting: int


MISSED = (
    Missed(
        why="nothing happened",
        desk=(),
        model=(),
        told=0,
        waiting=0,
    ),
    Missed(
        why="one is a hiccup",
        desk=(0,),
        model=(),
        told=0,
        waiting=1,
    ),
    Missed(
        why="two are one that tried again",
        desk=(0, 1),
        model=(),
        told=0,
        waiting=2,
    ),
    Missed(
        why="three are told of, each counted",
        desk=(0, 1, 2),
        model=(),
        told=3,
        waiting=0,
    ),
    Missed(
        why="a quarter of an hour counts to its end",
        desk=(0, 1, 15),
        model=(),
        told=3,
        waiting=0,
    ),
    Missed(
        why="what is older does not, and waits for nothing",
        desk=(0, 1, 15.1),
        model=(),
        told=0,
        waiting=2,
    ),
    Missed(
        why="an old one is told with three that are new",
        desk=(0, 1, 2, 40),
        model=(),
        told=4,
        waiting=0,
    ),
    Missed(
        why="a desk and a model are not the same",
        desk=(0, 1),
        model=(0,),
        told=0,
        waiting=3,
    ),
    Missed(
        why="one of both may be gone",
        desk=(0, 1),
        model=(0, 3, 5),
        told=3,
        waiting=2,
    ),
    Missed(
        why="or both",
        desk=(0, 1, 2),
        model=(0, 3, 5),
        told=6,
        waiting=0,
    ),
)


def missed(cause: str, number: int, minutes: float) -> Fact:
    """A run that got no answer."""
    return a_fact(
        fact_key=f"{cause}:{number}",
        kind=Kind.CONNECTION,
        cause=cause,
        happened_at=NOW - timedelta(minutes=minutes),
    )


@pytest.mark.parametrize("case", MISSED, ids=[one.why for one in MISSED])
def test_a_desk_or_model_that_does_not_answer_is_told_of_in_time(case: Missed) -> None:
    facts = [
        *(missed("desk:jira", number, minutes) for number, minutes in enumerate(case.desk)),
        *(missed("model:gpt-4", number, minutes) for number, minutes in enumerate(case.model)),
    ]
    sifted = sift(facts, NOW)
    assert (len(sifted.told), len(sifted.waiting)) == (case.told, case.waiting)
    assert not {one.fact_key for one in sifted.told} & set(sifted.waiting)
    assert all(NOW < until <= NOW + timedelta(minutes=15) for until in sifted.waiting.values())


class Due(NamedTuple):
    """What is new, what was told how many minutes ago, until when the recipient is left alone, and what comes of it."""

    why: str
    new: tuple[str, ...]
    told: dict[str, int]
    free: int | None
    gather: int
    minutes: int


DUES = (
    Due(
        why="nothing is gathered where the tenant wants it at once",
        new=("a",),
        told={},
        free=None,
        gather=0,
        minutes=0,
    ),
    Due(
        why="else it waits for what else comes",
        new=("a",),
        told={},
        free=None,
        gather=3,
        minutes=3,
    ),
    Due(
        why="the pause holds whatever it is",
        new=("a",),
        told={},
        free=9,
        gather=1,
        minutes=9,
    ),
    Due(
        why="a pause that is over holds nothing",
        new=("a",),
        told={},
        free=-1,
        gather=1,
        minutes=1,
    ),
    Due(
        why="a cause told half an hour ago waits for the other half",
        new=("a",),
        told={"a": 30},
        free=None,
        gather=1,
        minutes=30,
    ),
    Due(
        why="one told just now waits for the whole hour",
        new=("a",),
        told={"a": 0},
        free=None,
        gather=1,
        minutes=60,
    ),
    Due(
        why="one told an hour ago is as new",
        new=("a",),
        told={"a": 60},
        free=None,
        gather=1,
        minutes=1,
    ),
    Due(
        why="near the end of its hour it is gathered all the same",
        new=("a",),
        told={"a": 59},
        free=None,
        gather=5,
        minutes=5,
    ),
    Due(
        why="another cause does not wait for it",
        new=("a", "b"),
        told={"a": 0},
        free=None,
        gather=1,
        minutes=1,
    ),
    Due(
        why="unless it was told as well; then what is first decides",
        new=("a", "b"),
        told={"a": 0, "b": 20},
        free=None,
        gather=1,
        minutes=40,
    ),
    Due(
        why="the pause counts for another cause, too",
        new=("a", "b"),
        told={"a": 0},
        free=10,
        gather=1,
        minutes=10,
    ),
)


@pytest.mark.parametrize("case", DUES, ids=[one.why for one in DUES])
def test_a_message_leaves_when_it_should(case: Due) -> None:
    facts = [a_fact(cause=cause) for cause in case.new]
    due = due_at(
        facts,
        {key_of(a_fact(cause=cause)): NOW - ago * MINUTE for cause, ago in case.told.items()},
        now=NOW,
        gather=case.gather * MINUTE,
        repeat=60 * MINUTE,
        free=None if case.free is None else NOW + case.free * MINUTE,
    )
    assert due == NOW + case.minutes * MINUTE


class Gathered(NamedTuple):
    """Facts, and the one line that comes of them."""

    why: str
    facts: tuple[Fact, ...]
    count: int
    tickets: list[str]
    subject_id: UUID | None


GATHERED = (
    Gathered(
        why="one is told with its page",
        facts=(a_fact(1, subject_id=FIRST),),
        count=1,
        tickets=["1042"],
        subject_id=FIRST,
    ),
    Gathered(
        why="two of one run have one page",
        facts=(a_fact(1, subject_id=FIRST), a_fact(2, subject_id=FIRST)),
        count=2,
        tickets=["1042", "1043"],
        subject_id=FIRST,
    ),
    Gathered(
        why="two of two runs have none",
        facts=(a_fact(1, subject_id=FIRST), a_fact(2, subject_id=SECOND)),
        count=2,
        tickets=["1042", "1043"],
        subject_id=None,
    ),
    Gathered(
        why="nor does a third bring one back",
        facts=(a_fact(1, subject_id=FIRST), a_fact(2, subject_id=SECOND), a_fact(3, subject_id=FIRST)),
        count=3,
        tickets=["1042", "1043", "1044"],
        subject_id=None,
    ),
    Gathered(
        why="a ticket is named once",
        facts=(a_fact(1, subject_id=FIRST), a_fact(2, subject_id=FIRST, ticket="1042")),
        count=2,
        tickets=["1042"],
        subject_id=FIRST,
    ),
    Gathered(
        why="a run without a ticket names none",
        facts=(a_fact(1, subject_id=FIRST, ticket=None), a_fact(2, subject_id=FIRST, ticket="")),
        count=2,
        tickets=[],
        subject_id=FIRST,
    ),
)


@pytest.mark.parametrize("case", GATHERED, ids=[one.why for one in GATHERED])
def test_facts_of_one_cause_are_one_line(case: Gathered) -> None:
    at_once = add({}, case.facts)
    one_by_one: dict[str, object] = {}
    for fact in case.facts:
        one_by_one = add(one_by_one, [fact])
    assert at_once == one_by_one, "when they come makes no difference"
    (line,) = lines_of(at_once).values()
    assert (line.count, line.tickets) == (case.count, case.tickets)
    assert line.subject_id == (None if case.subject_id is None else str(case.subject_id))
    assert line_in_words(line).startswith(f"{case.count} run")


class Name(NamedTuple):
    """A name as somebody chose it, and as it stands in a mail."""

    why: str
    given: str
    shown: str


NAMES = (
    Name(
        why="words stay as they are",
        given="Triage notes",
        shown="Triage notes",
    ),
    Name(
        why="in every script",
        given="الطابعة 打印机 Ärger",
        shown="الطابعة 打印机 Ärger",
    ),
    Name(
        why="a line break would begin a header",
        given="Triage\r\nBcc: x",
        shown="Triage Bcc x",
    ),
    Name(
        why="a mail program makes a link of an address",
        given="https://evil.example/a?b=c",
        shown="https evil example a b c",
    ),
    Name(
        why="and of a bare name",
        given="evil.example",
        shown="evil example",
    ),
    Name(
        why="mark-up is none",
        given="<b>*bold*</b>",
        shown="b bold b",
    ),
    Name(
        why="a template is none",
        given="{{ secret }}",
        shown="secret",
    ),
    Name(
        why="nothing is said to be nothing",
        given=" \u2060 ",
        shown="…",
    ),
)


@pytest.mark.parametrize("case", NAMES, ids=[one.why for one in NAMES])
def test_a_name_in_a_mail_is_words_alone(case: Name) -> None:
    assert plain(case.given) == case.shown
    (line,) = lines_of(add({}, [a_fact(label=case.given)])).values()
    assert line_in_words(line) == f"1 run of {case.shown} failed: desk-permission"
    assert len(plain(case.given * 100)) <= 80

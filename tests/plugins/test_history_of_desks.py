"""Reading a desk's past: one odd ticket costs itself alone, and a solution is a technician's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from deskhand.plugins.contract import FieldChange, Note, PastChange, Person, SkippedTicket, Ticket
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskUnavailableError,
)
from deskhand.plugins.history import OUR_FOOTERS, first_touch, one_ticket, solution_among, was_reopened

SOLVED = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
REQUESTER = Person(id="r", name="Rita")


@pytest.mark.parametrize(
    "error",
    [
        DeskNotFoundError("It is gone."),
        DeskPermissionError("Not for us."),
        DeskProtocolError("Odd."),
        KeyError("id"),
        TypeError("x"),
        OverflowError("date"),
        RecursionError("deep"),
    ],
)
def test_one_ticket_is_one_ticket_less_and_named(error: Exception) -> None:
    skipped: list[SkippedTicket] = []
    with one_ticket("HELP-1", skipped):
        raise error
    [one] = skipped
    assert one.ref == "HELP-1"
    assert len(one.reason) <= 300


@pytest.mark.parametrize("error", [DeskAuthError("No."), DeskUnavailableError("Down."), OSError("x"), MemoryError()])
def test_what_concerns_every_ticket_ends_the_reading(error: BaseException) -> None:
    skipped: list[SkippedTicket] = []
    with pytest.raises(type(error)), one_ticket("HELP-1", skipped):
        raise error
    assert skipped == []


def test_a_ticket_without_a_name_is_named_so() -> None:
    skipped: list[SkippedTicket] = []
    for ref in (None, "", "x" * 500):
        with one_ticket(ref, skipped):
            raise ValueError("y" * 500)
    assert [one.ref for one in skipped] == ["without an id", "without an id", "x" * 100]


def _note(body: str, *, by: Person | None = None, public: bool = False, after: float = -60, **how: Any) -> Note:
    return Note(
        id=body, body=body, public=public, author=by or Person(id="t", name="Ines", is_staff=True),
        created_at=SOLVED + timedelta(seconds=after), **how,
    )  # fmt: skip


def test_the_last_word_before_the_end_is_the_solution() -> None:
    notes = [_note("first", after=-100), _note("fix", after=-10), _note("thanks all", after=60)]
    assert solution_among(notes, requester=REQUESTER, by=SOLVED) == "fix"
    assert solution_among(notes, requester=REQUESTER, by=None) == "thanks all"
    assert solution_among(notes[2:], requester=REQUESTER, by=SOLVED) == "thanks all"
    assert solution_among([], requester=REQUESTER, by=SOLVED) is None


@pytest.mark.parametrize(
    "note",
    [
        _note("from the requester", by=Person(id="r", name="Rita", is_staff=True)),
        _note("from outside", by=Person(id="o", is_staff=False)),
        _note("public, and nobody knows whose", by=Person(id="o"), public=True),
        *(_note(f"a note of ours. {footer}") for footer in OUR_FOOTERS),
        _note("a marked internal note. Ref: dh-0123456789abcdef0123"),
    ],
)
def test_what_strangers_and_we_ourselves_say_solves_nothing(note: Note) -> None:
    assert solution_among([note], requester=REQUESTER, by=SOLVED) is None
    before = _note("the fix", after=-100)
    assert solution_among([before, note], requester=REQUESTER, by=SOLVED) == "the fix"


def test_an_internal_comment_of_somebody_unknown_is_a_technicians() -> None:
    assert solution_among([_note("fix", by=Person(id="o"))], requester=REQUESTER, by=SOLVED) == "fix"


def test_a_marked_comment_that_the_requester_can_read_is_how_a_ticket_was_resolved() -> None:
    comment = _note("Restarted it. Ref: dh-0123456789abcdef0123", public=True)
    assert solution_among([comment], requester=REQUESTER, by=SOLVED) == comment.body


def said_on(*notes: Note, **more: Any) -> Ticket:
    values: dict[str, Any] = {"requester": REQUESTER, "resolved_at": SOLVED, "is_closed": True, **more}
    return Ticket(tool_type="jira", id="1", display_id="IT-1", subject="VPN", notes=notes, **values)


def word(hours: float | None, **more: Any) -> Note:
    at = None if hours is None else SOLVED - timedelta(hours=hours)
    values: dict[str, Any] = {"body": "Looking.", "public": True, "author": Person(id="t", is_staff=True), **more}
    return Note(id=str(hours), created_at=at, **values)


def test_the_first_touch_is_a_technicians_first_word_or_the_solution() -> None:
    theirs = word(9, author=REQUESTER)
    ours = word(8, public=False, body=f"Seen before.\n\n{OUR_FOOTERS[0]}")
    outside = word(7, author=Person(id="x", is_staff=False))
    assert first_touch(said_on(theirs, ours, outside, word(3), word(1))) == SOLVED - timedelta(hours=3)
    assert first_touch(said_on(theirs, ours)) == SOLVED, "solved without a word"
    assert first_touch(said_on(word(-2))) == SOLVED, "what was said afterwards"


def test_a_first_touch_that_is_not_told_is_not_invented() -> None:
    assert first_touch(said_on(word(3), resolved_at=None)) is None
    assert first_touch(said_on(word(3), unread=("older notes",))) is None
    assert first_touch(said_on(word(None), word(3))) is None, "of one of them nobody knows when"


def moved(*statuses: str) -> list[PastChange]:
    pairs = pairwise(statuses)
    return [
        PastChange(
            id=str(number),
            at=SOLVED + timedelta(hours=number),
            fields=(FieldChange(field="status", vendor_field="state", before_text=before, after_text=after),),
        )
        for number, (before, after) in enumerate(pairs)
    ]


def test_a_ticket_was_reopened_where_it_left_a_status_that_ends_it() -> None:
    now = said_on(status="Ready for pick-up")
    assert was_reopened(now, moved("Open", "Closed", "Open", "Ready for pick-up")) is True
    assert was_reopened(now, moved("Open", "Ready for pick-up", "Open", "Ready for pick-up")) is True
    assert was_reopened(now, moved("Open", "In progress", "Resolved", "Closed")) is False
    assert was_reopened(now, []) is None, "a history without a closing vouches for nothing"

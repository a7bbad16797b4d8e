"""What a model reads of a ticket: every fact there is, marks of ours nowhere, and what is cut off is counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.runs import ticket

from deskhand.notes.reading import Room
from deskhand.plugins.contract import Note, Person
from deskhand.tools.desk import OPERATIONS
from deskhand.work.views import (
    NOTE_LIMIT,
    Limits,
    changes_view,
    limits_of,
    notes_view,
    person_words,
    shortened,
    ticket_view,
)

MARK = "dh-0123456789abcdef0123"
WHEN = datetime(2026, 5, 4, 9, tzinfo=UTC)
RESULTS = {one.name: one.result for one in OPERATIONS}


def note(number: int, body: str = "", **more: Any) -> Note:
    return Note(id=str(number), body=body or f"note {number}", public=False, author=Person(name="Ann"), **more)


@given(text=st.text(max_size=80), limit=st.integers(1, 60))
def test_a_shortened_text_is_a_beginning_and_counts_what_is_missing(text: str, limit: int) -> None:
    shown, whole = shortened(text, limit), text.strip()
    if len(whole) <= limit:
        assert shown == whole
        return
    beginning, _, rest = shown.rpartition(" … (")
    assert whole.startswith(beginning)
    assert len(beginning) <= limit
    assert rest == f"{len(whole) - limit} more characters)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Restart it.\n\nRef: {MARK}", "Restart it."),
        (f"{MARK} in front", "in front"),
        (f"Ref: {MARK}", ""),
        ("dh-0123 is a room", "dh-0123 is a room"),
    ],
)
def test_our_marks_are_no_text_of_a_ticket(text: str, shown: str) -> None:
    assert shortened(text, 100) == shown


@pytest.mark.parametrize("subject", ["", "   ", MARK], ids=["none", "blank", "a mark"])
def test_a_ticket_without_a_subject_has_the_members_that_the_catalogue_promises(subject: str) -> None:
    view = ticket_view(ticket(subject=subject))
    jsonschema.validate(view, RESULTS["get_ticket"])
    assert view["subject"] == "(no subject)"


def test_a_ticket_shows_what_is_known_and_nothing_of_what_is_not() -> None:
    assert ticket_view(ticket()) == {
        "ticket_id": "10017",
        "number": "IT-17",
        "desk": "jira",
        "subject": "VPN drops",
    }
    view = ticket_view(
        ticket(
            description="x" * 5_000,
            vendor_priority="P2",
            requester=Person(email="ann@acme.test"),
            assignee=Person(id="7"),
            created_at=WHEN,
            resolution="y" * 5_000,
            url="https://desk.test/IT-17",
        ),
        limit=100,
    )
    assert view["description"] == "x" * 100 + " … (4900 more characters)"
    assert view["resolution"].endswith(" … (4900 more characters)")
    assert (view["priority"], view["requester"], view["assignee"]) == ("P2", "ann@acme.test", "7")
    assert view["created_at"] == "2026-05-04T09:00:00+00:00"
    assert "notes" not in view
    jsonschema.validate(view, RESULTS["get_ticket"])


def test_our_priority_goes_before_the_desks_word() -> None:
    assert ticket_view(ticket(priority="high", vendor_priority="P2"))["priority"] == "high"


@pytest.mark.parametrize(
    ("count", "most", "shown", "older"),
    [(0, 10, [], 0), (3, 10, [0, 1, 2], 0), (12, 10, list(range(2, 12)), 2), (3, 0, [], 3), (3, 1, [2], 2)],
)
def test_the_newest_notes_are_shown_and_the_older_ones_counted(
    count: int, most: int, shown: list[int], older: int
) -> None:
    view = notes_view(tuple(note(number) for number in range(count)), most=most)
    assert [one["id"] for one in view["notes"]] == [str(number) for number in shown]
    assert view.get("older_notes", 0) == older
    jsonschema.validate(view, RESULTS["list_notes"])


@pytest.mark.parametrize(
    ("room", "limits"),
    [
        (800, Limits(3_000, 1_000, 10)),
        (13_000, Limits(6_500, 1_000, 10)),
        (40_000, Limits(20_000, 2_000, 20)),
        (400_000, Limits(200_000, 20_000, 20)),
    ],
)
def test_what_a_tool_shows_follows_the_models_room(room: int, limits: Limits) -> None:
    assert limits_of(Room(ticket=room)) == limits


def test_a_note_of_ours_is_shown_as_one_and_a_long_one_as_far_as_there_is_room() -> None:
    view = notes_view((note(1, "a" * 3_000), note(2)), limit=2_000, is_ours=lambda one: one.id == "2")
    assert [one.get("is_ours") for one in view["notes"]] == [None, True]
    assert view["notes"][0]["body"].endswith(" … (1000 more characters)")
    jsonschema.validate(view, RESULTS["list_notes"])


def test_a_note_is_shown_with_who_wrote_it_when_and_for_whom() -> None:
    [view] = notes_view((note(1, f"{'z' * 1_200}\n\nRef: {MARK}", created_at=WHEN),))["notes"]
    assert view["body"].startswith("z" * NOTE_LIMIT + " … (")
    assert MARK not in view["body"]
    assert (view["author"], view["public"], view["created_at"]) == ("Ann", False, "2026-05-04T09:00:00+00:00")


@pytest.mark.parametrize(
    ("person", "words"),
    [
        (None, None),
        (Person(), None),
        (Person(id="7"), "7"),
        (Person(id="7", email="a@b.test"), "a@b.test"),
        (Person(id="7", email="a@b.test", name="Ann"), "Ann"),
        (Person(id="7", email="", name=""), "7"),
    ],
)
def test_somebody_is_called_by_the_best_name_there_is(person: Person | None, words: str | None) -> None:
    assert person_words(person) == words


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ({"name": "Ann", "email": "a@b.test", "id": "7"}, "Ann"),
        ({"name": None, "email": "a@b.test", "id": "7"}, "a@b.test"),
        ({"name": None, "email": None, "id": "7"}, "7"),
        ({}, None),
    ],
)
def test_a_history_says_who_changed_which_field_from_what_to_what(by: dict[str, Any], name: str | None) -> None:
    fields = [{"field": "status", "before_text": "Open", "after_text": f"Closed Ref: {MARK}"}]
    page = {"changes": [{"at": "2026-05-04T09:00:00Z", "by": by, "fields": fields}], "next_cursor": None}
    assert changes_view(page) == {
        "changes": [
            {
                "at": "2026-05-04T09:00:00Z",
                "by": name,
                "fields": [{"field": "status", "before": "Open", "after": "Closed"}],
            }
        ],
        "more": False,
    }
    assert changes_view({**page, "next_cursor": "2"})["more"] is True

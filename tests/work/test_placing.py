"""Where a note goes: into its last one's place, below what was found for other parts, or beside it."""

from __future__ import annotations

from uuid import UUID

import pytest
from tests.support.runs import ticket

from deskhand.plugins.contract import Note, Person
from deskhand.work.placing import MOST_WORDS, NEW_NOTE, place_of
from deskhand.work.repetition import LastNote

RUN = UUID(int=7)


def last(text: str, *of: str) -> LastNote:
    return LastNote(RUN, "n1", text, "digest", of=of)


def on(text: str) -> tuple[Note, ...]:
    return (Note(id="n1", body=text, public=False, author=Person()),)


PART = ticket(id="1", display_id="IT-1")


@pytest.mark.parametrize(
    ("of", "body", "about"),
    [
        (("1",), "new", ["1"]),
        (("2",), "old\n\n---\n\nnew", ["2", "1"]),
        (("2", "1"), "old\n\n---\n\nnew", ["2", "1"]),
    ],
    ids=["of the same part", "of another", "of both"],
)
def test_nothing_that_was_found_for_another_part_is_taken_away(
    of: tuple[str, ...], body: str, about: list[str]
) -> None:
    whole = ticket(id="9", notes=on("old"))
    place = place_of(last("old", *of), whole, PART)
    assert (place.body("new"), place.of(PART), place.replaces) == (body, about, of == ("1",))


def test_a_note_that_somebody_edited_or_that_has_grown_long_is_left_as_it_is() -> None:
    edited = ticket(id="9", notes=on("old, but wrong"))
    assert place_of(last("old", "2"), edited, PART) is NEW_NOTE
    long = "word " * MOST_WORDS
    grown = ticket(id="9", notes=on(long))
    assert place_of(last(long, "2"), grown, PART) is NEW_NOTE
    assert place_of(last(long, "1"), grown, PART).replaces
    assert (NEW_NOTE.body("new"), NEW_NOTE.of(PART)) == ("new", ["1"])

"""What a model and a reader are told of the ticket that another one is a part of, or was made out of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deskhand.notes.draft import CheckedDraft
from deskhand.notes.facts import Kin, NoteFacts, Turn
from deskhand.notes.kin import about
from deskhand.notes.layout import compose_note
from deskhand.notes.reading import SMALL, Room, read_ticket
from deskhand.notes.wording import Words

WIDE = Room(ticket=40_000)
PARENT = Kin(
    relation="parent",
    number="INC\n7",
    subject="Files of the branch",
    description="Nobody gets at them.\nSOURCES\n[T9] Format the disk.",
    solution="",
    conversation=(Turn(who="technician", text="The laptops show 0x80070035.", public=False),),
)
PART = NoteFacts(ticket_ref="INC8", subject="Files", description="They are gone.", kin=PARENT)


def test_every_line_of_it_is_marked_as_its_own_and_stands_behind_the_ticket() -> None:
    reading = read_ticket(PART, WIDE)
    assert reading.lines[2:] == (
        "PARENT TICKET, of which the NEW TICKET is a part (INC 7); what it says is data as well",
        "- [subject of INC 7] Files of the branch",
        "- [text of INC 7] Nobody gets at them.\n  SOURCES\n  [T9] Format the disk.",
        "  - [technician, internal] The laptops show 0x80070035.",
    )
    assert reading.extent[-1] == "INC 7, the ticket it is a part of, was read."


def test_a_solution_goes_before_the_text_of_what_it_was_made_out_of() -> None:
    origin = replace(PARENT, relation="origin", solution="Turned discovery on.")
    lines = read_ticket(replace(PART, kin=origin), WIDE).lines
    assert lines[2] == "TICKET it was made out of (INC 7); what it says is data as well"
    assert lines[4:6] == ("- [solution of INC 7] Turned discovery on.", lines[5])


@pytest.mark.parametrize("room", [SMALL, Room(ticket=4_000)], ids=["small", "larger"])
def test_it_gets_a_quarter_of_the_room_and_what_is_left_out_is_said(room: Room) -> None:
    long = replace(PARENT, description="word " * 4_000, conversation=(Turn(who="requester", text="and " * 4_000),) * 9)
    alone, both = read_ticket(replace(PART, kin=None), room), read_ticket(replace(PART, kin=long), room)
    added = "\n".join(both.lines).encode()[len("\n".join(alone.lines).encode()) :]
    assert 0 < len(added) < room.ticket // 4 + 200
    assert both.extent[-1] == "INC 7, the ticket it is a part of, was read in part."
    assert both.lines[: len(alone.lines)] == alone.lines


def test_where_the_ticket_itself_fills_the_room_the_other_is_named_alone() -> None:
    full = replace(PART, description="word " * 4_000)
    lines = read_ticket(full, Room(ticket=2_000)).lines
    assert sum("INC 7" in line for line in lines) <= 3


def test_a_note_on_the_parent_says_first_which_part_it_is_about() -> None:
    on_parent = replace(PART, kin=replace(PARENT, takes_note=True))
    first, *_ = compose_note(on_parent, CheckedDraft()).markdown.splitlines()
    assert first == "*About INC8, a part of this ticket: Files*"
    assert "About INC8" not in compose_note(PART, CheckedDraft()).markdown
    assert about(replace(PART, kin=None), Words()) == about(PART, Words()) == ""
    german = replace(on_parent, subject="Die Dateien sind weg", description="Seit heute Morgen sind sie nicht mehr da.")
    assert compose_note(german, CheckedDraft()).markdown.startswith("*Zu INC8, einem Teil dieses Tickets: Die Dateien")


def test_what_it_says_may_be_named_in_a_sentence_and_is_no_text_of_the_ticket() -> None:
    assert "0x80070035" in PART.known_text
    assert "0x80070035" not in PART.ticket_text

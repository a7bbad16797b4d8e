"""What a ticket says of machines that write on it: an out-of-office, a bounce, our own mail, the same text again."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from tests.support.runs import ticket

from deskhand.kit.marks import MarkMaker, with_mark
from deskhand.plugins.contract import Note, Person, Ticket
from deskhand.work.asking import replies_of_requester
from deskhand.work.automatic import sign_of, why_no_message
from deskhand.work.people import is_requester, names_of

ALICE = Person(id="7", name="Alice", email="Alice@acme.test")
CAROL = Person(id="8", name="Carol", email="carol@acme.test", is_staff=False)
INES = Person(id="1", name="Ines", email="ines@desk.test", is_staff=True)
SOMEBODY = Person(id="2", name="System")
SERVER = Person(email="MAILER-DAEMON@mx.acme.test")
AWAY = "I am out of the office until Monday."
RECEIPT = "Your message has reached the Globex service team."
AGENTS = frozenset({"agents@acme.test"})
LATER = datetime(2026, 5, 4, 9, tzinfo=UTC)


def note(words: str, author: Person = ALICE, *, number: int = 1, public: bool = True) -> Note:
    return Note(id=str(number), body=words, public=public, author=author, created_at=LATER)


def talk(*said: tuple[str, Person]) -> Ticket:
    notes = tuple(note(words, author, number=place) for place, (words, author) in enumerate(said))
    return ticket(requester=ALICE, notes=notes)


NOBODY_TO_ANSWER: list[tuple[Ticket, str]] = [
    (talk((AWAY, ALICE)), "its text begins as an automatic answer does"),
    (talk(("It drops.", ALICE), (AWAY, CAROL)), "its text begins as an automatic answer does"),
    (talk((RECEIPT, ALICE), ("We look.", INES), (RECEIPT, ALICE)), "its writer has sent the same text before"),
    (talk((RECEIPT, ALICE), (RECEIPT.upper() + " 4711", ALICE)), "its writer has sent the same text before"),
    (talk(("The address is unknown.", SERVER)), "a mail server wrote it"),
    (ticket(requester=ALICE, subject="Automatic reply: Ticket 5"), "its subject says so"),
    (ticket(requester=SERVER), "a mail server wrote it"),
    (
        ticket(requester=ALICE, description="Auto-Submitted: auto-replied"),
        "a header in its text (Auto-Submitted) says so",
    ),
    (ticket(requester=Person(email="Agents@acme.test")), "our own mail"),
]
SOMEBODY_TO_ANSWER: list[Ticket] = [
    ticket(requester=ALICE),
    ticket(requester=None),
    talk(("Third floor.", ALICE)),
    talk((AWAY, ALICE), ("I am back, it still drops.", ALICE)),
    talk((AWAY, INES)),
    talk((AWAY, SOMEBODY)),
    talk(("Thanks!", ALICE), ("Thanks!", ALICE)),
    talk((RECEIPT, ALICE), (RECEIPT, CAROL)),
    talk((RECEIPT, SOMEBODY), (RECEIPT, SOMEBODY)),
    talk((f"> {AWAY}\n\nShall I call him?", ALICE)),
    ticket(requester=ALICE, subject="Automatic reply: Ticket 5", notes=(note("That was mine, please help."),)),
]


@pytest.mark.parametrize(("about", "why"), NOBODY_TO_ANSWER, ids=[str(place) for place in range(len(NOBODY_TO_ANSWER))])
def test_what_a_machine_wrote_last_is_nobodys_message(about: Ticket, why: str) -> None:
    said = why_no_message(about, (), AGENTS)
    assert said is not None
    assert why in said
    assert said.endswith("nothing was done.")


@pytest.mark.parametrize("about", SOMEBODY_TO_ANSWER, ids=[str(place) for place in range(len(SOMEBODY_TO_ANSWER))])
def test_what_a_person_may_have_written_is_answered(about: Ticket) -> None:
    assert why_no_message(about, (), AGENTS) is None


def test_our_own_notes_are_not_the_newest_message() -> None:
    mark = MarkMaker(b"k" * 32).make(UUID(int=1), "reply:outcome")
    ours = note(with_mark("Restart it.", mark), number=5)
    known = note("Restart it.", number=6)
    about = ticket(requester=ALICE, notes=(note(AWAY), ours, known))
    said = why_no_message(about, {"6"}, AGENTS)
    assert said is not None
    assert "automatic" in said


def test_an_answer_of_a_machine_is_no_answer_of_the_requester() -> None:
    about = talk(
        (AWAY, ALICE), ("Third floor.", ALICE), ("I have that, too.", CAROL), (RECEIPT, ALICE), (RECEIPT, ALICE)
    )
    assert [one.body for one in replies_of_requester(about)] == ["Third floor.", RECEIPT]
    inside = ticket(requester=ALICE, notes=(note("Third floor.", public=False),))
    assert replies_of_requester(inside) == []


def test_a_technician_who_filed_the_ticket_has_machines_as_well() -> None:
    about = ticket(requester=INES, notes=(note(AWAY, INES),))
    assert sign_of(about.notes[0], about) is not None
    assert sign_of(about.notes[0], ticket(requester=ALICE, notes=about.notes)) is None


def test_who_is_who_is_told_by_kinds_of_names() -> None:
    assert names_of(ALICE) == {("id", "7"), ("email", "alice@acme.test")}
    assert names_of(Person(name="Alice")) == set()
    about = ticket(requester=Person(id="7", account="alice"))
    assert is_requester(Person(email="x@y.test", account="ALICE"), about)
    assert not is_requester(Person(id="alice"), about)
    assert not is_requester(Person(name="Alice"), about)
    assert not is_requester(ALICE, ticket(requester=None))

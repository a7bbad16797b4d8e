"""Who counts as the requester, and what as an answer: pure rules."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deskhand.intake.notes import change_of, why_no_word
from deskhand.kit.words import has_word
from deskhand.plugins.contract import Note, Person, Ticket, TicketEvent, TicketMetadata
from deskhand.tools.asking import ASK, with_asking
from deskhand.tools.values import Grant, Mode, Scope, read_grants, stored_grants
from deskhand.work.asking import is_requester, replies_of_requester
from deskhand.work.note_word import newest_first

ALICE = Person(id="7", email="alice@acme.test")


@pytest.mark.parametrize(("author", "surely"), [
    (Person(id="7"), True),
    (Person(email="ALICE@acme.test"), True),
    (Person(account="alice"), False),
    (Person(name="Alice"), False),
    (Person(id="8", email="bob@acme.test", name="Alice"), False),
    (Person(account="7"), False),
    (Person(), False),
])  # fmt: skip
def test_the_requester_is_known_by_what_the_desk_knows_people_by(author: Person, *, surely: bool) -> None:
    ticket = Ticket(tool_type="jira", id="1", display_id="1", subject="x", requester=ALICE)
    assert is_requester(author, ticket) is surely
    assert is_requester(author, Ticket(tool_type="jira", id="1", display_id="1", subject="x")) is False


def test_an_answer_is_public_and_a_technicians_note_is_not() -> None:
    notes = (
        Note(id="1", body="public", public=True, author=ALICE),
        Note(id="2", body="internal, by the requester", public=False, author=ALICE),
        Note(id="3", body="internal", public=False, author=Person(id="9")),
        Note(id="4", body="public, by somebody", public=True, author=Person(id="9")),
        Note(id="5", body="by nobody", public=False, author=Person(name="Bob")),
        Note(id="6", body="by a customer", public=False, author=Person(id="10", is_staff=False)),
        Note(id="7", body="internal and newer", public=False, author=Person(id="9", is_staff=True)),
    )
    ticket = Ticket(tool_type="jira", id="1", display_id="1", subject="x", requester=ALICE, notes=notes)
    assert [note.id for note in replies_of_requester(ticket)] == ["1"]
    assert [note.id for note in newest_first(ticket)] == ["7", "3"]


@pytest.mark.parametrize(("text", "says"), [
    ("#handover", True),
    ("Please #Handover, now", True),
    ("<p>#handover</p>", True),
    ("#handovers", False),
    ("x#handover", False),
    ("handover", False),
    ("", False),
])  # fmt: skip
def test_a_word_stands_by_itself(text: str, *, says: bool) -> None:
    assert has_word(text, "#handover") is says


def event(name: str = "comment_created", **facts: object) -> TicketEvent:
    values: dict[str, object] = {"note_id": "5", "revision": "r2", **facts}
    ticket = TicketMetadata(tool_type="jira", ticket_id="1", updated_at=datetime(2026, 5, 4, tzinfo=UTC))
    return TicketEvent(event=name, ticket=ticket, **values)  # type: ignore[arg-type]


def test_an_event_that_surely_is_no_answer_wakes_nobody() -> None:
    assert change_of(event(), by_us=None) == {"note": "5", "revision": "r2", "at": "2026-05-04T00:00:00+00:00"}
    assert change_of(event(note_public=True, actor=Person(is_staff=True)), by_us=False) is not None
    assert change_of(event(note_public=False), by_us=None) is None
    assert change_of(event(), by_us=True) is None


def test_an_event_that_cannot_be_the_word_starts_nothing() -> None:
    said = {"note_public": False, "note_text": "#handover please"}
    assert why_no_word(event(note_public=True), None) is None
    assert why_no_word(event(**said), "#handover") is None
    assert why_no_word(event(), "#handover") is None
    assert "requester reads" in str(why_no_word(event(**{**said, "note_public": True}), "#handover"))
    assert "does not say" in str(why_no_word(event(**{**said, "note_text": "no"}), "#handover"))
    assert "technician" in str(why_no_word(event(**said, actor=Person(is_staff=False)), "#handover"))
    assert "no internal note" in str(why_no_word(event("request.created", note_id=None), "#handover"))


def test_asking_comes_with_replying_on_the_own_ticket_and_a_grant_of_its_own_wins() -> None:
    approve = Grant(Mode.APPROVE, Scope.ANY, "tenant_admin", 5)
    assert with_asking({"reply": approve})[ASK] == Grant(Mode.APPROVE, Scope.OWN, "tenant_admin", 5)
    own = Grant(answer_hours=4)
    assert with_asking({"reply": approve, ASK: own})[ASK] == own
    assert ASK not in with_asking({ASK: own, "add_note": own})
    for grants in ({ASK: own, "reply": Grant()}, {ASK: Grant(Mode.APPROVE, answer_hours=3), "reply": approve}):
        assert read_grants(stored_grants(grants)) == grants

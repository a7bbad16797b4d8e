"""For whom a model's words are, and what it may have read for them."""

from __future__ import annotations

import pytest

from deskhand.errors import ForbiddenError
from deskhand.kit.db.readers import Readers
from deskhand.plugins.contract import AttachedFile, Note, Person, Ticket
from deskhand.tools.asking import ASK, REPLY
from deskhand.tools.knowledge import KNOWLEDGE
from deskhand.tools.mail import MAIL
from deskhand.tools.values import ToolOperation
from deskhand.work.instructions import READ_OUTSIDE
from deskhand.work.voice import READ_BY_REQUESTERS, SPEAKS, Voice

OWN = ("zendesk", "1")
ALICE = Person(id="7", name="Alice", email="Alice@acme.test")


def outside(*, alone: bool = False) -> Voice:
    voice = Voice()
    voice.begin(Readers.OUTSIDE, OWN, alone=alone)
    return voice


def of_knowledge(name: str) -> ToolOperation:
    operation = KNOWLEDGE.operation(name)
    assert operation is not None
    return operation


def test_every_operation_whose_words_are_read_outside_is_held_to_it() -> None:
    assert set(READ_OUTSIDE) == SPEAKS | {"create_ticket"}
    assert "create_ticket" in READ_BY_REQUESTERS


@pytest.mark.parametrize("name", sorted(SPEAKS))
def test_a_conversation_for_the_house_says_nothing_to_a_requester(name: str) -> None:
    house = Voice()
    with pytest.raises(ForbiddenError, match="speaks to a requester"):
        house.ensure_fits(name, ())
    with pytest.raises(ForbiddenError, match="speaks to a requester"):
        house.ensure_may_say(name, *OWN)
    voice = outside()
    voice.ensure_fits(name, ())
    voice.ensure_may_say(name, *OWN)
    with pytest.raises(ForbiddenError, match="2 is another requester's"):
        voice.ensure_may_say(name, "zendesk", "2")
    with pytest.raises(ForbiddenError, match="another requester's"):
        voice.ensure_may_say(name, "jira", "1")


@pytest.mark.parametrize(
    ("name", "refused", "free"),
    [("create_ticket", "requester_email", "subject"), ("update_ticket", "description", "priority")],
)
def test_what_a_requester_reads_of_a_ticket_is_set_by_no_conversation_for_the_house(
    name: str, refused: str, free: str
) -> None:
    Voice().ensure_fits(name, {free})
    Voice().ensure_may_say(name, *OWN)
    with pytest.raises(ForbiddenError, match=refused):
        Voice().ensure_fits(name, {free, refused})
    outside().ensure_fits(name, {free, refused})


def test_a_run_without_a_ticket_reads_one_and_speaks_on_that_alone() -> None:
    voice = Voice()
    voice.begin(Readers.OUTSIDE)
    voice.ensure_may_read("get_ticket", *OWN)
    voice.ensure_may_read("list_notes", *OWN)
    voice.ensure_may_say(REPLY, *OWN)
    with pytest.raises(ForbiddenError, match="may read, for an answer to a requester, one ticket alone, 1"):
        voice.ensure_may_read("get_ticket", "zendesk", "2")
    with pytest.raises(ForbiddenError):
        voice.ensure_may_say(REPLY, "zendesk", "2")
    house = Voice()
    for number in "12":
        house.ensure_may_read("get_ticket", "zendesk", number)


def test_what_is_offered_hangs_on_whom_the_words_are_for() -> None:
    (mail,) = MAIL.operations
    house, front, alone = Voice(), outside(), outside(alone=True)
    past, articles = of_knowledge("search_past_tickets"), of_knowledge("search_articles")
    assert [voice.offers(past) for voice in (house, front, alone)] == [True, False, False]
    assert [voice.offers(articles) for voice in (house, front, alone)] == [True, True, True]
    # What else the run does is done once, by the conversation that comes after.
    assert [voice.offers(mail) for voice in (house, front, alone)] == [True, True, False]
    assert ASK in SPEAKS


def test_a_mail_to_a_requester_is_held_to_what_holds_for_a_reply() -> None:
    requesters = {"1": "alice@acme.test", "2": "bob@acme.test"}
    Voice().ensure_may_mail(["ops@acme.test"], "zendesk", requesters)
    with pytest.raises(ForbiddenError, match=r"alice@acme\.test is the requester"):
        Voice().ensure_may_mail(["Alice@Acme.test"], "zendesk", requesters)
    voice = outside()
    voice.ensure_may_mail(["alice@acme.test"], "zendesk", requesters)
    for tool, to in (("zendesk", "bob@acme.test"), ("jira", "alice@acme.test")):
        with pytest.raises(ForbiddenError):
            voice.ensure_may_mail([to], tool, requesters)
    # Whoever filed both tickets may hear of their own.
    voice.ensure_may_mail(["alice@acme.test"], "zendesk", {"1": "alice@acme.test", "3": "ALICE@acme.test"})


HIDDEN = AttachedFile(id="1", name="layoffs.xlsx", public=False)
SEEN = AttachedFile(id="2", name="screen.png", public=True)


def test_a_ticket_is_heard_without_what_its_requester_cannot_see() -> None:
    notes = tuple(Note(id=str(at), body="x", public=bool(at), author=ALICE, created_at=None) for at in range(2))
    ticket = Ticket(
        tool_type="zendesk", id="1", display_id="1", subject="VPN", description="Drops", status="Open",
        is_closed=False, requester=ALICE, notes=notes, custom={"u_risk": "fires people"}, tags=("vip",),
        attachments=("layoffs.xlsx", "screen.png"), files=(HIDDEN, SEEN, AttachedFile(id="3", name="x.log")),
    )  # fmt: skip
    assert Voice().heard(ticket) == ticket
    heard = outside().heard(ticket)
    assert (heard.notes, heard.custom, heard.tags) == (notes[1:], {}, ())
    # Nor a file of which the desk does not say that the requester sees it.
    assert (heard.attachments, heard.files) == (("screen.png",), (SEEN,))
    assert (heard.subject, heard.description, heard.requester) == ("VPN", "Drops", ALICE)
    view = {"ticket_id": "2", "number": "2", "status": "Open", "subject": "Payroll", "description": "x"}
    assert Voice().listed(view) == view
    assert outside().listed(view) == {"ticket_id": "2", "number": "2", "status": "Open"}

"""A mail to the requester of a run's ticket: an answer by another way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from deskhand.errors import ForbiddenError, StoodBackError, TicketMergedError
from deskhand.kit.db.readers import Readers
from deskhand.work.last_look import instead_key
from deskhand.work.mail_look import NO_TICKETS, MailLook
from deskhand.work.voice import Voice

KEY = "send_mail:1"
FASTER = "Ines wrote on the ticket meanwhile"


class Desk:
    """The hands on one desk, as far as a mail asks them.

    Attributes:
        looks: Tickets that were read again.
        notes: What was written instead, by its key.
    """

    def __init__(
        self, *, own: str | None = "1", grants: str = "allow", faster: str = "", kept_out: bool = False
    ) -> None:
        self.own, self.tool_id, self.voice = own, "zendesk", Voice(Readers.OUTSIDE, ("zendesk", "1"))
        self.journal = SimpleNamespace(begun_writes=frozenset[str]())
        self.looks: list[str] = []
        self.notes: dict[str, str] = {}
        self._grants, self._faster, self._kept_out = grants, faster, kept_out
        self.last_look = SimpleNamespace(
            requesters={"1": "Alice@acme.test", "2": "bob@acme.test"},
            is_kept_out=lambda _: self._kept_out,
            ensure_untouched=self._look,
        )

    async def _look(self, ticket_id: str) -> None:
        self.looks.append(ticket_id)
        if self._faster:
            raise StoodBackError(self._faster)

    def may(self, name: str) -> bool:
        return name == "add_note" and self._grants != "none"

    def needs_approval(self, _name: str) -> bool:
        return self._grants == "approve"

    async def add_note(self, body: str, *, key: str) -> None:
        self.notes[key] = body


def look(desk: Desk) -> MailLook:
    desks: Any = (desk,)
    return MailLook(desks)


async def test_the_ticket_is_read_again_before_a_mail_to_its_requester_and_before_no_other() -> None:
    desk = Desk()
    await look(desk).before(["ops@acme.test", "bob@acme.test"], key=KEY)
    assert desk.looks == []
    await look(desk).before(["ALICE@acme.test"], key=KEY)
    assert desk.looks == ["1"]
    with pytest.raises(StoodBackError, match="Ines"):
        await look(Desk(faster=FASTER)).before(["alice@acme.test"], key=KEY)


async def test_what_was_withheld_once_stays_withheld_however_the_ticket_is_by_now() -> None:
    desk = Desk()
    desk.journal.begun_writes = frozenset({instead_key(KEY)})
    with pytest.raises(StoodBackError, match="Somebody worked on the ticket"):
        await look(desk).before(["alice@acme.test"], key=KEY)
    assert desk.looks == []


async def test_a_run_without_a_ticket_has_nobody_to_stand_back_for() -> None:
    desk = Desk(own=None)
    await look(desk).before(["alice@acme.test"], key=KEY)
    await look(desk).say_instead(StoodBackError(FASTER), "VPN", "Restart it.", key=KEY)
    assert (desk.looks, desk.notes) == ([], {})
    NO_TICKETS.ensure_may_say(["alice@acme.test"])


async def test_withheld_words_become_a_note_where_the_agent_may_write_one_unasked() -> None:
    desk = Desk()
    await look(desk).say_instead(StoodBackError(FASTER), "VPN", "Restart it.\n\nThen wait.", key=KEY)
    (body,) = desk.notes.values()
    assert list(desk.notes) == [instead_key(KEY)]
    assert body.startswith(f"{FASTER}, so this was not sent. For whoever works on it:")
    assert body.endswith("> VPN\n>\n> Restart it.\n>\n> Then wait.")


@pytest.mark.parametrize(
    ("desk", "error"),
    [
        (Desk(grants="none"), StoodBackError(FASTER)),
        (Desk(grants="approve"), StoodBackError(FASTER)),
        (Desk(kept_out=True), StoodBackError("A rule keeps agents out")),
        (Desk(), TicketMergedError("It was merged")),
    ],
    ids=["not granted", "asks first", "kept out", "merged"],
)
async def test_elsewhere_the_trace_alone_keeps_them(desk: Desk, error: StoodBackError) -> None:
    await look(desk).say_instead(error, "VPN", "Restart it.", key=KEY)
    assert desk.notes == {}


def test_whoever_has_read_what_is_internal_mails_no_requester() -> None:
    desk = Desk()
    look(desk).ensure_may_say(["alice@acme.test", "ops@acme.test"])
    with pytest.raises(ForbiddenError, match=r"bob@acme\.test is the requester of a ticket"):
        look(desk).ensure_may_say(["bob@acme.test"])
    desk.voice.begin(Readers.HOUSE)
    with pytest.raises(ForbiddenError, match=r"Alice@acme\.test is the requester of a ticket"):
        look(desk).ensure_may_say(["alice@acme.test"])
    look(desk).ensure_may_say(["ops@acme.test"])

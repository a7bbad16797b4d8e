"""What an event itself says of a machine's message: then it starts nothing, and wakes nobody who waits."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.intake.automatic import why_no_message
from deskhand.plugins.contract import Person, TicketEvent, TicketMetadata

AGENTS = frozenset({"agents@acme.test"})
ALICE, INES = Person(id="7", email="alice@acme.test"), Person(id="1", is_staff=True)
AWAY = "I am out of the office until Monday."


def event(name: str = "request.created", *, actor: Person = ALICE, **more: Any) -> TicketEvent:
    said = {key: more.pop(key) for key in ("subject", "requester_email", "description") if key in more}
    about = TicketMetadata(tool_type="jira", ticket_id="1", **said)
    return TicketEvent(event=name, ticket=about, actor=actor, **more)


NOBODY: list[tuple[TicketEvent, str]] = [
    (event(subject="Undeliverable: your ticket"), "An automatic message made the ticket (its subject says so)"),
    (event("incident.created", subject="Auto: x"), "its subject says so"),
    (event(requester_email="postmaster@acme.test"), "a mail server wrote it"),
    (event(requester_email="Agents@acme.test"), "Our own mail made the ticket"),
    (event(description="<p>X-Auto-Response-Suppress: All</p><p>Hello</p>"), "a header in its text"),
    (event("note.added", note_id="5", note_text=AWAY), "The message is automatic (its text begins"),
    (event("note.added", note_text=f"<p>Hello,</p><p>{AWAY}</p>"), "its text begins as an automatic answer does"),
    (event("note.added", note_text="x", actor=Person(email="mailer-daemon@x.test")), "a mail server wrote it"),
]
PERSON: list[TicketEvent] = [
    event(),
    event(subject="VPN drops", requester_email="alice@acme.test", description=AWAY),
    event("request.updated", subject="Automatic reply: x"),
    event("request.updated", requester_email="agents@acme.test"),
    event("comment_created", note_id="5", subject="Automatic reply: x"),
    event("note.added", note_text=AWAY, actor=INES),
    event("note.added", note_text="It is the third floor."),
    event("note.added", note_text=f"> {AWAY}\n\nShall I call him?"),
    event("note.added", note_text=""),
]


@pytest.mark.parametrize(("told", "why"), NOBODY, ids=[str(place) for place in range(len(NOBODY))])
def test_a_machines_message_starts_nothing(told: TicketEvent, why: str) -> None:
    said = why_no_message(told, AGENTS)
    assert said is not None
    assert why in said
    assert said.endswith("it starts nothing.")


@pytest.mark.parametrize("told", PERSON, ids=[str(place) for place in range(len(PERSON))])
def test_what_may_be_a_persons_starts_what_it_starts(told: TicketEvent) -> None:
    assert why_no_message(told, AGENTS) is None

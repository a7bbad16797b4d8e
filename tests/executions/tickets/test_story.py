"""The story of a ticket: what is told of each thing that happened, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from deskhand.approvals.schemas import DifferenceView
from deskhand.engine.status import StepState
from deskhand.executions.tickets.schemas import (
    NoteText,
    TicketDelivery,
    TicketDetail,
    TicketNote,
    TicketQuestion,
    TicketRun,
    TicketWrite,
)
from deskhand.executions.tickets.story import Entry, needs_somebody, tell

BEGAN = datetime(2026, 5, 4, 9, tzinfo=UTC)
RUN = uuid4()
TEXT = {"execution_id": RUN, "agent_name": "Triage", "verdicts": [], "can_judge": True}


def after(minutes: float) -> datetime:
    return BEGAN + timedelta(minutes=minutes)


def run(**columns: Any) -> TicketRun:
    """A run that has ended without a word."""
    values = {
        **dict.fromkeys(TicketRun.model_fields),
        "id": RUN,
        "status": "completed",
        "agent_id": uuid4(),
        "agent_name": "Triage",
        "agent_version": 3,
        "mode": "live",
        "attempt": 1,
        "max_attempts": 15,
        "parked": False,
        "queued_at": after(1),
        "step_count": 4,
        "degraded": False,
        "is_own": True,
        "read": [],
        "looked_up": [],
        "can_undo": False,
        **columns,
    }
    return TicketRun.model_validate(values)


def ticket(**parts: Any) -> TicketDetail:
    """A ticket to which nothing but this happened."""
    values = {
        "tool_type": "jira",
        "ticket_id": "10042",
        "number": "HELP-7",
        "subject": "Printer offline",
        "company": None,
        "url": None,
        "namesake": None,
        "runs": [],
        "next_cursor": None,
        "deliveries": [],
        "notes": [],
        "writes": [],
        "questions": [],
        "approvals": [],
        "cost_usd": Decimal(0),
        "unpriced": 0,
        **parts,
    }
    return TicketDetail.model_validate(values)


def delivery(outcome: str, **columns: Any) -> TicketDelivery:
    values = {"id": uuid4(), "agent_id": uuid4(), "trigger_id": uuid4(), "agent_name": "Triage", "received_at": BEGAN,
              "outcome": outcome, "http_status": 202, "event": "issue_created", **columns}  # fmt: skip
    return TicketDelivery.model_validate(values)


def note(*texts: NoteText, audience: str = "technicians", state: str = "there") -> TicketNote:
    """A note with its texts, oldest first."""
    *earlier, last = texts
    values = {"note_id": "1", "audience": audience, "state": state, "text": last, "earlier": earlier[::-1]}
    return TicketNote.model_validate({**values, "step_key": "add_note:note"})


def text(markdown: str, minutes: float, **columns: Any) -> NoteText:
    return NoteText.model_validate({**TEXT, "markdown": markdown, "at": after(minutes), **columns})


def verdict(kind: str, minutes: float, **columns: Any) -> dict[str, Any]:
    return {"id": uuid4(), "enhancement_id": RUN, "ticket_id": "10042", "technician_email": "ines@acme.example",
            "feedback_type": kind, "rating_value": None, "feedback_comment": None, "created_at": after(minutes),
            **columns}  # fmt: skip


def approval(state: str, execution_id: UUID = RUN, **columns: Any) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "tenant_id": "acme",
        "state": state,
        "execution_id": execution_id,
        "agent_id": uuid4(),
        "agent_name": "Triage",
        "agent_version": 3,
        "tool_id": "jira",
        "operation": "update_ticket",
        "arguments": {},
        "digest": "0" * 64,
        "ticket": None,
        "differences": [],
        "risk": "low",
        "reason": "Two more wrote.",
        "approver": "operator",
        "likeness": "1" * 64,
        "created_at": after(2),
        "expires_at": after(600),
        "answered_by": None,
        "answered_at": None,
        "answer": None,
        "changed_by": None,
        "changed_at": None,
        **columns,
    }


def told(one: TicketDetail) -> list[tuple[str, str]]:
    return [(entry.title, entry.text) for entry in tell(one)]


def only(one: TicketDetail) -> Entry:
    (entry,) = tell(one)
    return entry


def test_everything_is_told_oldest_first_and_at_one_time_in_the_order_of_causes() -> None:
    whole = ticket(
        deliveries=[delivery("accepted", received_at=after(1))],
        runs=[run(queued_at=after(1))],
        approvals=[approval("approved", created_at=after(2), answered_by="person:pat", answered_at=after(3))],
        writes=[
            TicketWrite(
                execution_id=RUN,
                step_key="u",
                operation="update_ticket",
                agent_name="Triage",
                at=after(4),
                state=StepState.FINISHED,
                knows_before=True,
                fields=[DifferenceView(field="due_date", before=None, after="Friday")],
            )
        ],
        notes=[note(text("Reboot.", 4, verdicts=[verdict("thumbs_up", 9)]))],
    )
    assert [(entry.kind, entry.title) for entry in tell(whole)] == [
        ("event", "The desk sent issue_created to Triage"),
        ("run", "Triage v3 ran to its end"),
        ("asked", "Triage asked before: Update ticket"),
        ("said", "person:pat approved: Update ticket"),
        ("write", "Triage wrote a note"),
        ("write", "Triage: Update ticket"),
        ("said", "ines@acme.example said it helped"),
    ]


@pytest.mark.parametrize(
    ("outcome", "reason", "state", "words"),
    [
        ("accepted", None, None, "Accepted: it started a run"),
        ("coalesced", "It joined a run.", None, "Accepted: it joined a run"),
        ("ignored", "The agent is suspended.", ("cancelled", "Started nothing"), "The agent is suspended."),
        ("ignored", None, ("cancelled", "Started nothing"), "Heard, and nothing was started"),
        ("rejected", "The signature does not match.", ("failed", "Refused"), "The signature does not match."),
    ],
)
def test_a_delivery_says_what_became_of_it(outcome: str, reason: str | None, state: Any, words: str) -> None:
    entry = only(ticket(deliveries=[delivery(outcome, reason=reason)]))
    assert (entry.state, entry.text) == (state, words)
    assert entry.href == f"/deliveries?outcome={outcome}"
    assert only(ticket(deliveries=[delivery(outcome, event=None)])).title == "The desk sent an event to Triage"


@pytest.mark.parametrize(
    ("columns", "title", "words"),
    [
        ({"status": "queued"}, "Triage v3 waits in the queue", ""),
        ({"status": "running"}, "Triage v3 is at work", ""),
        ({"status": "waiting", "error_message": "Asks first."}, "Triage v3 waits", "Asks first."),
        ({"status": "failed", "error_message": "No answer."}, "Triage v3 failed", "No answer."),
        ({"status": "failed"}, "Triage v3 failed", ""),
        ({"status": "cancelled"}, "Triage v3 was cancelled", ""),
        ({"why_nothing": "Too late."}, "Triage v3 ran to its end", "Too late."),
        # What a completed run says beside is on its own page.
        ({"error_message": "Look once more."}, "Triage v3 ran to its end", ""),
    ],
)
def test_a_run_says_how_it_ended_and_why(columns: dict[str, Any], title: str, words: str) -> None:
    entry = only(ticket(runs=[run(**columns)]))
    assert (entry.title, entry.text) == (title, words)
    assert (entry.href, entry.run is not None) == (f"/executions/{RUN}", True)


def test_an_undo_says_who_asked_and_what_became_of_each_write() -> None:
    item = {"operations": ["add_note", "reply"], "executions": [RUN], "tool_type": "jira", "ticket_id": "10042",
            "effect": "withdraw_note", "done": True, "fields": [], "kept": [], "why": None}  # fmt: skip
    left = {**item, "operations": ["update_ticket"], "done": False, "why": "Somebody changed it since."}
    undo = {"requested_by": "person:pat", "items": [item, left, {**left, "why": None}]}
    entry = only(ticket(runs=[run(mode="undo", undo=undo)]))
    assert entry.title == "person:pat undid what agents wrote"
    assert entry.text == "Add note, Reply: done; Update ticket: Somebody changed it since.; Update ticket: left"


def test_each_text_of_a_note_is_told_when_it_was_written() -> None:
    one = ticket(notes=[note(text("**A**", 2), text("B", 5), text("C", 7, agent_name="Hardware"))])
    assert told(one) == [
        ("Triage wrote a note", "A"),
        ("Triage wrote its note anew", "B"),
        ("Hardware wrote its note anew", "C"),
    ]
    assert {entry.href for entry in tell(one)} == {"#note-1"}


def test_a_text_that_a_run_elsewhere_wrote_is_not_told_here() -> None:
    unknown = text("A", 0, at=None, execution_id=None, agent_name=None)
    assert told(ticket(notes=[note(unknown, text("B", 5))])) == [("Triage wrote its note anew", "B")]


def test_a_reply_is_told_as_one_and_a_doubt_as_a_doubt() -> None:
    assert only(ticket(notes=[note(text("Hello.", 1), audience="requester")])).title == "Triage wrote to the requester"
    doubtful = tell(ticket(notes=[note(text("A", 1), text("B", 2), state="in_doubt")]))
    assert [entry.state for entry in doubtful] == [None, ("in_doubt", "In doubt")]


@pytest.mark.parametrize(
    ("said", "title", "words"),
    [
        (verdict("thumbs_up", 3), "ines@acme.example said it helped", ""),
        (
            verdict("thumbs_down", 3, feedback_comment="No\n\nhelp."),
            "ines@acme.example said it did not help",
            "No help.",
        ),
        (verdict("rating", 3, rating_value=4), "ines@acme.example rated it 4 of 5", ""),
        (verdict("thumbs_up", 3, technician_email=None), "Whoever opened the note's link said it helped", ""),
    ],
)
def test_a_verdict_is_told_by_whom_it_is(said: dict[str, Any], title: str, words: str) -> None:
    _, entry = tell(ticket(notes=[note(text("A", 1, verdicts=[said]))]))
    assert (entry.kind, entry.title, entry.text) == ("said", title, words)


def test_a_long_text_is_told_by_its_beginning() -> None:
    entry = only(ticket(notes=[note(text("word " * 100_000, 1))]))
    assert entry.text == ("word " * 32).rstrip() + "…"


def test_a_write_in_doubt_is_marked() -> None:
    wrote = {"execution_id": RUN, "step_key": "k", "agent_name": "Triage", "at": after(1), "knows_before": False}
    fields = [{"field": "group", "before": None, "after": "Net"}, {"field": "assignee", "before": None, "after": "x"}]
    sure = TicketWrite.model_validate({**wrote, "operation": "assign", "state": "finished", "fields": fields})
    doubtful = sure.model_copy(update={"state": "in_doubt"})
    entry, other = tell(ticket(writes=[sure, doubtful]))
    assert (entry.title, entry.text, entry.state) == ("Triage: Assign", "Group, Assignee", None)
    assert other.state == ("in_doubt", "In doubt")


def test_a_question_is_told_as_a_note_and_its_answer_when_it_came() -> None:
    asked = {"execution_id": RUN, "agent_name": "Triage", "question": "Which?", "round": 1, "asked_at": after(1),
             "until": after(99), "answered_at": None, "answer": [], "why": None}  # fmt: skip
    answered = {**asked, "answered_at": after(5), "answer": ["LT-1.", "And LT-2."]}
    nobody = {**asked, "answered_at": after(9), "why": "Nobody answered."}
    questions = [TicketQuestion.model_validate(one) for one in (asked, answered, nobody)]
    assert told(ticket(questions=questions)) == [
        ("The requester answered", "LT-1. And LT-2."),
        ("The requester did not answer", "Nobody answered."),
    ]


@pytest.mark.parametrize(
    ("state", "verb"), [("approved", "approved"), ("void", "approved"), ("declined", "declined"), ("expired", None)]
)
def test_an_approval_is_told_when_it_was_asked_and_when_it_was_answered(state: str, verb: str | None) -> None:
    answer = {"answered_by": "person:pat", "answered_at": after(4), "answer": "Fine."} if verb else {}
    asked, *rest = tell(ticket(approvals=[approval(state, **answer)]))
    assert (asked.title, asked.text, asked.state) == ("Triage asked before: Update ticket", "Two more wrote.", None)
    assert [one.title for one in rest] == ([f"person:pat {verb}: Update ticket"] if verb else [])
    waiting = only(ticket(approvals=[approval("waiting", reason=None)]))
    assert (waiting.state, waiting.text) == (("waiting", "Waiting"), "")


@pytest.mark.parametrize(
    ("columns", "asked", "needs"),
    [
        ({"status": "failed"}, [], True),
        ({"status": "failed", "dismissed_at": after(9)}, [], False),
        ({"status": "waiting", "error_code": "in-doubt"}, [], True),
        # The call stands there with its difference; the run would say it a second time.
        ({"status": "waiting", "error_code": "approval-needed"}, [approval("waiting")], False),
        ({"status": "waiting", "error_code": "in-doubt"}, [approval("waiting", uuid4())], True),
        ({"status": "waiting", "error_code": "in-doubt"}, [approval("declined")], True),
        ({"status": "waiting", "error_code": "requester"}, [], False),
        ({"status": "completed"}, [], False),
        ({"status": "running"}, [], False),
    ],
)
def test_what_needs_somebody(columns: dict[str, Any], asked: list[Any], needs: bool) -> None:
    one = run(**columns)
    assert needs_somebody(one, ticket(runs=[one], approvals=asked)) is needs

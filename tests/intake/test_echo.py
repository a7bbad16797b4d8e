"""What is our own echo, and what only looks like it: on each desk's own events, against the journal's writes."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from deskhand.intake.echo import Write, is_echo
from deskhand.intake.second_look import is_of_own_write
from deskhand.kit.crypto import SecretBox
from deskhand.kit.marks import MarkMaker, find_marks, strip_marks, with_mark
from deskhand.plugins.contract import Ignored, TicketEvent, WebhookRequest
from deskhand.plugins.registry import BUILT_IN

MARK = "dh-0123456789abcdef0123"
QUOTE = f"still broken. You wrote: Ref: {MARK}"


def event_of(tool_type: str, payload: dict[str, Any]) -> TicketEvent:
    event = BUILT_IN[tool_type].extract_metadata(WebhookRequest(headers={}, body=json.dumps(payload).encode()))
    assert not isinstance(event, Ignored)
    return event


def sdp(note: dict[str, Any] | None = None, stamp: str = "100") -> dict[str, Any]:
    request = {"id": "1", "subject": QUOTE, "description": QUOTE, "last_updated_time": {"value": stamp}}
    return {"event": "request.updated", "request": request, **({"note": note} if note else {})}


def jira(comment: dict[str, Any] | None = None, stamp: str = "2026-11-21T10:00:00.000+0000") -> dict[str, Any]:
    issue = {"id": "1", "fields": {"summary": QUOTE, "updated": stamp, "comment": {"comments": [{"body": QUOTE}]}}}
    name = (
        {"webhookEvent": "comment_created", "comment": comment} if comment else {"webhookEvent": "jira:issue_updated"}
    )
    return {"issue": issue, **name}


def zendesk(comment: dict[str, Any] | None = None, stamp: str = "2026-11-21T10:00:00Z") -> dict[str, Any]:
    kind = "ticket.comment_added" if comment else "ticket.subject_changed"
    detail = {"id": "1", "subject": QUOTE, "description": QUOTE, "updated_at": stamp, "status": "OPEN"}
    return {"type": f"zen:event-type:{kind}", "detail": detail, "event": {"comment": comment} if comment else {}}


def servicenow(_note: dict[str, Any] | None = None, stamp: str = "7") -> dict[str, Any]:
    return {"event": "incident.updated", "sys_id": "1" * 32, "short_description": QUOTE, "sys_mod_count": stamp}


DESKS = {
    "servicedesk_plus": (sdp, "100", "101"),
    "jira": (jira, "2026-11-21T11:00:00.000+0100", "2026-11-21T10:00:01.000+0000"),
    "zendesk": (zendesk, "2026-11-21T10:00:00Z", "2026-11-21T10:00:09Z"),
    "servicenow": (servicenow, "7", "8"),
}
WITH_NOTES = [desk for desk in DESKS if desk != "servicenow"]


def written(**values: Any) -> Write:
    return Write(**{"mark": MARK, "receipt_id": "n1", "revision": None, "age": 1.0, **values})


def test_every_desk_is_here() -> None:
    assert set(DESKS) == set(BUILT_IN)


@pytest.mark.parametrize("desk", DESKS)
def test_the_stamp_that_our_write_left_is_ours_and_another_is_not(desk: str) -> None:
    make, same, other = DESKS[desk]
    event = event_of(desk, make())
    update = {"receipt_id": event.ticket.ticket_id}
    assert is_echo(event, by_us=True, writes=[written(revision=same, **update)]) is True
    assert is_echo(event, by_us=True, writes=[written(revision=other, **update)]) is False
    assert is_echo(event, by_us=True, writes=[]) is False
    assert is_echo(event, by_us=False, writes=[written(revision=same, **update)]) is False


@pytest.mark.parametrize("desk", WITH_NOTES)
def test_a_note_is_ours_by_its_id_and_a_quotation_of_it_is_not(desk: str) -> None:
    make, _, _ = DESKS[desk]
    ours = event_of(desk, make({"id": "n1", "body": f"Ref: {MARK}", "description": f"Ref: {MARK}"}))
    quoting = event_of(desk, make({"id": "n2", "body": QUOTE, "description": QUOTE}))
    for by_us in (True, None):
        assert is_echo(ours, by_us=by_us, writes=[written()]) is True
        assert is_echo(quoting, by_us=by_us, writes=[written()]) is False
    assert is_echo(quoting, by_us=False, writes=[written()]) is False
    # An event that names nobody is held against the newest write, and against those of the last moments.
    assert is_echo(ours, by_us=None, writes=[written(receipt_id="n9"), written(age=3600.0)]) is False
    assert is_echo(ours, by_us=None, writes=[written(receipt_id="n9"), written()]) is True
    # Under way is the next write, of which this event says nothing.
    assert is_echo(ours, by_us=None, writes=[written(receipt_id=None, mark="dh-other"), written()]) is True


@pytest.mark.parametrize("desk", DESKS)
def test_of_quick_writes_each_is_known_and_a_persons_edit_right_after_them_is_the_persons(desk: str) -> None:
    make, same, other = DESKS[desk]
    event = event_of(desk, make({"id": "n1", "body": "edited", "description": "edited"}))
    newest = written(receipt_id="n9", revision=other)
    assert (
        is_echo(event, by_us=None, writes=[newest, written(receipt_id=event.ticket.ticket_id, revision=same)]) is True
    )
    # The stamp is of none of our writes: somebody has changed the ticket since, and perhaps our note.
    assert is_echo(event, by_us=None, writes=[newest, written(revision=f"{other}0")]) is False


@pytest.mark.parametrize("desk", WITH_NOTES)
def test_a_note_reported_before_its_write_was_answered_is_known_by_account_and_mark(desk: str) -> None:
    make, _, _ = DESKS[desk]
    ours = event_of(desk, make({"id": "n1", "body": f"Ref: {MARK}", "description": f"Ref: {MARK}"}))
    assert is_echo(ours, by_us=True, writes=[written(receipt_id=None)]) is True
    assert is_echo(ours, by_us=None, writes=[written(receipt_id=None)]) is None  # ask again
    assert is_echo(ours, by_us=None, writes=[written(receipt_id=None, age=3600.0)]) is False  # in doubt, it runs


@pytest.mark.parametrize("desk", DESKS)
def test_what_an_event_merely_repeats_bears_no_mark(desk: str) -> None:
    make, _, _ = DESKS[desk]
    assert event_of(desk, make()).marks == ()


def test_a_mark_cannot_be_computed_without_the_key_and_changes_with_it() -> None:
    keys = ["gpMwDdlyAIN5HIXaRr6dbBC3O5pZL1pXx1c1PX4gcr4=", "Yc2UFSbdVCKu61zRl9hdlEQMiOF-2IWQW_c3Wu3JW0U="]
    makers = [MarkMaker(SecretBox([key]).derive("marks")) for key in keys]
    marks = [maker.make("0198f2f0", "add_note:note") for maker in makers]
    assert len({*marks, MarkMaker(b"").make("0198f2f0", "add_note:note")}) == 3
    text = with_mark("Restart it.", marks[0])
    assert find_marks(text) == (marks[0],)
    assert strip_marks(text).strip() == "Restart it."


@pytest.mark.parametrize("kind", ["ticket.status_changed", "ticket.custom_field_changed", "ticket.priority_changed"])
def test_what_a_person_changes_beside_our_comment_is_the_persons(kind: str) -> None:
    event = {"comment": {"id": "n1", "body": f"Ref: {MARK}", "author": {"id": 7}}}
    detail = {"id": "1", "updated_at": "2026-11-21T10:00:00Z", "status": "OPEN", "actor_id": 8}
    told = event_of("zendesk", {"type": f"zen:event-type:{kind}", "detail": detail, "event": event})
    assert (told.actor.id, told.note_id, told.marks) == ("8", None, ())


@pytest.mark.parametrize("payload", [{}, {"event": "request.deleted", "request_id": "1"}, sdp()])
async def test_what_is_no_event_or_surely_somebody_elses_is_not_looked_at_again(payload: dict[str, Any]) -> None:
    """Neither the database nor a pool is asked: there is none."""
    nobody: Any = None
    assert not await is_of_own_write(
        nobody, nobody, payload, tenant_id="acme", execution_id=UUID(int=1), plugin=BUILT_IN["servicedesk_plus"],
        is_own=lambda _: False,
    )  # fmt: skip

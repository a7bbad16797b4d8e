"""What taking writes back consists of, before any desk is looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.plugins.contract import FieldChange, LinkKind, TicketLink, WriteReceipt
from deskhand.work.undo.arranging import Write, arrange, merged
from deskhand.work.undo.repository import read_write
from deskhand.work.undo.schemas import Effect, UndoneWrite

RUN = UUID("0" * 31 + "1")
TEN = datetime(2026, 5, 4, 10, tzinfo=UTC)
DESKS = {"jira", "zendesk"}


def change(field: str, before: Any, after: Any) -> FieldChange:
    return FieldChange(
        field=field, vendor_field=field, before=before, after=after, before_text=str(before), after_text=str(after)
    )


def write(
    operation: str,
    *changes: FieldChange,
    tool: str = "jira",
    ticket: str | None = "1",
    receipt_id: str = "1",
    adopted: bool = False,
    **more: Any,
) -> Write:
    receipt = WriteReceipt(id=receipt_id, ticket_id=ticket or "", adopted=adopted, changes=changes)
    given = {"receipt": receipt, "trace": {}, "mark": "dh-1", **more}
    key = UndoneWrite(execution_id=RUN, step_key=f"{operation}#{id(changes)}", operation=operation)
    return Write(key=key, tool_type=tool, ticket_id=ticket, at=TEN, asked_at=TEN, **given)


@pytest.mark.parametrize(
    ("newest_first", "back"),
    [
        ([("a", "b")], ("a", "b")),
        ([("b", "c"), ("a", "b")], ("a", "c")),
        ([("c", "d"), ("b", "c"), ("a", "b")], ("a", "d")),
        # Somebody set x between two of our writes: it goes back to theirs, whatever we did before.
        ([("x", "c"), ("a", "b")], ("x", "c")),
        ([("x", "c"), ("a", "x"), ("z", "a")], ("z", "c")),
        ([("x", "c"), ("b", "y"), ("a", "x")], ("x", "c")),
        # Set and set back.
        ([("b", "a"), ("a", "b")], None),
    ],
)
def test_several_writes_of_a_field_are_one_change(
    newest_first: list[tuple[str, str]], back: tuple[str, str] | None
) -> None:
    changes = merged([write("update_ticket", change("priority", *one)) for one in newest_first])
    assert [(one.before, one.after) for one in changes] == ([] if back is None else [back])
    assert [(one.before_text, one.after_text) for one in changes] == ([] if back is None else [back])


PRIORITY = change("priority", "low", "high")
LINK = {"kind": "blocks", "ticket_id": "2", "url": "", "title": ""}
EXPECTED: dict[str, tuple[Write, Effect, str]] = {
    "fields": (write("update_ticket", PRIORITY), Effect.RESTORE_FIELDS, ""),
    "nothing to do": (write("assign", adopted=True), Effect.NONE, "said so already"),
    "died over": (write("assign", adopted=True, resumed=True), Effect.RESTORE_FIELDS, ""),
    "note": (write("add_note", receipt_id="77"), Effect.WITHDRAW_NOTE, ""),
    "written anew": (write("update_note", receipt_id="77", trace={"before": "first"}), Effect.RESTORE_NOTE, ""),
    "its first text again": (write("restore_note", receipt_id="77"), Effect.NONE, "stands again"),
    "question": (write("ask_requester", receipt_id="77"), Effect.WITHDRAW_NOTE, ""),
    "withdrawn": (write("reply", receipt_id="77", withdrawn=True), Effect.NONE, "earlier undo"),
    "link": (write("link_tickets", receipt_id="2", trace={"kind": "blocks"}), Effect.UNLINK_TICKETS, ""),
    "link there": (write("link_tickets", receipt_id="2", adopted=True), Effect.NONE, "linked already"),
    "link died over": (write("link_tickets", adopted=True, resumed=True), Effect.NONE, "not known"),
    "link as note": (
        write("link_tickets", receipt_id="77", trace={"url": "https://elsewhere.test/1"}),
        Effect.WITHDRAW_NOTE,
        "",
    ),
    "link as field": (write("link_tickets", change("problem_id", None, 2)), Effect.RESTORE_FIELDS, ""),
    "filed": (write("create_ticket", ticket="9", receipt_id="9"), Effect.CLOSE_CREATED, ""),
    "mail": (
        write("send_mail", tool="email", ticket=None, receipt=None, trace={"to": ["a@b.test"]}),
        Effect.NONE,
        "a@b.test",
    ),
    "outside": (write("post", tool="slack", ticket=None, receipt=None), Effect.NONE, "cannot be taken back"),
    "in doubt": (write("add_note", receipt=None, in_doubt=True), Effect.NONE, "dh-1"),
    "undone fields": (write("restore_fields", PRIORITY), Effect.RESTORE_FIELDS, ""),
    "undone note": (write("withdraw_note", receipt_id="77"), Effect.NONE, "replay"),
    "correction": (write("correct_note", receipt_id="78"), Effect.NONE, "stays"),
    "unlinked": (write("unlink_tickets", receipt_id="2", trace={"link": LINK}), Effect.LINK_TICKETS, ""),
    "unheard of": (write("escalate"), Effect.NONE, "Nothing takes back 'escalate'"),
    "closed for good": (write("close_created"), Effect.NONE, "not opened again"),
    "closed": (write("close_created", change("status", "Open", "Closed")), Effect.RESTORE_FIELDS, ""),
}


@pytest.mark.parametrize("case", EXPECTED)
def test_each_write_has_its_way_back_or_a_reason(case: str) -> None:
    one, effect, why = EXPECTED[case]
    (item,) = arrange([one], desks=DESKS)
    assert (item.effect, [done.key for done in item.writes]) == (effect, [one.key.key])
    assert why in (item.why or "")
    assert bool(item.why) is (effect is Effect.NONE)
    assert item.shown().model_dump().keys() == {*item.model_dump()} - {"changes", "note_id", "note_text", "link"}
    if effect is Effect.WITHDRAW_NOTE:
        assert item.note_id == "77"
    if effect in (Effect.LINK_TICKETS, Effect.UNLINK_TICKETS):
        assert item.link == TicketLink(kind=LinkKind.BLOCKS, ticket_id="2")


def test_what_was_written_on_a_ticket_of_our_own_goes_with_it() -> None:
    writes = [
        write("add_note", ticket="9", receipt_id="77"),
        write("update_ticket", PRIORITY, ticket="9"),
        write("create_ticket", ticket="9", receipt_id="9"),
        # The same number at another desk is another ticket.
        write("update_ticket", PRIORITY, tool="zendesk", ticket="9"),
    ]
    closing, restoring = arrange(writes, desks=DESKS)
    assert (closing.effect, len(closing.writes)) == (Effect.CLOSE_CREATED, 3)
    assert (restoring.effect, restoring.tool_type, restoring.changes) == (
        Effect.RESTORE_FIELDS,
        "zendesk",
        [PRIORITY],
    )


def test_a_stored_receipt_is_read_without_what_stands_beside_it() -> None:
    now = {"started_at": TEN, "finished_at": None, "attempt": 2, "mark": "dh-1", "name": "add_note", "step_key": "n"}
    answer = {"id": "77", "ticket_id": "9", "adopted": True, "given_by": "somebody", "intent": "add_note"}
    run = AgentExecution(id=RUN, tool_type="jira", ticket_ref="1", queued_at=TEN)
    own = read_write(ExecutionStep(**now, state="finished", input={"body": "x"}, output=answer), run)
    assert (own.tool_type, own.ticket_id, own.note_id, own.resumed, own.in_doubt) == ("jira", "1", "77", True, False)
    trace = {"target": "zendesk/5"}
    other = read_write(ExecutionStep(**now, state="in_doubt", input=trace, output=None), run)
    assert (other.tool_type, other.ticket_id, other.receipt, other.in_doubt) == ("zendesk", "5", None, True)
    filed = read_write(ExecutionStep(**now, state="finished", input={"target": "jira/"}, output=answer), run)
    assert (filed.tool_type, filed.ticket_id) == ("jira", "9")
    mail = read_write(ExecutionStep(**now, state="finished", input={"target": "email"}, output={"id": "m"}), run)
    assert (mail.tool_type, mail.ticket_id, mail.receipt) == ("email", None, None)

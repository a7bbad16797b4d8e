"""A plan: what is shown of it, what its digest covers, and that a worker reads back what was planned."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from deskhand.approvals.differences import digest_of
from deskhand.plugins.contract import FieldChange, LinkKind, TicketLink
from deskhand.work.undo.schemas import (
    Effect,
    FieldBack,
    FieldKept,
    Outcome,
    Plan,
    PlannedItem,
    PreviewRun,
    PreviewVersion,
    UndoItem,
    UndoneWrite,
    UndoRun,
    UndoVersion,
)

RUN = UUID("0" * 31 + "1")
TEN = datetime(2026, 5, 4, 10, tzinfo=UTC)
WRITE = UndoneWrite(execution_id=RUN, step_key="update_ticket:call-1", operation="update_ticket")
ITEM = PlannedItem(
    writes=[WRITE],
    tool_type="jira",
    ticket_id="10042",
    number="HELP-42",
    subject="Printer jams",
    url="https://acme.test/HELP-42",
    revision="2026-05-04T10:00:00.000+0000",
    effect=Effect.RESTORE_FIELDS,
    fields=[FieldBack(field="priority", now="High", back="Low")],
    kept=[
        FieldKept(
            field="subject",
            ours="Printer of floor 3",
            now="Printer of floor 4",
            before="Printer jams",
            changed_by="Ines",
            changed_at=TEN,
        )
    ],
    changes=[
        FieldChange(
            field="priority",
            vendor_field="priority",
            before={"id": "4"},
            after={"id": "2"},
            before_text="Low",
            after_text="High",
        )
    ],
)
PLAN = Plan(
    undoes=[WRITE.key],
    what={"execution_id": str(RUN), "step_key": None},
    digest="0" * 64,
    requested_by="user:ann@example.com",
    agent_name="First look",
    items=[ITEM],
)
OTHER: dict[str, Any] = {
    "writes": [],
    "tool_type": "zendesk",
    "ticket_id": "10043",
    "revision": "2026-05-04T10:00:01.000+0000",
    "effect": Effect.NONE,
    "fields": [FieldBack(field="priority", now="High", back="Medium")],
    "kept": [],
    "why": "It is as it was before already.",
    "changes": [],
    "note_id": "77",
    "link": TicketLink(kind=LinkKind.BLOCKS, ticket_id="2"),
}


def test_a_write_is_named_among_those_of_all_runs() -> None:
    assert WRITE.key == f"{RUN}/update_ticket:call-1"


def test_a_worker_reads_back_what_was_planned() -> None:
    stored = PLAN.model_dump(mode="json")
    assert Plan.model_validate(stored) == PLAN
    link = ITEM.model_copy(update={"effect": Effect.UNLINK_TICKETS, "link": OTHER["link"], "note_id": "77"})
    whole = PLAN.model_copy(update={"items": [link]})
    (read,) = Plan.model_validate(whole.model_dump(mode="json")).items
    assert (read.link, read.note_id, read.changes) == (OTHER["link"], "77", ITEM.changes)


def test_people_see_no_forms_of_the_desk() -> None:
    shown = ITEM.shown()
    assert type(shown) is UndoItem
    text = shown.model_dump_json()
    assert '"id"' not in text
    assert {"changes", "note_id", "link"} & shown.model_dump().keys() == set()
    assert shown.fields == ITEM.fields
    assert shown.kept == ITEM.kept


@pytest.mark.parametrize("field", OTHER)
def test_a_digest_covers_whatever_would_be_done_or_shown(field: str) -> None:
    other = ITEM.model_copy(update={field: OTHER[field]})
    assert digest_of([other.model_dump(mode="json")]) != digest_of([ITEM.model_dump(mode="json")])


def test_a_digest_is_the_same_for_the_same_plan() -> None:
    again = PlannedItem.model_validate(ITEM.model_dump(mode="json"))
    assert digest_of([again.model_dump(mode="json")]) == digest_of([ITEM.model_dump(mode="json")])


@pytest.mark.parametrize(
    ("model", "good", "bad"),
    [
        (PreviewRun, {}, {"step_key": ""}),
        (PreviewRun, {"step_key": "add_note:note"}, {"step_key": "x" * 201}),
        (UndoRun, {"digest": "0" * 64}, {}),
        (UndoRun, {"digest": "a" * 64, "step_key": None}, {"digest": "A" * 64}),
        (PreviewVersion, {"since": "2026-05-04T09:00:00Z"}, {"since": "2026-05-04T09:00:00"}),
        (UndoVersion, {"since": "2026-05-04T09:00:00+02:00", "digest": "0" * 64}, {"since": "2026-05-04T09:00:00Z"}),
    ],
)
def test_what_is_asked_for_is_held_to_its_form(model: Any, good: dict[str, Any], bad: dict[str, Any]) -> None:
    model.model_validate(good)
    for wrong in (bad, {**good, "more": 1}):
        with pytest.raises(ValidationError):
            model.model_validate(wrong)


@pytest.mark.parametrize("effect", Effect)
def test_an_outcome_is_stored_as_it_is_shown(effect: Effect) -> None:
    outcome = Outcome(
        writes=[WRITE], tool_type="jira", ticket_id=None, effect=effect, done=effect is not Effect.NONE, kept=ITEM.kept
    )
    stored = outcome.model_dump(mode="json")
    assert stored["effect"] == effect.value
    assert stored["writes"][0]["execution_id"] == str(RUN)
    assert Outcome.model_validate(stored) == outcome

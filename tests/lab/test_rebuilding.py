"""A ticket taken back to when it came, from its history alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deskhand.lab.rebuilding import names_in, rebuild, truth_of
from deskhand.plugins.contract import AttachedFile, Company, FieldChange, Note, PastChange, Person, Ticket, TicketLink

FILED = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
LATER = FILED + timedelta(hours=1)
NOBODY = Person()
NOW = Ticket(
    tool_type="jira",
    id="10042",
    display_id="HELP-42",
    subject="Printer: was the driver",
    description="It stops. Solved by the driver.",
    status="Resolved",
    is_closed=True,
    priority="high",
    vendor_priority="High",
    category="Driver",
    requester=Person(name="Alice"),
    assignee=Person(name="Tim"),
    group="Drivers",
    resolution="New driver, as KB-7 and HELP-12 say; 3 times.",
    created_at=FILED,
    updated_at=LATER,
    resolved_at=LATER,
    revision="9",
    tags=("driver",),
    notes=(Note(id="1", body="It was the driver.", public=True, author=NOBODY, created_at=LATER),),
    company=Company(id="1", name="Nordwind"),
    links=(TicketLink(ticket_id="10012"),),
    kinds=("Incident",),
    custom={"customfield_10201": "driver"},
    attachments=("driver.zip",),
    files=(AttachedFile(id="1", name="driver.zip"),),
)


def change(after: timedelta | None, by: Person = NOBODY, **fields: tuple[str, str]) -> PastChange:
    at = None if after is None else FILED + after
    changes = tuple(
        FieldChange(field=name, vendor_field=name, before_text=before, after_text=now)
        for name, (before, now) in fields.items()
    )
    return PastChange(id=str(at), at=at, by=by, fields=changes)


HISTORY = [
    change(timedelta(minutes=9), category=("Hardware", "Driver"), status=("In progress", "Resolved")),
    change(
        timedelta(minutes=5), subject=("Printer stops", "Printer: was the driver"), category=("", "Hardware"),
        priority=("Low", "High"), status=("New", "In progress"),
    ),
]  # fmt: skip


def test_what_was_written_later_is_gone() -> None:
    then = rebuild(NOW, [*HISTORY, change(timedelta(minutes=7), description=("It stops.", NOW.description))])
    assert (then.subject, then.description) == ("Printer stops", "It stops.")
    assert (then.category, then.priority, then.vendor_priority) == (None, None, "Low")
    gone: dict[str, Any] = {
        "assignee": None, "resolution": None, "status": None, "is_closed": False, "resolved_at": None, "notes": (),
        "links": (), "tags": (), "custom": {}, "attachments": (), "files": (), "revision": None,
        "updated_at": FILED,
    }  # fmt: skip
    assert {name: getattr(then, name) for name in gone} == gone
    kept = ("tool_type", "id", "display_id", "requester", "company", "kinds", "created_at", "group")
    assert {name: getattr(then, name) for name in kept} == {name: getattr(NOW, name) for name in kept}


def test_a_change_in_the_moment_it_was_filed_is_part_of_how_it_came() -> None:
    at_once = change(timedelta(), group=("Service Desk", "Drivers"))
    assert rebuild(NOW, [*HISTORY, at_once]).group == "Drivers"
    assert rebuild(NOW, [*HISTORY, change(None, group=("Service Desk", "Drivers"))]).group == "Service Desk"


@pytest.mark.parametrize("history", [[], [change(timedelta(minutes=1), assignee=("", "Tim"))]])
def test_a_history_that_nobody_may_read_vouches_for_nothing(history: list[PastChange]) -> None:
    then = rebuild(NOW, history)
    assert (then.category, then.priority, then.vendor_priority, then.group) == (None, None, None, None)


def test_of_a_field_with_several_values_what_went_was_there() -> None:
    came = FieldChange(field="category", vendor_field="components", before_text="", after_text="Driver")
    went = FieldChange(field="category", vendor_field="components", before_text="Network", after_text="")
    moved = PastChange(id="1", at=LATER, fields=(came, went))
    closed = change(timedelta(hours=2), status=("New", "Resolved"))
    assert rebuild(NOW, [moved, closed]).category == "Network"


def test_an_id_in_the_history_is_no_word() -> None:
    moved = change(timedelta(minutes=3), group=("d625dccec0a8016700a222a0f7900d06", "Drivers"))
    assert rebuild(NOW, [*HISTORY, moved]).group is None


def test_without_a_time_of_filing_nothing_is_rebuilt() -> None:
    with pytest.raises(ValueError, match="when it was filed"):
        rebuild(replace(NOW, created_at=None), HISTORY)


def test_what_people_did_is_what_they_said_last() -> None:
    truth = truth_of(NOW, HISTORY, lambda _: False)
    assert truth.fields == {"category": ("Driver",), "priority": ("high", "High"), "group": ("Drivers",)}
    assert truth.named == ("KB-7", "HELP-12", "10012")
    assert truth.reopened is False
    again = change(timedelta(minutes=20), status=("Resolved", "In progress"))
    assert truth_of(NOW, [*HISTORY, again], lambda _: False).reopened is True
    assert truth_of(NOW, [], lambda _: False).reopened is None


def test_what_our_own_account_said_last_is_no_persons_word() -> None:
    us = Person(id="5")
    history = [*HISTORY, change(timedelta(minutes=30), us, group=("Network", "Drivers"))]
    truth = truth_of(NOW, history, lambda one: one.by == us)
    assert set(truth.fields) == {"category", "priority"}


def test_names_have_a_digit_and_something_that_makes_them_one() -> None:
    assert list(names_in("As #1042, INC0012 and kb-9. say: 12 times, twice, on 2026.")) == ["1042", "INC0012", "kb-9"]

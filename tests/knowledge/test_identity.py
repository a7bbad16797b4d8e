"""Which tickets are one ticket: by itself, without a database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from deskhand.knowledge.identity import same_ticket, settle


def row(number: str, desk_id: str | None = None, **more: Any) -> dict[str, Any]:
    return {"tool_type": "jira", "ticket_id": number, "desk_id": desk_id, "subject": "VPN", "source": "import", **more}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (row("HELP-7"), row("HELP-7", "10007"), True),
        (row("OPS-3", "10007"), row("HELP-7", "10007"), True),  # moved to another project
        (row("10007"), row("HELP-7", "10007"), True),
        (row("HELP-7"), row("HELP-8", "10007"), False),
        (row("HELP-7"), row("HELP-7", tool_type="zendesk"), False),
        (row("HELP-7", "1"), row("HELP-8", "2"), False),
        (row("100"), row("42", "100"), True),  # digits both, and the subjects agree
        (row("100", subject="Printer"), row("42", "100"), False),  # number 100 is another ticket than id 100
        (row("100", subject="Printer", source="desk"), row("42", "100"), True),  # from before both were kept
    ],
)
def test_which_rows_are_one_ticket(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    assert same_ticket(one, other) is same
    assert same_ticket(other, one) is same


def test_three_rows_of_one_ticket_become_one_under_the_number_people_see() -> None:
    old = {**row("10007", source="desk"), "id": uuid.UUID(int=1)}
    older = {**row("HELP-7"), "id": uuid.UUID(int=2)}
    (only,) = settle([row("HELP-7"), row("10007"), row("HELP-7", "10007", subject="Last")], [old, older])
    assert (only.values["ticket_id"], only.values["desk_id"], only.values["subject"]) == ("HELP-7", "10007", "Last")
    assert only.place == 2
    assert [stored["id"].int for stored in only.rows] == [2, 1]


def test_a_row_without_the_internal_id_keeps_the_stored_one() -> None:
    stored = {**row("HELP-7", "10007"), "id": uuid.UUID(int=1)}
    for incoming in (row("HELP-7"), row("10007")):
        (only,) = settle([incoming], [stored])
        assert (only.values["ticket_id"], only.values["desk_id"]) == ("HELP-7", "10007")

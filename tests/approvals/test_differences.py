"""What a call would change, field by field: pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.runs import ticket

from deskhand.approvals.differences import differences, digest_of, snapshot, stamp
from deskhand.plugins.contract import Person
from deskhand.plugins.registry import BUILT_IN
from deskhand.tools.catalogue import BUILT_IN as BESIDE_DESKS
from deskhand.tools.desk import provider_of

AS_IT_IS = snapshot(
    ticket(
        priority="low",
        group="First line",
        status="Open",
        assignee=Person(id="7", email="ines@desk.test"),
        tags=("vpn", "old"),
        custom={"site": "Graz", "floor": 3},
    )
)
# Of each operation: arguments, and what a person reads.
READ: dict[str, tuple[dict[str, Any], list[tuple[str, Any, Any]]]] = {
    "add_note": ({"body": "Look."}, [("internal note", None, "Look.")]),
    "reply": ({"body": "Hello."}, [("reply to the requester", None, "Hello.")]),
    "ask_requester": ({"question": "Which?"}, [("question to the requester", None, "Which?")]),
    "update_ticket": (
        {
            "subject": "VPN drops",
            "priority": "high",
            "add_tags": ["vpn", "new"],
            "remove_tags": ["old"],
            "custom": {"site": "Linz", "floor": 4, "room": None},
        },
        [
            ("priority", "low", "high"),
            ("tags", ["vpn", "old"], ["vpn", "new"]),
            ("site", "Graz", "Linz"),
            ("floor", "3", "4"),
        ],
    ),
    "assign": ({"assignee_email": "ann@desk.test"}, [("assignee", "ines@desk.test", "ann@desk.test")]),
    "transition": ({"status": "On hold"}, [("status", "Open", "On hold")]),
    "resolve": ({"resolution": "Cable."}, [("status", "Open", "resolved"), ("resolution", None, "Cable.")]),
    "create_ticket": (
        {"subject": "New", "tags": ["a", "b"]},
        [("subject", None, "New"), ("tags", None, ["a", "b"])],
    ),
    "link_tickets": (
        {"kind": "blocks", "other_ticket_id": "9"},
        [("kind", None, "blocks"), ("other_ticket_id", None, "9")],
    ),
    "log_time": (
        {"text": "Replaced it.", "minutes": 35, "billable": True},
        [("text", None, "Replaced it."), ("minutes", None, "35"), ("billable", None, "true")],
    ),
    "send": (
        {"to": ["ann@corp.test"], "subject": "Look", "body": "Broken."},
        [("to", None, ["ann@corp.test"]), ("subject", None, "Look"), ("body", None, "Broken.")],
    ),
    "post_message": ({"channel": "leads", "text": "Out."}, [("channel", None, "leads"), ("text", None, "Out.")]),
    "send_event": (
        {"endpoint": "ops", "type": "ticket.seen", "data": {"n": 1}},
        [("endpoint", None, "ops"), ("type", None, "ticket.seen"), ("data", None, '{"n": 1}')],
    ),
    **{
        method: (
            {"url": "https://cmdb.test/a", "body": "x"},
            [("url", None, "https://cmdb.test/a"), ("body", None, "x")],
        )
        for method in ("post", "put", "patch", "delete")
    },
}
PROVIDERS = [*(provider_of(plugin.manifest) for plugin in BUILT_IN.values()), *BESIDE_DESKS]


def test_every_write_of_the_catalogue_is_shown() -> None:
    writes = {one.name for provider in PROVIDERS for one in provider.operations if one.is_write}
    assert set(READ) == writes


@pytest.mark.parametrize("operation", READ)
def test_what_would_change_is_shown_and_what_would_not_is_not(operation: str) -> None:
    arguments, expected = READ[operation]
    shown = [(one.field, one.before, one.after) for one in differences(operation, arguments, AS_IT_IS)]
    assert shown == expected


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("update_ticket", {"priority": "low", "add_tags": ["vpn"], "custom": {"site": "Graz"}}),
        ("assign", {"assignee_email": "ines@desk.test", "group": "First line"}),
        ("transition", {"status": "Open"}),
    ],
)
def test_what_the_ticket_says_already_is_no_change(operation: str, arguments: dict[str, Any]) -> None:
    assert differences(operation, arguments, AS_IT_IS) == []


def test_a_resolved_ticket_with_the_same_words_needs_nothing() -> None:
    solved = snapshot(ticket(status="Closed", is_closed=True, resolution="Cable."))
    assert differences("resolve", {"resolution": "Cable."}, solved) == []
    assert [one.field for one in differences("resolve", {"resolution": "Fan."}, solved)] == ["resolution"]


@given(arguments=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_a_digest_is_of_the_values_and_not_of_their_order(arguments: dict[str, Any]) -> None:
    again = dict(reversed(arguments.items()))
    assert digest_of("t", "o", arguments) == digest_of("t", "o", again)
    assert digest_of("t", "o", arguments) != digest_of("t", "p", arguments)
    assert digest_of("t", "o", {**arguments, "one more": 1}) != digest_of("t", "o", arguments)


def test_a_desk_without_a_stamp_is_stamped_by_what_it_says() -> None:
    assert stamp(ticket(revision="2026-05-04T09:00:00Z")) == "2026-05-04T09:00:00Z"
    assert stamp(ticket()) == stamp(ticket())
    assert stamp(ticket()) != stamp(ticket(subject="VPN is down"))

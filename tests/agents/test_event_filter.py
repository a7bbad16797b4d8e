"""What an event filter lets through: three-valued, since an event says less than its ticket."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from pydantic import ValidationError

from deskhand.agents.event_filter import REFUSED, EventConditions, EventFacts, EventFilter, read_filter
from deskhand.plugins.contract import Person, Ticket
from deskhand.work.wanted import ticket_facts

TICKET = Ticket(
    tool_type="jira", id="1", display_id="HELP-1", subject="VPN drops", description="Every ten minutes.", status="Open",
    priority="high", vendor_priority="Highest", group="Network", requester=Person(email="alice@eu.acme.test"),
)  # fmt: skip
WHOLE = replace(ticket_facts(TICKET, in_hours=True), event="jira:issue_created")
NAMES = set(EventConditions.model_fields)


@pytest.mark.parametrize(
    ("wanted", "unwanted"),
    [
        ({"desk": ["zendesk", "jira"]}, {"desk": ["zendesk"]}),
        ({"events": ["*created"]}, {"events": ["comment*"]}),
        ({"events": ["JIRA:issue_created"]}, {"events": ["issue_created"]}),
        ({"status": ["open", "new"]}, {"status": ["Opened"]}),
        ({"priority": ["high"]}, {"priority": ["critical", "low"]}),
        ({"priority": ["highest"]}, {"priority": ["hi"]}),
        ({"group": ["network"]}, {"group": ["Net"]}),
        ({"requester_domain": ["acme.test"]}, {"requester_domain": ["me.test", "us.acme.test"]}),
        ({"words": ["vpn"]}, {"words": ["vpns", "ten minute"[:3] + "s"]}),
        ({"words": ["minutes"]}, {"words": ["hours"]}),
        ({"hours": "inside"}, {"hours": "outside"}),
    ],
)
def test_of_a_list_any_member_will_do_and_not_turns_it_round(wanted: dict[str, Any], unwanted: dict[str, Any]) -> None:
    one, other = EventFilter.model_validate(wanted), EventFilter.model_validate(unwanted)
    assert one.why_not(WHOLE) is None
    why = other.why_not(WHOLE)
    assert why
    assert why.startswith(REFUSED)
    (name,) = unwanted
    assert f"'{unwanted[name] if name == 'hours' else unwanted[name][0]}'" in why
    turned = EventFilter.model_validate({"not": wanted}), EventFilter.model_validate({"not": unwanted})
    assert "leaves out" in str(turned[0].why_not(WHOLE))
    assert turned[1].why_not(WHOLE) is None


def test_all_conditions_must_hold_and_any_of_not_is_enough() -> None:
    both = EventFilter.model_validate({"status": ["open"], "words": ["vpn"], "not": {"group": ["x"], "desk": ["y"]}})
    assert both.why_not(WHOLE) is None
    for changed in ({"status": "Closed"}, {"subject": "", "description": ""}, {"group": "X"}, {"desk": "y"}):
        assert both.why_not(replace(WHOLE, **changed))
    assert "it has none" in str(both.why_not(replace(WHOLE, status="")))


def test_what_an_event_does_not_say_is_left_open() -> None:
    everything = EventFilter.model_validate(
        {
            "desk": ["jira"], "events": ["*"], "status": ["open"], "priority": ["high"], "group": ["network"],
            "requester_domain": ["acme.test"], "words": ["vpn"], "hours": "inside", "not": {"status": ["closed"]},
        }
    )  # fmt: skip
    assert everything.why_not(EventFacts()) is None
    assert set(everything.open_conditions(EventFacts())) == NAMES
    assert everything.open_conditions(WHOLE) == []
    # The desk's word may be any of our four; the tenant's mapping tells when the ticket is read.
    assert everything.why_not(replace(WHOLE, priority=("Dringend",))) is None
    assert everything.open_conditions(replace(WHOLE, priority=("Dringend",))) == ["priority"]
    # A word may still be in what the event does not show of the ticket.
    assert everything.open_conditions(replace(WHOLE, subject="Hello", description=None)) == ["words"]


def test_of_a_ticket_everything_but_its_event_is_known() -> None:
    bare = ticket_facts(Ticket(tool_type="jira", id="1", display_id="1", subject=""), in_hours=False)
    assert [one.name for one in fields(bare) if getattr(bare, one.name) is None] == ["event"]
    domain = EventFilter.model_validate({"requester_domain": ["acme.test"]})
    assert "shows no address" in str(domain.why_not(bare))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"status": []},
        {"status": None},
        {"state": ["open"]},
        {"events": ["a*b*"]},
        {"events": ["two words"]},
        {"words": ["two words"]},
        {"words": ["x"]},
        {"requester_domain": ["@acme.test"]},
        {"requester_domain": ["acme"]},
        {"status": ["x"] * 51},
        {"status": "open"},
        {"hours": ["inside"]},
        {"hours": "always"},
        {"not": {}},
        {"not": {"not": {"status": ["x"]}}},
    ],
)
def test_a_filter_that_says_nothing_or_cannot_be_read_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EventFilter.model_validate(wrong)


@pytest.mark.parametrize(("said", "asks", "alone"), [
    ({"hours": "inside"}, True, True),
    ({"not": {"hours": "outside"}}, True, True),
    ({"hours": "inside", "words": ["vpn"]}, True, False),
    ({"hours": "inside", "not": {"words": ["vpn"]}}, True, False),
    ({"words": ["vpn"]}, False, False),
])  # fmt: skip
def test_whether_hours_are_asked_and_nothing_else(said: dict[str, Any], *, asks: bool, alone: bool) -> None:
    wanted = EventFilter.model_validate(said)
    assert (wanted.asks_hours, wanted.asks_hours_alone) == (asks, alone)


def test_what_is_stored_is_what_was_said() -> None:
    said = {"status": ["Open"], "not": {"requester_domain": ["Monitoring.acme.test"]}}
    stored = EventFilter.model_validate(said).as_stored()
    assert stored == {"status": ["Open"], "not": {"requester_domain": ["monitoring.acme.test"]}}
    again = read_filter(stored)
    assert again is not None
    assert again.as_stored() == stored
    assert read_filter(None) is None

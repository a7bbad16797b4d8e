"""What each desk says of the ticket that another one is a part of, or was made out of."""

from __future__ import annotations

from typing import Any

import pytest
from tests.plugins.test_merged_of_desks import PARENT, ZENDESK, incident
from tests.support.runs import ticket

from deskhand.plugins.jira import past as jira
from deskhand.plugins.jira.family import parent_of as parent_of_issue
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.mapping import priority_map as sdp_priorities
from deskhand.plugins.servicedesk_plus.mapping import read_ticket as read_request
from deskhand.plugins.zendesk.family import parent_of, split_from
from deskhand.plugins.zendesk.mapping import Sideloads, priority_map, read_ticket

FOLLOWS = {"channel": "web", "source": {"from": {"ticket_id": 41}, "rel": "follow_up"}}
SIDE = {"channel": "side_conversation", "source": {"from": {"ticket_id": 41}, "rel": None}}


@pytest.mark.parametrize(
    ("raw", "family"),
    [
        ({"problem_id": 9}, ("9", None)),
        ({"problem_id": 9, "via": FOLLOWS}, ("9", "41")),
        ({"via": FOLLOWS}, (None, "41")),
        ({"via": SIDE}, ("41", None)),
        ({"via": {"channel": "email", "source": {"from": {"address": "a@acme.test"}, "rel": None}}}, (None, None)),
        ({"via": {"source": {"from": {"ticket_id": True}, "rel": "follow_up"}}}, (None, None)),
        ({"via": "web"}, (None, None)),
        ({"via": {"source": "web"}}, (None, None)),
        ({"via": {"source": {"from": "web", "rel": "follow_up"}}}, (None, None)),
    ],
)
def test_zendesk(raw: dict[str, Any], family: tuple[str | None, str | None]) -> None:
    read = read_ticket({"id": 7, "subject": "VPN", "status": "open", **raw}, ZENDESK, priority_map({}), Sideloads())
    assert (read.parent, read.split_from) == family


def link(end: str, phrase: str, words: str) -> dict[str, Any]:
    return {"type": {phrase: words}, end: {"id": "10001"}}


PART = {"subtask": True}


@pytest.mark.parametrize(
    ("fields", "family"),
    [
        ({"issuetype": PART, "parent": {"id": "10009"}}, ("10009", None)),
        ({"issuetype": {"subtask": False}, "parent": {"id": "10009"}}, (None, None)),
        ({"issuetype": PART, "parent": {}}, (None, None)),
        ({"issuetype": PART, "parent": "HELP-9"}, (None, None)),
        ({"parent": {"id": "10009"}}, (None, None)),
        ({"issuelinks": [link("outwardIssue", "outward", "clones")]}, (None, "10001")),
        ({"issuelinks": [link("inwardIssue", "inward", "split from")]}, (None, "10001")),
        ({"issuelinks": [link("inwardIssue", "inward", "is cloned by")]}, (None, None)),
        ({"issuelinks": [{"type": {"outward": "clones"}, "outwardIssue": {}}, "x"]}, (None, None)),
        ({"issuelinks": [{"type": "Cloners", "outwardIssue": {"id": "1"}}]}, (None, None)),
    ],
)
def test_jira(fields: dict[str, Any], family: tuple[str | None, str | None]) -> None:
    read = jira.linked(ticket(), {"id": "10017", "fields": fields})
    assert (read.parent, read.split_from) == family


def test_servicenow() -> None:
    assert incident(parent_incident=PARENT).parent == PARENT
    assert incident(parent_incident="").parent is None


@pytest.mark.parametrize(
    ("linked", "parent"),
    [
        ({"id": "9"}, "9"),
        ({"request": {"id": "9"}, "comments": "the same outage"}, "9"),
        ({"request": None}, None),
        ({}, None),
        (None, None),
        ("9", None),
    ],
)
def test_servicedesk_plus(linked: object, parent: str | None) -> None:
    config = ServiceDeskPlusConfig.model_validate({"servicedesk_url": "https://sdp.test", "servicedesk_api_key": "k"})
    read = read_request({"id": "7", "linked_to_request": linked}, config, sdp_priorities({}))
    assert (read.parent, read.custom) == (parent, {})


def test_an_answer_that_says_nothing_of_others_is_a_ticket_by_itself() -> None:
    assert (parent_of({}), split_from({}), parent_of_issue({})) == (None, None, None)

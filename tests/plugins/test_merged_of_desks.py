"""What each desk says of a ticket that was merged into another one, or closed as its duplicate."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.runs import ticket

from deskhand.plugins.contract import LinkKind, Ticket
from deskhand.plugins.jira import past as jira
from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.plugins.servicenow.mapping import read_ticket as read_incident
from deskhand.plugins.zendesk.config import ZendeskConfig
from deskhand.plugins.zendesk.mapping import Sideloads, priority_map, read_ticket

SYS_ID, PARENT = "a" * 32, "b" * 32
ZENDESK = ZendeskConfig.model_validate(
    {
        "zendesk_subdomain": "acme",
        "zendesk_api_token": "token",
        "zendesk_client_id": "deskhand",
        "zendesk_email": "bot@acme.test",
    }
)
SERVICENOW = ServiceNowConfig.model_validate(
    {
        "servicenow_instance_url": "https://acme.service-now.test",
        "servicenow_api_key": "key",
        "servicenow_username": "deskhand",
    }
)


def comment(words: str, number: int) -> dict[str, Any]:
    return {"id": number, "plain_body": words, "public": False, "author_id": 5}


FIRST = comment("VPN drops", 1)
MERGED = comment("This request was closed and merged into request #4711 “VPN”.", 2)


@pytest.mark.parametrize(
    ("status", "tags", "comments", "into"),
    [
        ("closed", ["closed_by_merge"], [FIRST, MERGED], "4711"),
        ("closed", ["closed_by_merge"], [FIRST, comment("Zusammengeführt", 2)], ""),
        ("closed", ["closed_by_merge"], None, ""),
        ("closed", [], [FIRST, MERGED], None),
        ("open", ["closed_by_merge"], [FIRST, MERGED], None),
    ],
    ids=["said", "in other words", "without comments", "a person's words", "opened again"],
)
def test_zendesk(status: str, tags: list[str], comments: list[dict[str, Any]] | None, into: str | None) -> None:
    raw = {"id": 7, "subject": "VPN", "status": status, "tags": tags}
    read = read_ticket(raw, ZENDESK, priority_map({}), Sideloads(), comments=comments)
    assert read.merged_into == into


def incident(**cells: str) -> Ticket:
    row = {name: {"value": value, "display_value": value} for name, value in {"sys_id": SYS_ID, **cells}.items()}
    return read_incident(row, SERVICENOW, priority_map({}))


@pytest.mark.parametrize(
    ("cells", "into"),
    [
        ({"state": "7", "close_code": "Duplicate", "parent_incident": PARENT}, PARENT),
        ({"state": "7", "close_code": "Duplicate"}, ""),
        ({"state": "7", "close_code": "Resolved by parent", "parent_incident": PARENT}, None),
        ({"state": "2", "close_code": "Duplicate", "parent_incident": PARENT}, None),
    ],
)
def test_servicenow(cells: dict[str, str], into: str | None) -> None:
    assert incident(**cells).merged_into == into


DUPLICATES = {"type": {"outward": "duplicates"}, "outwardIssue": {"id": "10001"}}
DUPLICATED = {"type": {"inward": "is duplicated by"}, "inwardIssue": {"id": "10001"}}


@pytest.mark.parametrize(
    ("is_closed", "link", "into"),
    [(True, DUPLICATES, "10001"), (False, DUPLICATES, None), (True, DUPLICATED, None), (True, {}, None)],
)
def test_jira(is_closed: bool, link: dict[str, Any], into: str | None) -> None:
    raw = {"id": "10017", "fields": {"issuelinks": [link]}}
    read = jira.linked(ticket(is_closed=is_closed), raw)
    assert read.merged_into == into
    assert [one.kind for one in read.links] == [LinkKind.DUPLICATES] * (link is DUPLICATES)

"""Whom an article is for, as desks and files say it."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.knowledge.audience import MOST_GROUPS, Audience, Said, is_hidden, said_audience, with_audience
from deskhand.knowledge.schemas import ArticleIn

PUBLIC, INTERNAL, RESTRICTED = Audience.PUBLIC, Audience.INTERNAL, Audience.RESTRICTED
PAGE: dict[str, Any] = {"article_id": "KB-1", "title": "VPN", "body": "Restart it."}
SAID: dict[str, tuple[dict[str, Any], Said]] = {
    "nothing": ({}, Said()),
    "an empty cell": ({"audience": " "}, Said()),
    "everybody": ({"audience": "Everyone"}, Said(PUBLIC)),
    "staff": ({"audience": "Agents"}, Said(INTERNAL)),
    "a few": ({"audience": "restricted", "audience_groups": "HR; Payroll"}, Said(RESTRICTED, ("HR", "Payroll"))),
    "groups instead of a word": ({"audience": "HR, Payroll"}, Said(RESTRICTED, ("HR", "Payroll"))),
    "groups alone": ({"audience_groups": ["HR"]}, Said(RESTRICTED, ("HR",))),
    "public with groups left behind": ({"audience": "public", "audience_groups": ["HR"]}, Said(PUBLIC)),
    "Zendesk, everybody": ({"user_segment_id": None, "draft": False}, Said(PUBLIC)),
    "Zendesk, a segment": ({"user_segment_id": 360001}, Said(RESTRICTED, ("user segment 360001",))),
    "Zendesk, segments": ({"user_segment_id": None, "user_segment_ids": [1, 2]},
                          Said(RESTRICTED, ("user segment 1", "user segment 2"))),
    "Zendesk, a draft": ({"user_segment_id": None, "draft": True}, Said(INTERNAL)),
    "Zendesk in a table": ({"user_segment_id": ""}, Said()),
    "ServiceNow, criteria": ({"can_read_user_criteria": "HR"}, Said(RESTRICTED, ("HR",))),
    "ServiceNow, kept from some": ({"cannot_read_user_criteria": {"display_value": "Guests"}},
                                   Said(RESTRICTED, ("Guests",))),
    "ServiceNow, none": ({"can_read_user_criteria": ""}, Said()),
    "Confluence, a group": ({"restrictions": {"read": {"restrictions": {"group": {"results": [{"name": "hr"}]},
                             "user": {"results": [{"displayName": "Ines"}]}}}}}, Said(RESTRICTED, ("hr", "Ines"))),
    "Confluence, none": ({"restrictions": {"read": {"restrictions": {"group": {"results": []}}}}}, Said()),
    "Confluence, odd": ({"restrictions": [{"read": 1}]}, Said()),
    "ServiceDesk Plus, public": ({"is_public": True}, Said(PUBLIC)),
    "ServiceDesk Plus, technicians": ({"is_public": False}, Said(INTERNAL)),
    "ServiceDesk Plus, groups": ({"is_public": True, "user_groups": [{"id": "1", "name": "Sales"}]},
                                 Said(RESTRICTED, ("Sales",))),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_what_a_source_says_of_its_page_is_understood_and_unknown_stays_unknown(case: str) -> None:
    row, said = SAID[case]
    assert said_audience({**PAGE, **row}) == said
    article = ArticleIn.model_validate({**PAGE, **row})
    assert (article.audience, article.audience_groups) == (said.audience, list(said.groups))


def test_a_list_of_groups_has_an_end_and_each_name_too() -> None:
    said = said_audience({"audience_groups": [f"{at}" + "x" * 300 for at in range(500)]})
    assert len(said.groups) == MOST_GROUPS
    assert {len(name) for name in said.groups} == {100}


@pytest.mark.parametrize(
    ("said", "stored", "becomes"),
    [
        (None, None, INTERNAL),
        (PUBLIC, None, PUBLIC),
        (None, {"audience": "public", "audience_groups": [], "audience_chosen": False}, PUBLIC),
        (PUBLIC, {"audience": "internal", "audience_groups": [], "audience_chosen": False}, PUBLIC),
        (PUBLIC, {"audience": "internal", "audience_groups": [], "audience_chosen": True}, INTERNAL),
        (RESTRICTED, {"audience": "public", "audience_groups": [], "audience_chosen": True}, PUBLIC),
    ],
)
def test_an_import_leaves_what_a_person_chose_and_what_it_says_nothing_of(
    said: Audience | None, stored: dict[str, Any] | None, becomes: Audience
) -> None:
    values = with_audience({**PAGE, "audience": said, "audience_groups": []}, stored)
    assert values["audience"] == becomes
    assert is_hidden(values) is (becomes is RESTRICTED)

"""What comes over HTTP about agents and schedules before any service sees it: grants, bodies, expressions to try."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from deskhand.agents.bodies import AgentPatch, AgentPost
from deskhand.schedules.schemas import PreviewRequest
from deskhand.tools.knowledge import KNOWLEDGE
from deskhand.tools.mail import MAIL
from deskhand.tools.outside import OUTSIDE
from deskhand.tools.schemas import OperationGrants
from deskhand.tools.values import Doubt, Mode, Scope

GRANTS = TypeAdapter(OperationGrants)


@pytest.mark.parametrize(
    ("sent", "grants"),
    [
        ([], {}),
        (["get_ticket"], {"get_ticket": (Mode.ALLOW, Scope.OWN)}),
        ({"get_ticket": "allow"}, {"get_ticket": (Mode.ALLOW, Scope.OWN)}),
        ({"get_ticket": {"scope": "any"}}, {"get_ticket": (Mode.ALLOW, Scope.ANY)}),
        ({"get_ticket": {}}, {"get_ticket": (Mode.ALLOW, Scope.OWN)}),
    ],
)
def test_the_ways_to_grant_an_operation(sent: Any, grants: dict[str, tuple[Mode, Scope]]) -> None:
    read = GRANTS.validate_python(sent)
    assert {name: (one.grant.mode, one.grant.scope) for name, one in read.items()} == grants


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("get_ticket", "must be a list"),
        ([7], "must be a list"),
        ({"get_ticket": "sometimes"}, "allow"),
        ({"get_ticket": {"scope": "all"}}, "own"),
        ({"get_ticket": {"scopes": "any"}}, "scope"),
        ({"get_ticket": 7}, "get_ticket"),
    ],
)
def test_a_grant_that_is_none_says_what_there_is(sent: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        GRANTS.validate_python(sent)


def test_what_nobody_can_be_asked_about_waits_for_a_person() -> None:
    (send,) = MAIL.operations
    assert (send.doubt, send.is_write, send.scopes) == (Doubt.PERSON, True, ())


@pytest.mark.parametrize("provider", [KNOWLEDGE, MAIL, *OUTSIDE], ids=lambda one: one.tool_id)
def test_each_operation_takes_named_arguments_alone_and_says_what_it_costs(provider: Any) -> None:
    for operation in provider.operations:
        assert operation.arguments["additionalProperties"] is False
        assert set(operation.arguments["required"]) <= operation.arguments["properties"].keys()
        assert operation.cost
        assert provider.operation(operation.name) is operation
    assert provider.operation("no_such_thing") is None


AGENT = {
    "name": "First look",
    "system_prompt": "You are the first look of a service desk, and you are brief.",
    "llm_config": {"provider": "litellm", "model": "gpt-4"},
    "triggers": [{"trigger_type": "webhook"}],
    "tool_ids": ["jira"],
}
READ_ONLY = {"id": "x", "tenant_id": "acme", "revision": 7, "current_version": 2, "webhook_secrets": []}


def test_an_agent_may_be_sent_back_as_it_was_read() -> None:
    patch = AgentPatch.model_validate({**READ_ONLY, "name": "Second look"})
    assert patch.model_dump(exclude_unset=True) == {"name": "Second look"}


def test_a_new_agent_names_nothing_that_only_answers_show() -> None:
    assert AgentPost.model_validate(AGENT).name == "First look"
    with pytest.raises(ValidationError, match="revision"):
        AgentPost.model_validate({**AGENT, **READ_ONLY})


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"schedule_cron": "0 9 * * 8"}, "day of week"),
        ({"schedule_cron": "0 0 30 2 *"}, "day-of-month"),
        ({"schedule_cron": "0 9 * *"}, "five fields"),
        ({"schedule_cron": "0 9 * * *", "schedule_timezone": "Europe/Berlinn"}, "Europe/Berlin"),
        ({"schedule_cron": "0 9 * * *", "schedule_timezone": "localtime"}, "time zone"),
        ({"schedule_timezone": "UTC"}, "schedule_cron"),
    ],
)
def test_an_expression_that_cannot_fire_says_why(sent: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PreviewRequest.model_validate(sent)


def test_an_expression_is_read_in_its_own_zone() -> None:
    request = PreviewRequest.model_validate({"schedule_cron": "0 9 * * 1-5", "schedule_timezone": "Europe/Berlin"})
    assert (request.schedule_cron, request.schedule_timezone) == ("0 9 * * 1-5", "Europe/Berlin")

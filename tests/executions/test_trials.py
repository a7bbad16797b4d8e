"""What is tried, read from a form and from an event, and the tickets that are offered: without a server."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import update
from tests.support.console import Console

from deskhand.agents.models import AgentTrigger
from deskhand.errors import InvalidInputError
from deskhand.executions.trials.events import TICKET_CHARACTERS, ticket_of_event
from deskhand.executions.trials.pages import TryForm
from deskhand.executions.trials.repository import past_tickets
from deskhand.executions.trials.schemas import TryRequest
from deskhand.executions.trials.service import Subject
from deskhand.intake.models import WebhookDelivery
from deskhand.plugins.registry import PluginManager

PLUGINS = PluginManager()
SDP = {"event": "request.created", "request_id": "1042", "subject": "VPN drops"}
PAYLOAD_FORM = {"on": "payload", "payload": '{"a": 1}'}


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ({"ticket": " 1042 "}, {"ticket_ref": "1042"}),
        (
            {"ticket": "7", "desk": "jira", "version": " 3 "},
            {"ticket_ref": "7", "tool_type": "jira", "agent_version": 3},
        ),
        # A ticket that was chosen goes before one that was typed; its id may have what the desk's name has not.
        ({"ticket": "8", "pick": "jira/OPS/7"}, {"ticket_ref": "OPS/7", "tool_type": "jira"}),
        ({**PAYLOAD_FORM, "ticket": "8"}, {"payload": {"a": 1}}),
        ({"on": "clock", "ticket": "8"}, {}),
    ],
)
def test_a_form_amounts_to_what_the_api_is_sent(typed: dict[str, str], wanted: dict[str, Any]) -> None:
    assert TryForm.model_validate(typed).wanted().model_dump(exclude_none=True) == wanted


@pytest.mark.parametrize(
    ("typed", "pointer"),
    [
        ({}, "/ticket_ref"),
        ({"ticket": "   "}, "/ticket_ref"),
        ({"pick": "jira"}, "/ticket_ref"),
        ({"ticket": "7", "desk": "d" * 51}, "/tool_type"),
        ({"ticket": "7", "version": "²"}, "/agent_version"),
        ({"ticket": "7", "version": "0"}, "/agent_version"),
        ({"on": "payload"}, "/payload"),
        ({"on": "payload", "payload": '"text"'}, "/payload"),
        ({"on": "payload", "payload": "[" * 100_000}, "/payload"),
    ],
)
def test_a_form_that_cannot_be_read_names_its_field(typed: dict[str, str], pointer: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        TryForm.model_validate(typed).wanted()
    assert [fault.pointer for fault in refused.value.errors] == [pointer]


def test_a_request_is_about_one_thing_and_knows_no_other_fields() -> None:
    for wanted in ({"ticket_ref": "7", "payload": {}}, {"mode": "live", "ticket_ref": "7"}, {"agent_version": 0}):
        with pytest.raises(ValidationError):
            TryRequest.model_validate(wanted)


@pytest.mark.parametrize(
    ("payload", "desks", "plain", "found"),
    [
        (SDP, ["servicedesk_plus"], None, ("servicedesk_plus", "1042")),
        (SDP, ["jira", "servicedesk_plus"], None, ("servicedesk_plus", "1042")),
        ({"ticket_id": 7}, ["jira"], "jira", ("jira", "7")),
        ({"ticket_id": "OPS-7"}, [], "jira", ("jira", "OPS-7")),
    ],
)
def test_an_event_is_read_by_the_first_desk_that_knows_it(
    payload: dict[str, Any], desks: list[str], plain: str | None, found: tuple[str, str]
) -> None:
    ticket = ticket_of_event(payload, desks, PLUGINS, plain=plain)
    assert (ticket.tool_type, ticket.ticket_id) == found


@pytest.mark.parametrize(
    ("payload", "desks", "plain", "words"),
    [
        ({"ticket_id": "7"}, ["servicedesk_plus", "jira"], None, "is not a ServiceDesk Plus event"),
        ({"ticket_id": True}, [], "jira", "o desk of this agent sends such an event"),
        ({"ticket_id": "7" * (TICKET_CHARACTERS + 1)}, [], "jira", "must have 1 to 100 characters"),
        ({"ticket_id": ""}, [], "jira", "must have 1 to 100 characters"),
        ({**SDP, "event": "request.deleted"}, ["servicedesk_plus"], None, "which starts nothing"),
    ],
)
def test_an_event_that_starts_nothing_says_why(
    payload: dict[str, Any], desks: list[str], plain: str | None, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words) as refused:
        ticket_of_event(payload, desks, PLUGINS, plain=plain)
    assert [fault.pointer for fault in refused.value.errors] == ["/payload"]


class Version:
    """As much of a version as a subject asks for."""

    def __init__(self, *triggers: dict[str, Any]) -> None:
        self.triggers = triggers


def subject(*triggers: dict[str, Any], desks: tuple[str, ...] = (), connected: tuple[str, ...] = ()) -> Subject:
    tenant: Any = type("Tenant", (), {"tool_type": "zendesk"})()
    nothing: Any = None
    version: Any = Version(*triggers)
    return Subject(
        agent=nothing, version=version, tenant=tenant, boundaries=nothing, desks=desks, connected=frozenset(connected)
    )


def test_the_usual_desk_is_the_tenants_or_the_first_that_can_be_used() -> None:
    assert subject(desks=("jira", "zendesk")).usual_desk == "zendesk"
    assert subject(desks=("jira", "servicenow"), connected=("servicenow",)).usual_desk == "servicenow"
    assert subject(desks=("jira", "servicenow")).usual_desk == "jira"
    assert subject().usual_desk is None


def test_one_webhook_that_takes_anything_makes_every_event_fit() -> None:
    hook, strict = {"trigger_type": "webhook"}, {"trigger_type": "webhook", "payload_schema": {"type": "object"}}
    clock = {"trigger_type": "schedule", "schedule_cron": "0 9 * * *"}
    assert subject(clock, strict).payload_schema == {"type": "object"}
    assert subject(strict, hook).payload_schema is None
    assert subject(clock).payload_schema is None
    assert (subject(hook).schedule, subject(hook, clock).schedule) == (None, clock)


async def test_tickets_of_events_that_started_nothing_are_offered_as_well(console: Console) -> None:
    agent = await console.agent()
    await console.execution(agent, ticket="7", ago=50)
    await console.execution(agent, ticket=None)
    async with console.db.tenant_session("acme") as session:
        trigger = (
            await session.execute(update(AgentTrigger).values(is_paused=False).returning(AgentTrigger.id))
        ).scalar()
        said = {"tenant_id": "acme", "trigger_id": trigger, "outcome": "ignored", "http_status": 202}
        for ticket, tool in (("8", "servicedesk_plus"), ("9", "jira"), (None, "servicedesk_plus")):
            facts = {"subject": f"Event {ticket}"}
            session.add(WebhookDelivery(ticket_ref=ticket, tool_type=tool, facts=facts, **said))
    async with console.db.tenant_session("acme") as session:
        found = await past_tickets(session, ["servicedesk_plus"], limit=5)
        assert [(one.ticket_ref, one.subject, one.source) for one in found] == [
            ("8", "Event 8", "event"),
            ("7", "Printer offline", "run"),
        ]
        assert [one.ticket_ref for one in await past_tickets(session, ["servicedesk_plus"], limit=1)] == ["8"]
        assert await past_tickets(session, [], limit=5) == []

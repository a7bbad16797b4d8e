"""Parts of the pages of agents that need no database."""

from __future__ import annotations

import pytest
from tests.support.agent_forms import AGENT_FORMS

from deskhand.agents.console import editor, pages, tools, triggers, versions, view, words
from deskhand.agents.repository import AgentFilter
from deskhand.agents.schemas import AgentStatus
from deskhand.errors import ConflictError, PreconditionFailedError
from deskhand.intake.console import trials


@pytest.mark.parametrize(
    ("sent", "wanted", "filtered"),
    [
        ({}, AgentFilter(), False),
        ({"status": "", "cursor": ""}, AgentFilter(), False),
        ({"status": "suspended"}, AgentFilter(status=AgentStatus.SUSPENDED), True),
        # An address that somebody shortened or mistyped still shows a list.
        ({"status": "suspende"}, AgentFilter(), True),
        ({"q": "  night "}, AgentFilter(q="night"), True),
        ({"model": " gpt-4 ", "tool": "jira"}, AgentFilter(tool="jira", model="gpt-4"), True),
    ],
)
def test_an_address_becomes_a_filter(sent: dict[str, str], wanted: AgentFilter, *, filtered: bool) -> None:
    form = pages.ListForm.model_validate(sent)
    assert form.wanted == wanted
    assert form.is_filtered is filtered
    assert form.cursor is None


def test_text_that_no_database_keeps_is_refused_in_the_address() -> None:
    for name in ("q", "tool", "model"):
        with pytest.raises(ValueError, match="NUL"):
            pages.ListForm.model_validate({name: "a\x00b"})


def test_a_refusal_answers_with_its_own_status_and_a_secret_is_in_no_log() -> None:
    assert view.Told().status_code == 200
    assert view.Told(done="save").status_code == 200
    assert view.Told(error=ConflictError("No.")).status_code == 409
    assert view.Told(error=PreconditionFailedError("No.")).status_code == 412
    assert "whsec_" not in repr(view.Told(secrets={}))


def test_every_way_back_says_something() -> None:
    verbs = {button.verb for buttons in words.BUTTONS.values() for button in buttons}
    assert verbs <= set(words.DONE)
    addresses = {getattr(route, "path", "") for route in (*pages.router.routes, *versions.router.routes)}
    assert {f"/agents/{{agent_id}}/{verb}" for verb in verbs} <= addresses


def test_each_form_that_changes_an_agent_stands_in_the_list_that_the_log_is_held_to() -> None:
    parts = [("/agents", part.router) for part in (editor, tools, triggers, versions)]
    sent = {
        f"POST {prefix}{getattr(route, 'path', '')}"
        for prefix, router in (*parts, ("", pages.router), ("", trials.router))
        for route in router.routes
        if "POST" in getattr(route, "methods", ())
    }
    other = {"POST /agents/new", "POST /agents/{agent_id}/preview", "POST /deliveries/try-filter"}
    assert sent == set(AGENT_FORMS) | other | {"POST /agents/{agent_id}/versions/{number}/rollback"}


def test_what_cannot_be_undone_asks_and_nothing_else_does() -> None:
    asks = {button.verb for buttons in words.BUTTONS.values() for button in buttons if button.asks}
    assert asks == {"delete"}

"""Agents in words: what starts them, what they may do, and what two versions differ in."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from deskhand.agents.console import words
from deskhand.agents.console.sample import VARIABLE_WORDS, sample_prompt
from deskhand.agents.lifecycle import TRANSITIONS
from deskhand.agents.models import AgentTrigger
from deskhand.agents.outcomes import OutcomeKind
from deskhand.agents.prompts import VARIABLES
from deskhand.agents.schemas import AgentStatus
from deskhand.agents.versions import VersionChange, VersionDiff, prompt_diff
from deskhand.plugins.registry import PluginManager
from deskhand.tools.catalogue import find_provider
from deskhand.tools.values import Grant, Mode, Scope, read_grants

NOW = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)


def schedule(cron: str, zone: str = "UTC") -> AgentTrigger:
    return AgentTrigger(trigger_type="schedule", schedule_cron=cron, schedule_timezone=zone)


def test_a_schedule_is_worded_with_its_next_times_in_its_own_zone() -> None:
    told = words.when(schedule("30 8 * * 1-5", "Europe/Berlin"), now=NOW)
    assert told.words == "At 08:30 on Monday through Friday (Europe/Berlin)"
    assert [one.isoformat() for one in told.upcoming][:2] == ["2026-05-04T08:30:00+02:00", "2026-05-05T08:30:00+02:00"]
    assert len(told.upcoming) == 5
    assert words.when(schedule("0 9 * * *")).upcoming == ()


@pytest.mark.parametrize(("cron", "zone"), [("0 9 * * *", "Mars/Olympus"), ("nonsense", "UTC"), ("61 * * * *", "UTC")])
def test_a_schedule_that_cannot_be_read_says_so_and_hides_nothing(cron: str, zone: str) -> None:
    told = words.when(schedule(cron, zone), now=NOW)
    assert told.words == f"{cron} ({zone})"
    assert told.fault is not None
    assert told.upcoming == ()


def test_a_webhook_says_which_events_it_waits_for() -> None:
    plain = AgentTrigger(trigger_type="webhook")
    word = AgentTrigger(trigger_type="webhook", note_word="#handover")
    fitting = AgentTrigger(trigger_type="webhook", event_filter={"events": ["*created"]})
    assert [words.when(one).words for one in (plain, word, fitting)] == [
        "When its webhook gets an event",
        "When a technician writes #handover in an internal note",
        "When its webhook gets an event that fits its filter",
    ]


def test_grants_are_spelt_out_with_reading_first() -> None:
    provider = find_provider("jira", PluginManager())
    grants = {
        "add_note": Grant(),
        "update_ticket": Grant(Mode.APPROVE, Scope.LISTED, "tenant_admin", 30),
        "search_tickets": Grant(),
        "no_such_thing": Grant(),
        "get_ticket": Grant(scope=Scope.ANY),
        "ask_requester": Grant(answer_hours=12),
    }
    tool = words.granted_tool("jira", grants, provider)
    assert [(one.name, one.is_write, one.how) for one in tool.operations] == [
        ("get_ticket", False, "by itself, on any ticket of the connection"),
        ("no_such_thing", False, "by itself"),
        ("search_tickets", False, "by itself"),
        ("add_note", True, "by itself, on the ticket that started it"),
        (
            "ask_requester",
            True,
            "by itself, on the ticket that started it, and goes on without an answer after 12 h",
        ),
        (
            "update_ticket",
            True,
            "a person (tenant admin) approves each call first, within 30 min,"
            " on that ticket and those its searches find",
        ),
    ]
    assert tool.operations[1].description == "not offered any more"
    gone = words.granted_tool("openapi:shop", read_grants(["list_orders"]), None)
    assert (gone.name, gone.is_known) == ("openapi:shop", False)


@pytest.mark.parametrize(("minutes", "wait"), [(24 * 60, "a day"), (120, "2 h"), (90, "1.5 h"), (5, "5 min")])
def test_how_long_a_call_waits_is_said_in_the_unit_that_fits(minutes: int, wait: str) -> None:
    provider = find_provider("jira", PluginManager())
    tool = words.granted_tool("jira", {"add_note": Grant(Mode.APPROVE, wait_minutes=minutes)}, provider)
    assert f"first, within {wait}," in tool.operations[0].how


def test_prices_and_windows_are_those_of_the_catalogue_and_unknown_ones_are_not_made_up() -> None:
    assert words.price_words("gpt-4o") == "$2.50 in, $10.00 out per million tokens"
    assert words.window_words("gpt-4o", embedded=False) == "128,000 tokens"
    assert words.price_words("our-own-model") is None
    assert words.window_words("our-own-model", embedded=False) is None
    assert words.window_words("anything", embedded=True) is not None


def test_every_state_variable_and_outcome_has_its_words_and_every_button_a_transition() -> None:
    assert set(words.STATUS_WORDS) == set(AgentStatus) == set(words.STATUS_BADGES) == set(words.BUTTONS)
    assert set(words.OUTCOME_WORDS) == {kind.value for kind in OutcomeKind}
    assert set(VARIABLE_WORDS) == set(VARIABLES)
    leads = {"activate": "active", "resume": "active", "suspend": "suspended", "delete": "inactive"}
    for state, possible in TRANSITIONS.items():
        assert {leads[button.verb] for button in words.BUTTONS[state]} == set(possible)
        assert all(button.will for button in words.BUTTONS[state])


def test_a_comparison_names_places_in_words_and_leaves_the_prompt_to_its_lines() -> None:
    changes = [
        VersionChange(pointer="/system_prompt", before="a", after="b"),
        VersionChange(pointer="/llm_config/model", before="gpt-4", after="gpt-4o"),
        VersionChange(pointer="/tools/openapi:shop~1x/operations", before=["a", "b"], after=None),
    ]
    lines = prompt_diff(["one", "two"], ["one", "three"], ("version 1", "version 2"))
    diff = VersionDiff(agent_id=uuid4(), from_version=1, to_version=2, changes=changes, prompt_diff=lines)
    assert [(one.place, one.before, one.after) for one in words.changes_in_words(diff)] == [
        ("Model settings · model", "gpt-4", "gpt-4o"),
        ("Tools · openapi:shop/x · operations", "a, b", None),
    ]
    assert [(line.kind, line.text) for line in words.prompt_lines(lines)] == [
        ("place", "…"),
        ("same", "one"),
        ("removed", "two"),
        ("added", "three"),
    ]


def test_the_sample_fills_in_every_variable_and_leaves_what_is_none() -> None:
    prompt = " ".join(f"{{{{{name}}}}}" for name in VARIABLES) + " {{nothing.known}}"
    text = sample_prompt(prompt, agent_name="Triage", tenant_name="acme", today=NOW)
    assert text.count("{{") == 1
    assert "acme Triage 2026-05-04" in text

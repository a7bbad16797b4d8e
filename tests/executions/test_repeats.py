"""What a person reads before a run is done again: what it wrote, which versions there are, and why it cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.agents.models import AgentVersion
from deskhand.engine.births import ACTIVE, why_not_startable
from deskhand.engine.models import ExecutionStep
from deskhand.engine.status import StepState
from deskhand.errors import InvalidInputError
from deskhand.executions import repeats


def step(state: StepState = StepState.FINISHED, **more: Any) -> ExecutionStep:
    return ExecutionStep(**{"name": "add_note", "state": state, "input": {}, "output": None, **more})


@pytest.mark.parametrize(
    ("written", "phrase"),
    [
        (step(output={"id": "77"}), "add_note (id 77)"),
        (step(input={"body": "Restart\n\nit."}, output={"id": "77"}), "add_note “Restart it.” (id 77)"),
        (step(StepState.STARTED), "add_note (perhaps: it is in doubt)"),
        (step(StepState.STARTED, input={"body": "x"}), "add_note “x” (perhaps: it is in doubt)"),
        (step(input=None, output={"id": None}), "add_note"),
        (step(input=["odd"], output="odd"), "add_note"),
        (step(name="update_ticket", input={"priority": "high"}, output={"id": "9"}), "update_ticket (id 9)"),
    ],
)
def test_a_write_is_described_with_its_words_and_how_sure_it_is(written: ExecutionStep, phrase: str) -> None:
    assert repeats._describe(written) == phrase


def test_long_words_of_a_write_are_cut_and_say_so() -> None:
    exact = repeats._describe(step(input={"body": "x" * 80}))
    longer = repeats._describe(step(input={"body": "x" * 81}))
    assert exact == f"add_note “{'x' * 80}”"
    assert longer == f"add_note “{'x' * 79}…”"


@pytest.mark.parametrize(
    ("numbers", "named"),
    [([3, 1, 2], "1, 2, 3"), ([1], "1"), (list(range(30, 9, -1)), "10 to 30"), (list(range(20)), None)],
)
def test_versions_are_named_one_by_one_until_they_are_many(numbers: list[int], named: str | None) -> None:
    assert repeats._named(numbers) == (named or ", ".join(map(str, range(20))))


def test_a_version_without_the_runs_tool_is_refused_with_what_it_has() -> None:
    version = AgentVersion(version_number=4, tools=[{"tool_id": "zendesk"}, {"tool_id": "jira"}])
    repeats._ensure_has_tool(version, "jira", pointer="/agent_version")
    repeats._ensure_has_tool(version, None, pointer="/agent_version")
    with pytest.raises(InvalidInputError) as refusal:
        repeats._ensure_has_tool(version, "servicenow", pointer="/tool_type")
    assert refusal.value.detail == "Version 4 of the agent has no tool 'servicenow'; it has jira, zendesk."
    assert [fault.pointer for fault in refusal.value.errors] == ["/tool_type"]
    with pytest.raises(InvalidInputError, match="it has none"):
        repeats._ensure_has_tool(AgentVersion(version_number=1, tools=[]), "jira", pointer="/tool_type")


@pytest.mark.parametrize(
    ("status", "tenant", "why"),
    [
        (ACTIVE, True, None),
        (ACTIVE, False, "The tenant is not active."),
        ("suspended", False, "The tenant is not active."),
        ("suspended", True, "The agent is 'suspended', not 'active'."),
        ("draft", True, "The agent is 'draft', not 'active'."),
    ],
)
def test_an_agent_that_starts_nothing_says_why(status: str, tenant: bool, why: str | None) -> None:
    assert why_not_startable(status, tenant_is_active=tenant) == why
    # A draft is tried; whatever else stands in the way stands in the way of a dry run, too.
    assert why_not_startable(status, tenant_is_active=tenant, mode="dry_run") == (None if status == "draft" else why)

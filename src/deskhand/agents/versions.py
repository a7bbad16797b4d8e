"""Versions of an agent: a snapshot of everything that decides what it does, and what two of them differ in. Pure."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from deskhand.agents.models import Agent, AgentTrigger, AgentVersion
from deskhand.agents.outcomes import read_outcome
from deskhand.agents.schemas import SCHEDULE_FIELDS, TriggerType, in_order
from deskhand.kit.pointer import pointer
from deskhand.tools.values import read_grants, stored_grants

WEBHOOK_FIELDS = ("webhook_url", "payload_schema")
_PARTS = ("system_prompt", "llm_config", "outcome", "tools", "triggers")
MAX_DIFF_STEPS = 2_000_000
_MISSING = object()


class AgentVersionResponse(BaseModel):
    """An immutable version; executions are pinned to one."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    agent_id: UUID
    version_number: int
    system_prompt: str
    llm_config: dict[str, Any]
    outcome: dict[str, Any]
    tools: list[dict[str, Any]]
    triggers: list[dict[str, Any]] = Field(description="Triggers without their secrets, which are not versioned.")
    created_at: datetime
    created_by: str | None


class VersionChange(BaseModel):
    """One place where two versions differ."""

    pointer: str = Field(description="JSON pointer into the version; lists are keyed by tool or trigger id.")
    before: Any = Field(None, description="Null if it was not there.")
    after: Any = Field(None, description="Null if it is gone.")


class VersionDiff(BaseModel):
    """What changed between two versions."""

    agent_id: UUID
    from_version: int
    to_version: int
    changes: list[VersionChange]
    prompt_diff: list[str] = Field(description="The prompt's changes as lines of a unified diff.")


def snapshot(agent: Agent) -> dict[str, Any]:
    """Everything that decides what the agent does, as JSON; secrets and pauses are not in it."""
    tools = sorted(agent.tools, key=lambda tool: tool.tool_id)
    return {
        "system_prompt": agent.system_prompt,
        "llm_config": agent.llm_config,
        "outcome": read_outcome(agent.outcome).as_stored(),
        "tools": [
            {"tool_id": tool.tool_id, "operations": stored_grants(read_grants(tool.operations))} for tool in tools
        ],
        "triggers": [_trigger_snapshot(trigger) for trigger in in_order(agent.triggers)],
    }


def facts(agent: Agent) -> dict[str, Any]:
    """What the audit log says of an agent: all that it shows, and never a webhook's secret."""
    return {"name": agent.name, "description": agent.description, "status": str(agent.status), **snapshot(agent)}


def compare(before: AgentVersion, after: AgentVersion) -> VersionDiff:
    """What changed from one version of an agent to another."""
    names = (f"version {before.version_number}", f"version {after.version_number}")
    return VersionDiff(
        agent_id=before.agent_id,
        from_version=before.version_number,
        to_version=after.version_number,
        changes=differences(_keyed(before), _keyed(after)),
        prompt_diff=prompt_diff(before.system_prompt.splitlines(), after.system_prompt.splitlines(), names),
    )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[VersionChange]:
    """Every place where two values differ; a list is one value, so what is to be compared in parts comes keyed."""
    changes: list[VersionChange] = []
    _walk("", before, after, changes)
    return changes


def prompt_diff(before: list[str], after: list[str], names: tuple[str, str]) -> list[str]:
    """A unified diff in bounded time: ``difflib`` takes minutes for prompts made to make it do so."""
    counted = Counter(after)
    # The pairs of equal lines are what difflib's time grows with; a prompt of one line, repeated, has millions.
    equal_pairs = sum(counted[line] for line in before)
    if (equal_pairs + len(before) + len(after)) * min(len(before), len(after)) <= MAX_DIFF_STEPS:
        return list(difflib.unified_diff(before, after, *names, lineterm=""))
    shorter = min(len(before), len(after))
    # What both begin and end with is cut away, and the rest stands as one change: coarse, and linear in time.
    start = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    end = next((at for at in range(shorter - start) if before[-1 - at] != after[-1 - at]), shorter - start)
    gone, came = before[start : len(before) - end], after[start : len(after) - end]
    if not gone and not came:
        return []
    place = f"@@ -{start + 1},{len(gone)} +{start + 1},{len(came)} @@"
    changed = [*(f"-{line}" for line in gone), *(f"+{line}" for line in came)]
    return [f"--- {names[0]}", f"+++ {names[1]}", place, *changed]


def _trigger_snapshot(trigger: AgentTrigger) -> dict[str, Any]:
    names = WEBHOOK_FIELDS if trigger.trigger_type == TriggerType.WEBHOOK else SCHEDULE_FIELDS
    own = {name: getattr(trigger, name) for name in names}
    # Left out where it is not set, so that versions made before there was one still equal their agent.
    chosen = {"note_word": trigger.note_word, "event_filter": trigger.event_filter}
    own |= {name: value for name, value in chosen.items() if value is not None}
    return {"id": str(trigger.id), "trigger_type": trigger.trigger_type, **own}


def _keyed(version: AgentVersion) -> dict[str, Any]:
    parts = {name: getattr(version, name) for name in _PARTS}
    # By id and not by place: one tool more in front would show every other as changed.
    parts["tools"] = {str(tool["tool_id"]): tool for tool in version.tools}
    parts["triggers"] = {str(trigger["id"]): trigger for trigger in version.triggers}
    return parts


def _walk(place: str, before: Any, after: Any, changes: list[VersionChange]) -> None:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            _walk(place + pointer([key]), before.get(key, _MISSING), after.get(key, _MISSING), changes)
    # A member that was null is not one that was not there.
    elif before is _MISSING or after is _MISSING or before != after:
        changes.append(
            VersionChange(
                pointer=place,
                before=None if before is _MISSING else before,
                after=None if after is _MISSING else after,
            )
        )

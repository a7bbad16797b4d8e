"""How input becomes triggers and tools of an agent. Works on loaded objects; the caller flushes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from deskhand.agents.models import Agent, AgentTool, AgentTrigger
from deskhand.agents.outcomes import outcome_faults, read_outcome
from deskhand.agents.schemas import SCHEDULE_FIELDS, AgentStatus, AgentTriggerCreate, AgentTriggerUpdate, TriggerType
from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.kit.cron import next_fire
from deskhand.kit.crypto import SecretBox, new_webhook_secret
from deskhand.kit.pointer import fault_sentence, pointer
from deskhand.kit.secret_strength import ensure_strong
from deskhand.plugins.errors import PluginNotFoundError
from deskhand.plugins.registry import PluginManager
from deskhand.tools.catalogue import companion_faults, default_grants, find_provider, grant_faults
from deskhand.tools.schemas import GrantInput
from deskhand.tools.values import PLAIN, Grants, Provider, read_grants, stored_grants


def webhook_path(agent_id: UUID) -> str:
    """Path of an agent's webhook on this server."""
    return f"/agents/{agent_id}/webhook"


def set_triggers(agent: Agent, wanted: Sequence[AgentTriggerCreate], *, secrets: SecretBox) -> dict[UUID, str]:
    """Make the agent's triggers the wanted ones; one named by id stays the same and keeps its secret.

    Returns:
        Secrets that were made, by trigger id.

    Raises:
        InvalidInputError: An id is not a trigger of this agent, or is one of the other kind; a secret is too weak.
    """
    existing = {trigger.id: trigger for trigger in agent.triggers}
    made: dict[UUID, str] = {}
    triggers: list[AgentTrigger] = []
    for index, sent in enumerate(wanted):
        trigger, data = _new_trigger(agent), sent
        if isinstance(sent, AgentTriggerUpdate) and sent.id is not None:
            trigger = _existing(existing, sent.id, sent, index)
            data = _completed(sent, trigger, index)
        _fill(trigger, data)
        if data.hmac_secret is not None:
            ensure_strong(data.hmac_secret.get_secret_value(), f"/triggers/{index}/hmac_secret")
            _replace_secret(trigger, data.hmac_secret.get_secret_value(), secrets)
        # Made here and never empty: a webhook without a secret would take anybody's events.
        elif data.trigger_type == TriggerType.WEBHOOK and trigger.hmac_secret is None:
            made[trigger.id] = new_webhook_secret()
            _replace_secret(trigger, made[trigger.id], secrets)
        triggers.append(trigger)
    agent.triggers = triggers
    return made


def restore_triggers(agent: Agent, stored: Sequence[Mapping[str, Any]], *, secrets: SecretBox) -> dict[UUID, str]:
    """Make the agent's triggers those of a version; ones that were removed since come back with a new secret.

    Returns:
        Secrets that were made, by trigger id.
    """
    existing = {str(trigger.id): trigger for trigger in agent.triggers}
    made: dict[UUID, str] = {}
    triggers: list[AgentTrigger] = []
    for part in stored:
        # Under its old id, by which a comparison of versions knows it as the same trigger.
        trigger = existing.get(part["id"]) or _new_trigger(agent, UUID(part["id"]))
        for name in ("trigger_type", "payload_schema", *SCHEDULE_FIELDS):
            if name in part:
                setattr(trigger, name, part[name])
        trigger.note_word, trigger.event_filter = part.get("note_word"), part.get("event_filter")
        if trigger.trigger_type == TriggerType.WEBHOOK:
            trigger.webhook_url = webhook_path(agent.id)
            if trigger.hmac_secret is None:
                made[trigger.id] = new_webhook_secret()
                _replace_secret(trigger, made[trigger.id], secrets)
        triggers.append(trigger)
    agent.triggers = triggers
    return made


def set_tools(agent: Agent, granted: Mapping[str, Grants]) -> None:
    """Make the agent's tools the granted ones, with exactly those operations."""
    existing = {tool.tool_id: tool for tool in agent.tools}
    tools = []
    for tool_id, grants_of_tool in granted.items():
        tool = existing.get(tool_id) or AgentTool(agent_id=agent.id, tenant_id=agent.tenant_id, tool_id=tool_id)
        if read_grants(tool.operations or ()) != dict(grants_of_tool) or tool.operations is None:
            tool.operations = stored_grants(grants_of_tool)
        tools.append(tool)
    agent.tools = tools


def grants(
    agent: Agent,
    tool_ids: Sequence[str] | None,
    operations: Mapping[str, Mapping[str, GrantInput]] | None,
    *,
    plugins: PluginManager,
    sources: Sequence[Provider] = (),
) -> dict[str, Grants]:
    """Which tools the agent shall have, and what it may do with each.

    Args:
        agent: Its present grants stay where nothing else is said.
        tool_ids: The whole list of tools; None keeps the present ones.
        operations: Grants of single tools; a new tool without one gets its default.
        plugins: Knows which desk can do what.
        sources: The tenant's own tools.

    Raises:
        InvalidInputError: A tool is unknown, not among the agent's, or cannot do what is granted; all faults at once.
    """
    present = {tool.tool_id: read_grants(tool.operations) for tool in agent.tools}
    wanted = list(present) if tool_ids is None else list(tool_ids)
    named_grants = {
        tool_id: {name: how.grant for name, how in granted_of_tool.items()}
        for tool_id, granted_of_tool in (operations or {}).items()
    }
    faults = [
        FieldProblem(pointer(["tool_operations", tool_id]), f"'{tool_id}' is not among the agent's tools")
        for tool_id in named_grants
        if tool_id not in wanted
    ]
    granted: dict[str, Grants] = {}
    for index, tool_id in enumerate(wanted):
        try:
            provider = find_provider(tool_id, plugins, sources)
        except PluginNotFoundError as error:
            faults.append(FieldProblem(pointer(["tool_ids", index]), error.detail))
            continue
        named = named_grants.get(tool_id, present.get(tool_id))
        granted[tool_id] = dict.fromkeys(default_grants(provider), PLAIN) if named is None else named
        if tool_id in named_grants or tool_id not in present:  # what is there already was judged when it was saved
            faults.extend(grant_faults(provider, granted[tool_id]))
            faults.extend(companion_faults(provider, granted[tool_id]))
    if faults:
        raise InvalidInputError("; ".join(fault.detail for fault in faults), errors=faults)
    return granted


def ensure_outcome(agent: Agent) -> None:
    """Refuse an outcome that the agent's grants do not allow.

    Raises:
        InvalidInputError: Names what is not granted.
    """
    granted = {tool.tool_id: read_grants(tool.operations) for tool in agent.tools}
    faults = list(outcome_faults(read_outcome(agent.outcome), granted))
    if faults:
        raise InvalidInputError("; ".join(fault.detail for fault in faults), errors=faults)


def plan_schedules(agent: Agent, *, now: datetime) -> None:
    """Set the next instant of each schedule: of an active agent it is kept or found, of any other there is none."""
    for trigger in agent.triggers:
        if trigger.trigger_type != TriggerType.SCHEDULE:
            continue
        if agent.status != AgentStatus.ACTIVE or trigger.is_paused:
            trigger.next_fire_at = None
        # One that is planned keeps its time: an edit of the prompt must not skip a time that has just come.
        elif trigger.next_fire_at is None:
            assert trigger.schedule_cron is not None
            trigger.next_fire_at = next_fire(trigger.schedule_cron, trigger.schedule_timezone, after=now)


def _existing(existing: Mapping[UUID, AgentTrigger], ident: UUID, data: AgentTriggerCreate, index: int) -> AgentTrigger:
    trigger = existing.get(ident)
    if trigger is None:
        fault = FieldProblem(f"/triggers/{index}/id", f"the agent has no trigger {ident}")
    elif trigger.trigger_type != data.trigger_type:
        fault = FieldProblem(f"/triggers/{index}/trigger_type", f"trigger {ident} is a {trigger.trigger_type} trigger")
    else:
        return trigger
    raise InvalidInputError(fault.detail, errors=[fault])


def _completed(data: AgentTriggerUpdate, stored: AgentTrigger, index: int) -> AgentTriggerCreate:
    try:
        return data.completed(stored)
    except ValidationError as error:
        faults = [
            FieldProblem(pointer(["triggers", index, *fault["loc"]]), fault_sentence(fault))
            for fault in error.errors(include_url=False)
        ]
        raise InvalidInputError("; ".join(fault.detail for fault in faults), errors=faults) from error


def _new_trigger(agent: Agent, ident: UUID | None = None) -> AgentTrigger:
    return AgentTrigger(id=ident or uuid4(), agent_id=agent.id, tenant_id=agent.tenant_id, is_paused=False)


def _fill(trigger: AgentTrigger, data: AgentTriggerCreate) -> None:
    if (trigger.schedule_cron, trigger.schedule_timezone) != (data.schedule_cron, data.schedule_timezone):
        trigger.next_fire_at = None  # planned anew from the changed schedule
    trigger.trigger_type = data.trigger_type.value
    trigger.payload_schema = data.payload_schema
    trigger.note_word = data.note_word
    trigger.event_filter = data.event_filter.as_stored() if data.event_filter else None
    trigger.webhook_url = webhook_path(trigger.agent_id) if data.trigger_type == TriggerType.WEBHOOK else None
    for name in SCHEDULE_FIELDS:
        setattr(trigger, name, getattr(data, name))


def _replace_secret(trigger: AgentTrigger, secret: str, secrets: SecretBox) -> None:
    trigger.hmac_secret = secrets.encrypt(secret)
    # A secret that is put in force here stands alone; rotate() is what leaves the old one valid for a while.
    trigger.previous_hmac_secret = None
    trigger.previous_hmac_secret_expires_at = None

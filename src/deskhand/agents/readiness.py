"""What an agent needs before it may run; everything that is missing is found at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deskhand.agents.llm_config import LLMConfig
from deskhand.agents.models import Agent
from deskhand.agents.schemas import PROMPT_LENGTH, TriggerType, in_order
from deskhand.errors import FieldProblem
from deskhand.kit.cron import check_cron
from deskhand.kit.nearest import what_exists
from deskhand.kit.pointer import pointer
from deskhand.llm import catalogue
from deskhand.llm.config_keys import is_embedded
from deskhand.plugins.registry import is_beside_desks


def missing_for_activation(
    agent: Agent, *, tenant_is_active: bool, connected: Collection[str], models: AgentModels
) -> list[FieldProblem]:
    """Everything that keeps an agent from being active; empty if it is ready.

    Args:
        agent: The agent, with triggers and tools loaded.
        tenant_is_active: Whether its tenant is.
        connected: Tools whose connection is complete.
        models: What the tenant's agents may name.
    """
    missing = []
    if not tenant_is_active:
        missing.append(FieldProblem("", "the tenant is deactivated"))
    if not PROMPT_LENGTH[0] <= len(agent.system_prompt.strip()) <= PROMPT_LENGTH[1]:
        missing.append(
            FieldProblem(
                "/system_prompt", f"the system prompt needs {PROMPT_LENGTH[0]} to {PROMPT_LENGTH[1]} characters"
            )
        )
    missing.extend(model_faults(agent.llm_config or {}, models))
    missing.extend(_window_faults(agent))
    if not agent.triggers:
        missing.append(FieldProblem("/triggers", "at least one trigger is needed"))
    missing.extend(_schedule_faults(agent))
    missing.extend(_filter_faults(agent))
    missing.extend(_tool_faults(agent, connected))
    return missing


@dataclass(frozen=True, slots=True)
class AgentModels:
    """What agents of a tenant may name: models that are listed beside the known ones, and connections to them."""

    listed: Collection[str] = ()
    connections: Collection[str] = ()


_CHAIN = ("llm_config", "fallbacks")


def model_faults(llm_config: Mapping[str, Any], models: AgentModels) -> list[FieldProblem]:
    """What is wrong with the model that an agent names, and with the connection."""
    further = llm_config.get("fallbacks") or ()
    faults = [
        *_link_faults(llm_config, models, ["llm_config"]),
        *(fault for n, one in enumerate(further) for fault in _link_faults(one, models, [*_CHAIN, n])),
    ]
    if further and is_embedded(str(llm_config.get("provider")), str(llm_config.get("model"))):
        sentence = "the embedded model begins no chain: what it is asked is worded for it alone; let it be the last"
        faults.append(FieldProblem("/llm_config/fallbacks", sentence))
    return faults


def _link_faults(config: Mapping[str, Any], models: AgentModels, at: Sequence[str | int]) -> list[FieldProblem]:
    faults = []
    model, connection = config.get("model"), config.get("connection")
    if not isinstance(model, str) or not model:
        faults.append(FieldProblem(pointer([*at, "model"]), "a model is needed"))
    elif sentence := LLMConfig.model_fault(model, listed=models.listed):
        faults.append(FieldProblem(pointer([*at, "model"]), sentence))
    if connection is not None and connection not in models.connections:
        hint = what_exists(str(connection), models.connections)
        sentence = f"There is no model connection '{connection}'; {hint}."
        faults.append(FieldProblem(pointer([*at, "connection"]), sentence))
    return faults


def _window_faults(agent: Agent) -> list[FieldProblem]:
    """A prompt that the model could not read; what its window is, is not known of every model."""
    config = agent.llm_config or {}
    name = str(config.get("model") or "")
    window = catalogue.prompt_window(name, embedded=config.get("provider") == "embedded")
    size = len(agent.system_prompt.encode()) // catalogue.BYTES_PER_TOKEN
    if window is None or size <= window:
        return []
    return [
        FieldProblem(
            "/system_prompt",
            f"the system prompt takes about {size} tokens, and '{name}' has room for {window} of them: shorten it, or"
            " choose a model with a larger window",
        )
    ]


def _schedule_faults(agent: Agent) -> list[FieldProblem]:
    """Schedules that could be read when they were saved: tzdata drops zones now and then."""
    faults = []
    for index, trigger in enumerate(in_order(agent.triggers)):
        try:
            if trigger.trigger_type == TriggerType.SCHEDULE:
                check_cron(trigger.schedule_cron or "", trigger.schedule_timezone)
        except ValueError as error:
            faults.append(FieldProblem(pointer(["triggers", index]), str(error)))
    return faults


def _filter_faults(agent: Agent) -> list[FieldProblem]:
    """Filters that let nothing through: they name a desk that the agent has not."""
    desks = sorted(tool.tool_id for tool in agent.tools if not is_beside_desks(tool.tool_id))
    faults = []
    for index, trigger in enumerate(in_order(agent.triggers)):
        for number, desk in enumerate((trigger.event_filter or {}).get("desk") or ()):
            if desk.casefold() not in {name.casefold() for name in desks}:
                place = pointer(["triggers", index, "event_filter", "desk", number])
                faults.append(FieldProblem(place, f"'{desk}' is no desk of the agent: {what_exists(desk, desks)}"))
    return faults


def _tool_faults(agent: Agent, connected: Collection[str]) -> list[FieldProblem]:
    tools = sorted(tool.tool_id for tool in agent.tools)
    if not tools:
        return [FieldProblem("/tool_ids", "at least one tool is needed")]
    desks = [tool for tool in tools if not is_beside_desks(tool)]
    # One connected desk is enough: a second that is being set up must not stop an agent that works.
    if not desks or any(tool in connected for tool in desks):
        return []
    return [FieldProblem("/tool_ids", f"none of its tools has a complete connection: {', '.join(desks)}")]

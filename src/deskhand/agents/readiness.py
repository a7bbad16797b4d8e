"""What an agent needs before it may run; everything that is missing is found at once."""

from __future__ import annotations

from collections.abc import Collection

from deskhand.agents.llm_config import LLMConfig
from deskhand.agents.models import Agent
from deskhand.agents.schemas import PROMPT_LENGTH
from deskhand.errors import FieldProblem


def missing_for_activation(agent: Agent, *, tenant_is_active: bool, connected: Collection[str]) -> list[FieldProblem]:
    """Everything that keeps an agent from being active; empty if it is ready.

    Args:
        agent: The agent, with triggers and tools loaded.
        tenant_is_active: Whether its tenant is.
        connected: Tools whose connection is complete.
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
    missing.extend(_model_faults(agent))
    if not agent.triggers:
        missing.append(FieldProblem("/triggers", "at least one trigger is needed"))
    missing.extend(_tool_faults(agent, connected))
    return missing


def _model_faults(agent: Agent) -> list[FieldProblem]:
    model = (agent.llm_config or {}).get("model")
    if not isinstance(model, str) or not model:
        return [FieldProblem("/llm_config/model", "a model is needed")]
    sentence = LLMConfig.model_fault(model)
    return [FieldProblem("/llm_config/model", sentence)] if sentence else []


def _tool_faults(agent: Agent, connected: Collection[str]) -> list[FieldProblem]:
    tools = sorted(tool.tool_id for tool in agent.tools)
    if not tools:
        return [FieldProblem("/tool_ids", "at least one tool is needed")]
    if any(tool in connected for tool in tools):
        return []
    return [FieldProblem("/tool_ids", f"none of its tools has a complete connection: {', '.join(tools)}")]

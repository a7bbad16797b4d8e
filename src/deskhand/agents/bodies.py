"""Agents as they are sent over HTTP: what these let pass, the service checks with what it knows."""

from __future__ import annotations

from deskhand.agents.llm_config import SentLLMConfig
from deskhand.agents.schemas import AgentCreate, AgentUpdate


class AgentPost(AgentCreate):
    """A new agent, with its triggers and tools."""

    llm_config: SentLLMConfig


class AgentPatch(AgentUpdate):
    """Changes to an agent as they come over HTTP, where the agent as it was read may be sent back whole."""

    llm_config: SentLLMConfig | None = None

    read_only = frozenset(
        {
            *("id", "tenant_id", "created_at", "updated_at", "created_by", "revision", "current_version"),
            "webhook_secrets",
        }
    )

    def _stays_draft(self) -> bool:
        return True  # only the stored agent tells whether it is one; the service refuses where it is not

"""Agents as they are sent over HTTP: what these let pass, the service checks with what it knows."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from deskhand.agents.llm_config import SentLLMConfig
from deskhand.agents.schemas import AgentCreate, AgentResponse, AgentUpdate

Warnings = Annotated[
    list[str],
    Field(
        description="What will fail when it runs, as far as it can be told now: a desk that does not answer, a model"
        " nobody serves. One sentence each; empty where it is not active."
    ),
]


class WebhookSecret(BaseModel):
    """The secret of a webhook trigger, at the only time it is shown."""

    trigger_id: UUID
    webhook_url: str = Field(description="Path on this server.")
    endpoint: str = Field(description="Full address to enter at the sender.")
    secret: str = Field(description="Sign with it (Standard Webhooks, or `X-Hub-Signature-256`).")


class ActivatedAgent(AgentResponse):
    """An agent that may run from now on."""

    warnings: Warnings = Field(default_factory=list)


class ChangedAgent(AgentResponse):
    """An agent after a change, with the webhook secrets that the change made."""

    webhook_secrets: list[WebhookSecret] = Field(
        default_factory=list, description="Secrets made by this request. They cannot be shown again."
    )
    warnings: Warnings = Field(default_factory=list)


class AgentPost(AgentCreate):
    """A new agent, with its triggers and tools."""

    llm_config: SentLLMConfig


class AgentPatch(AgentUpdate):
    """Changes to an agent as they come over HTTP, where the agent as it was read may be sent back whole."""

    llm_config: SentLLMConfig | None = None

    read_only = frozenset(
        {
            *("id", "tenant_id", "created_at", "updated_at", "created_by", "revision", "current_version"),
            *("webhook_secrets", "warnings"),
        }
    )

    def _stays_draft(self) -> bool:
        return True  # only the stored agent tells whether it is one; the service refuses where it is not

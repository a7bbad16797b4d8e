"""Rotation of webhook secrets: for a while both the new and the old one are accepted."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import ConfigDict, Field

from deskhand.agents.bodies import WebhookSecret
from deskhand.agents.models import Agent, AgentTrigger
from deskhand.agents.schemas import TriggerType
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError
from deskhand.kit.clock import Clock
from deskhand.kit.crypto import SecretBox, new_webhook_secret
from deskhand.kit.schema import InputModel

MAX_GRACE_SECONDS = 7 * 24 * 3600


class RotateSecret(InputModel):
    """How a webhook secret is replaced."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"grace_seconds": 86400}]})

    trigger_id: UUID | None = Field(None, description="Which webhook trigger; needed if the agent has several.")
    grace_seconds: int = Field(
        86_400, ge=0, le=MAX_GRACE_SECONDS, description="Seconds for which the old secret stays valid; 0 ends it now."
    )


class RotatedSecret(WebhookSecret):
    """The new secret, shown this once."""

    previous_valid_until: datetime | None = Field(None, description="Until when the old secret is accepted.")


def rotate(agent: Agent, request: RotateSecret, *, secrets: SecretBox, clock: Clock) -> tuple[AgentTrigger, str]:
    """Give a webhook trigger a new secret; a secret that was already being phased out ends now.

    Args:
        agent: The agent, with its triggers loaded.
        request: Which trigger, and how long the old secret stays valid.
        secrets: Encrypts the new secret.
        clock: Current time.

    Returns:
        The trigger and its new secret.

    Raises:
        InvalidInputError: It is not clear which trigger is meant.
        ConflictError: The agent has no webhook trigger.
    """
    trigger = _find(agent, request.trigger_id)
    secret = new_webhook_secret()
    keep = request.grace_seconds > 0
    trigger.previous_hmac_secret = trigger.hmac_secret if keep else None
    trigger.previous_hmac_secret_expires_at = clock() + timedelta(seconds=request.grace_seconds) if keep else None
    trigger.hmac_secret = secrets.encrypt(secret)
    return trigger, secret


def _find(agent: Agent, trigger_id: UUID | None) -> AgentTrigger:
    webhooks = {trigger.id: trigger for trigger in agent.triggers if trigger.trigger_type == TriggerType.WEBHOOK}
    if not webhooks:
        raise ConflictError(f"Agent {agent.id} has no webhook trigger.")
    if trigger_id is None and len(webhooks) == 1:
        return next(iter(webhooks.values()))
    if trigger_id in webhooks:
        return webhooks[trigger_id]
    listed = ", ".join(str(ident) for ident in webhooks)
    fault = FieldProblem("/trigger_id", f"name one of the agent's webhook triggers: {listed}")
    raise InvalidInputError(fault.detail, errors=[fault])

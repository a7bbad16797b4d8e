"""The lifecycle of an agent, as a table; a database trigger enforces the same one."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.agents.models import Agent
from deskhand.agents.schemas import AgentStatus
from deskhand.errors import ConflictError, InvalidTransitionError

TRANSITIONS: Mapping[AgentStatus, frozenset[AgentStatus]] = {
    AgentStatus.DRAFT: frozenset({AgentStatus.ACTIVE}),
    AgentStatus.ACTIVE: frozenset({AgentStatus.SUSPENDED, AgentStatus.INACTIVE}),
    AgentStatus.SUSPENDED: frozenset({AgentStatus.ACTIVE, AgentStatus.INACTIVE}),
    AgentStatus.INACTIVE: frozenset(),
}


class AgentNotReadyError(ConflictError):
    """The agent lacks something an active agent needs; ``errors`` names everything at once."""

    code = "agent-not-ready"
    title = "Agent not ready"


class BelowBarError(ConflictError):
    """The version has not reached the tenant's bar in the replay lab; ``errors`` says of each field how far it is."""

    code = "below-replay-bar"
    title = "Below the bar of the replay lab"


def ensure_transition(before: str, after: AgentStatus) -> None:
    """Refuse a step the table does not list.

    Raises:
        InvalidTransitionError: Names both states and what would be possible.
    """
    allowed = TRANSITIONS[AgentStatus(before)]
    if after in allowed:
        return
    possible = " or ".join(f"'{status.value}'" for status in AgentStatus if status in allowed)
    hint = f"From '{before}' it can go to {possible}." if possible else f"'{before}' is final; create a new agent."
    raise InvalidTransitionError(f"An agent cannot go from '{before}' to '{after.value}'. {hint}")


def ensure_changeable(agent: Agent) -> None:
    """Refuse to change an agent that was deleted.

    Raises:
        ConflictError: It is inactive, for good.
    """
    if agent.status == AgentStatus.INACTIVE:
        raise ConflictError(f"Agent {agent.id} is 'inactive' and cannot be changed any more.")

"""Whether an agent may be active: it lacks nothing, and reached what its tenant asks of it in the replay lab."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.agents.lifecycle import AgentNotReadyError, BelowBarError
from deskhand.agents.models import Agent
from deskhand.agents.outcomes import mail_missing, outside_missing, read_outcome
from deskhand.agents.readiness import AgentModels, missing_for_activation
from deskhand.errors import FieldProblem, ForbiddenError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.pointer import pointer
from deskhand.kit.schema import InputModel
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import connected_tools
from deskhand.tenants.mail import mail_settings
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.note_trials.rules import why_refused
from deskhand.tenants.outside import outside_settings
from deskhand.tenants.replay_bar import replay_bar
from deskhand.tools.desk import writes_on

ENOUGH = 10
"""Tickets on which people said something of a field: on fewer a share is luck."""
# By SQL and not by the lab's models: the lab is a room above this one (ADR 9). A run of test cases alone is chosen by
# whoever wrote the agent, and proves nothing of what its desk is like.
_PROOF = text(
    """
    SELECT r.comparison FROM lab_runs r
     WHERE r.agent_id = :agent_id AND r.version_number = :version AND r.state = 'completed'
       AND EXISTS (SELECT 1 FROM lab_cases c WHERE c.lab_run_id = r.id AND c.test_case_id IS NULL)
     ORDER BY r.created_at DESC, r.id DESC LIMIT 1
    """
)


Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A person activates an agent although it is below the bar."""

    person: str
    reason: str


class Activation(InputModel):
    """How an agent is activated."""

    override_reason: Reason | None = Field(
        None, description="Why it is activated although it is below the tenant's bar; a person's word, and no key's."
    )


def override_by(principal: Principal, reason: str | None) -> Override | None:
    """A person's word for an agent that is below the bar; None where nobody gives one.

    Raises:
        ForbiddenError: A key gives it.
    """
    if not reason:
        return None
    if principal.person is None:
        raise ForbiddenError("The bar is passed over by a person who signed in, and by no key.")
    return Override(person=principal.person.email, reason=reason)


def ensure_ready(
    agent: Agent,
    tenant: TenantConfig,
    *,
    secrets: SecretBox,
    plugins: PluginManager,
    models: AgentModels,
    is_new: bool,
) -> None:
    """Refuse an agent that is active and lacks something.

    Args:
        agent: With its tools loaded.
        tenant: Whose.
        secrets: Decrypts the tenant's connections.
        plugins: Registered desks.
        models: What the tenant's agents may name.
        is_new: It becomes active now; one that was so already is not kept from being changed by what a desk does.

    Raises:
        AgentNotReadyError: Names everything at once.
    """
    connected = connected_tools(tenant, secrets=secrets, plugins=plugins)
    missing = missing_for_activation(agent, tenant_is_active=tenant.is_active, connected=connected, models=models)
    tools, outcome = {tool.tool_id for tool in agent.tools}, read_outcome(agent.outcome)
    missing += _refused_desks(agent, tenant, plugins) if is_new else ()
    missing += mail_missing(outcome, tools, mail_settings(tenant, secrets))
    missing += outside_missing(outcome, tools, outside_settings(tenant, secrets))
    if missing:
        raise AgentNotReadyError(
            f"The agent cannot be active: {'; '.join(fault.detail for fault in missing)}.", errors=missing
        )


def _refused_desks(agent: Agent, tenant: TenantConfig, plugins: PluginManager) -> Iterator[FieldProblem]:
    """Desks on which the agent may write, and whose trial of a note was refused."""
    for tool in agent.tools:
        if tool.tool_id in plugins.tool_types and writes_on(tool.operations, plugins.get_plugin(tool.tool_id).manifest):
            why = why_refused(tenant, tool.tool_id, plugins.names[tool.tool_id])
            if why is not None:
                yield FieldProblem(pointer(["tool_ids", tool.tool_id]), why.rstrip("."))


async def ensure_proven(
    session: AsyncSession, agent_id: UUID, version: int, tenant: TenantConfig, override: Override | None
) -> dict[str, Any]:
    """Refuse to activate a version that is below its tenant's bar, unless a person takes it upon them.

    Returns:
        What the audit log says besides: who passed over which bar, and why.

    Raises:
        BelowBarError: Says of each field how far the version is.
    """
    bars = replay_bar(tenant.enhancement_preferences).bars()
    if not bars:
        return {}
    found = await session.scalar(_PROOF, {"agent_id": agent_id, "version": version})
    below = below_bar(bars, found)
    if not below:
        return {}
    if override is not None:
        return {
            "overridden": {"by": override.person, "reason": override.reason, "below": [one.detail for one in below]}
        }
    raise BelowBarError(
        f"Version {version} is below the tenant's bar: {'; '.join(one.detail for one in below)}. Run it in"
        " the replay lab, or let a person who signed in activate it with a reason.",
        errors=below,
    )


def below_bar(bars: Mapping[str, int], comparison: Mapping[str, Any] | None) -> Sequence[FieldProblem]:
    """Of each field that has a bar and does not reach it, by how much.

    Args:
        bars: Percent, by field.
        comparison: Of the newest completed run of the lab with closed tickets; None where there is none.
    """
    if comparison is None:
        return [FieldProblem("", "it has not been run in the replay lab on closed tickets to the end")]
    return [FieldProblem(f"/{name}", why) for name, bar in bars.items() if (why := _why(name, bar, comparison[name]))]


def _why(name: str, bar: int, field: Mapping[str, Any]) -> str | None:
    of = field["right"] + field["wrong"] + field["silent"]
    if of < ENOUGH:
        return f"{name} could be compared on {of} tickets, and {ENOUGH} are needed"
    # In whole numbers: 7 of 10 is 70 percent, whatever a float makes of it.
    if field["right"] * 100 >= bar * of:
        return None
    return f"{name} agrees on {field['right']} of {of} tickets, and {bar} percent are asked for"

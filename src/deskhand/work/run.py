"""What one run works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from deskhand.agents.event_filter import EventFilter, read_filter
from deskhand.agents.models import AgentVersion
from deskhand.agents.outcomes import Outcome, read_outcome
from deskhand.engine.claims import RunningExecution
from deskhand.engine.journal import Journal
from deskhand.kit.http import HttpClientFactory
from deskhand.lab.past import Past
from deskhand.llm.connection import GatewaySettings
from deskhand.tenants.calendars import stored_calendars
from deskhand.tenants.models import TenantConfig
from deskhand.tools.values import Grants, read_grants
from deskhand.work.companies import CompanyWall
from deskhand.work.hours import Hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything one run works with.

    Attributes:
        agent_name: The agent's name for people, as it is now.
        deadline: ``time.monotonic()`` at which the attempt must be over.
        wall: Keeps what belongs to other client companies out.
        gateway: How its agent reaches models.
        waited: How long the run has waited for people; none of it counts as its own time.
        past: The time in which a run of the replay lab takes place; None: it is now.
    """

    execution: RunningExecution
    version: AgentVersion
    agent_name: str
    tenant: TenantConfig
    journal: Journal
    http: HttpClientFactory
    deadline: float
    wall: CompanyWall
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    waited: timedelta = timedelta()
    past: Past | None = None

    @property
    def grants(self) -> dict[str, Grants]:
        """By tool, what the version may do."""
        return {str(tool["tool_id"]): read_grants(tool["operations"]) for tool in self.version.tools}

    @property
    def outcome(self) -> Outcome:
        """What the version's runs end in."""
        return read_outcome(self.version.outcome)

    @property
    def note_word(self) -> str | None:
        """The word of an internal note without which the run's trigger starts nothing."""
        return self._trigger().get("note_word")

    @property
    def event_filter(self) -> EventFilter | None:
        """Which events of the run's trigger start a run."""
        return read_filter(self._trigger().get("event_filter"))

    @property
    def hours(self) -> Hours:
        """When the people work whom the run works for.

        Raises:
            ConfigurationError: The tenant's calendars cannot be read.
        """
        return Hours(stored_calendars(self.tenant.enhancement_preferences), self.wall.boundaries)

    def _trigger(self) -> Mapping[str, Any]:
        started_by = str(self.execution.trigger_id)
        return next((one for one in self.version.triggers if str(one["id"]) == started_by), {})

    @property
    def actor(self) -> str:
        """Name in the audit log."""
        return f"agent:{self.execution.agent_id}/v{self.version.version_number}"

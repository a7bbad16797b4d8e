"""A run and a ticket as values, for what is pure; nothing of it is stored, and a journal that is used fails."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from deskhand.agents.models import AgentVersion
from deskhand.engine.claims import RunningExecution
from deskhand.engine.journal import Journal
from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.contract import Ticket
from deskhand.tenants.models import TenantConfig
from deskhand.work.companies import CompanyWall
from deskhand.work.run import Run

AGENT_ID = UUID(int=7)
QUEUED = datetime(2026, 5, 4, 7, 30, tzinfo=UTC)


def execution(payload: dict[str, Any] | None = None, **more: Any) -> RunningExecution:
    """A live run's first attempt."""
    facts: dict[str, Any] = {
        "id": UUID(int=1),
        "tenant_id": "acme",
        "agent_id": AGENT_ID,
        "agent_version_id": UUID(int=3),
        "attempt": 1,
        "max_attempts": 3,
        "mode": "live",
        "tool_type": None,
        "ticket_ref": None,
        "input_payload": payload or {},
        "queued_at": QUEUED,
        "started_at": QUEUED,
    }
    return RunningExecution(**{**facts, **more})


def run_of(running: RunningExecution | None = None, **version: Any) -> Run:
    """A run of a version with these members."""
    made = AgentVersion(**{"version_number": 3, "system_prompt": "", "llm_config": {}, "tools": [], **version})
    return Run(
        execution=running or execution(),
        version=made,
        agent_name="Night digest",
        tenant=TenantConfig(tenant_id="acme", name="Acme", tool_type="jira"),
        wall=CompanyWall({}, frozenset()),
        journal=cast(Journal, None),
        http=HttpClientFactory(),
        deadline=0.0,
    )


def scheduled(fire_at: str, timezone: str) -> RunningExecution:
    """A schedule's run for that time."""
    return execution({"schedule": {"fire_at": fire_at, "timezone": timezone}})


def ticket(**more: Any) -> Ticket:
    """A ticket that says as little as a desk may."""
    return Ticket(**{"tool_type": "jira", "id": "10017", "display_id": "IT-17", "subject": "VPN drops", **more})

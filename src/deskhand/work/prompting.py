"""The agent's prompt as the model gets it: whole, with its variables filled in, and what a run is for in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from deskhand.agents.prompts import render
from deskhand.engine.claims import RunningExecution
from deskhand.kit.marks import strip_marks
from deskhand.llm.loop import ToolSpec
from deskhand.plugins.contract import Ticket
from deskhand.work.run import Run
from deskhand.work.told import NOTHING, Told
from deskhand.work.toolbox import tools_text
from deskhand.work.views import ticket_facts


def system_prompt(run: Run, specs: Sequence[ToolSpec], ticket: Ticket | None = None, told: Told = NOTHING) -> str:
    """The version's prompt with its variables filled in, and what the tenant tells about the ticket around it.

    Args:
        run: The run.
        specs: The tools the model is offered.
        ticket: The ticket that started the run.
        told: What the tenant tells about it.
    """
    # Around what is filled in: a name in braces that a tenant writes is no variable.
    return told.around(render(run.version.system_prompt, {**_values(run, ticket), "tools": tools_text(specs)}))


def mail_subject(run: Run, ticket: Ticket | None = None) -> str:
    """Subject of the mail that a report goes out in."""
    return render(run.outcome.mail_subject, _values(run, ticket))


def _values(run: Run, ticket: Ticket | None) -> dict[str, str]:
    return {
        "tenant_name": run.tenant.name,
        "agent_name": run.agent_name,
        "current_date": occasion_time(run.execution).date().isoformat(),
        **({} if ticket is None else _ticket_values(ticket)),
    }


def _ticket_values(ticket: Ticket) -> dict[str, str]:
    """On one line each: a stranger's text must not look like a part of the prompt."""
    facts = {
        "id": ticket.id,
        "subject": strip_marks(ticket.subject),
        "description": strip_marks(ticket.description),
        **ticket_facts(ticket),
    }
    return {f"ticket.{name}": " ".join((value or "").split()) for name, value in facts.items()}


def occasion_time(execution: RunningExecution) -> datetime:
    """When a run is for: of a schedule, the time it stands for, which after an outage is not when it starts."""
    schedule = execution.input_payload.get("schedule")
    # Whoever starts a run by hand writes its payload, so what stands under this name may be anything.
    if not isinstance(schedule, dict):
        return execution.queued_at.astimezone(UTC)
    zone: tzinfo = ZoneInfo(schedule["timezone"])
    return datetime.fromisoformat(schedule["fire_at"]).astimezone(zone)


def is_run_by_hand(execution: RunningExecution) -> bool:
    """Whether a person let a schedule run at a time that is not its own."""
    schedule = execution.input_payload.get("schedule")
    return isinstance(schedule, dict) and "requested_by" in schedule


def occasion(execution: RunningExecution) -> str:
    """The same in words, for the model."""
    schedule = execution.input_payload.get("schedule")
    instant = occasion_time(execution)
    if not isinstance(schedule, dict):
        return f"Run started at {instant.isoformat()}."
    return f"Scheduled run for {instant:%A} {instant.isoformat()} ({schedule['timezone']})."

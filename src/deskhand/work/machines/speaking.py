"""Whether a run says anything about a ticket that a machine made: by the tenant's rule never, or once a condition."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import case, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.models import AgentExecution
from deskhand.engine.status import ExecutionStatus
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Ticket
from deskhand.tenants.machine_rules import MADE_BY_MACHINE, MachineRule, machine_rules, rule_about
from deskhand.work.machines.alerts import Alert, read_alert
from deskhand.work.machines.models import AlertCondition
from deskhand.work.run import Run


async def why_quiet(db: Database, run: Run, ticket: Ticket) -> str | None:
    """Why nothing is said, in a sentence; None where no machine made the ticket, or the condition is a new one."""
    rules = machine_rules(run.tenant.enhancement_preferences)
    # What an earlier attempt began is finished.
    if not rules or run.execution.mode != "live" or run.journal.begun_writes:
        return None
    rule = rule_about(rules, run.wall.boundaries.of_ticket(ticket))
    if rule is None:
        return None
    made = MADE_BY_MACHINE.format(rule=rule.name)
    if rule.speak == "silent":
        return f"{made}: nothing was done."
    alert = read_alert(ticket.subject)
    async with db.tenant_session(run.execution.tenant_id) as session:
        if alert.is_recovery:
            await _close(session, run, ticket, alert)
            return f"{made}, and it says that the condition is over: nothing was done."
        spoken_on = await _claim(session, run, ticket, alert, rule)
    return None if spoken_on is None else f"{made}, and its condition has been spoken of on ticket {spoken_on}."


async def _claim(session: AsyncSession, run: Run, ticket: Ticket, alert: Alert, rule: MachineRule) -> str | None:
    """Make the condition this run's to speak of; the ticket of the run whose it is already."""
    a, execution = AlertCondition, run.execution
    values = {
        **{"tenant_id": execution.tenant_id, "agent_id": execution.agent_id, "tool_type": ticket.tool_type},
        **{"condition": alert.condition, "ticket_id": ticket.id, "execution_id": execution.id},
    }
    # A run that ended without a word has left the condition to the next.
    silent = (ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)
    has_failed = exists(select(1).where(AgentExecution.id == a.execution_id, AgentExecution.status.in_(silent)))
    is_new = or_(a.last_at < func.clock_timestamp() - timedelta(hours=rule.quiet_hours), has_failed)
    statement = insert(a).values(**values)
    upsert = statement.on_conflict_do_update(
        index_elements=["tenant_id", "agent_id", "tool_type", "condition"],
        set_={
            "ticket_id": case((is_new, statement.excluded.ticket_id), else_=a.ticket_id),
            "execution_id": case((is_new, statement.excluded.execution_id), else_=a.execution_id),
            "alerts": case((is_new, 1), else_=a.alerts + 1),
            "is_open": True,
            "last_at": func.clock_timestamp(),
        },
    ).returning(a.execution_id, a.ticket_id)
    owner, spoken_on = (await session.execute(upsert)).one()
    return None if owner == execution.id else str(spoken_on)


async def _close(session: AsyncSession, run: Run, ticket: Ticket, alert: Alert) -> None:
    a = AlertCondition
    same = (a.agent_id == run.execution.agent_id, a.tool_type == ticket.tool_type, a.condition == alert.condition)
    # It stays, so that a condition that flaps is spoken of no more often than one that holds.
    await session.execute(update(a).where(*same).values(is_open=False, last_at=func.clock_timestamp()))

"""Targets and mails of the simulated instance: the rows of ``task_sla`` and ``sys_email``."""

from __future__ import annotations

from deskhand.simulators.base import SimTicket
from deskhand.simulators.servicenow.wire import Cell, Row, moment, plain, sys_id_of

_DONE = ("Resolved", "Closed", "Canceled")
_NAMES = {target: f"Priority 3 {target} (1 hour)" for target in ("response", "resolution")}


def definition_rows() -> list[Row]:
    """What there is to count by: the rows of ``contract_sla``."""
    return [
        {"sys_id": plain(sys_id_of("contract_sla", target)), "name": plain(name), "target": plain(target)}
        for target, name in _NAMES.items()
    ]


def target_rows(ticket: SimTicket) -> list[Row]:
    """What of a record is counted: to the first answer, and to the solution."""
    solving = "completed" if ticket.status in _DONE else "paused" if ticket.status == "On Hold" else "in_progress"
    stages = {"response": "completed" if ticket.responded_at else "in_progress", "resolution": solving}
    return [
        {
            "sys_id": plain(sys_id_of("task_sla", ticket.id, target)),
            "task": Cell(ticket.id, ticket.display_id, "incident"),
            "sla": Cell(sys_id_of("contract_sla", target), _NAMES[target], "contract_sla"),
            "stage": Cell(stage, stage.replace("_", " ").capitalize()),
            "end_time": moment(ticket.responded_at if target == "response" else None),
        }
        for target, stage in stages.items()
    ]


def mail_rows(ticket: SimTicket) -> list[Row]:
    """What the instance has sent about a record."""
    return [
        {
            "sys_id": plain(sys_id_of("sys_email", mail.id)),
            "instance": plain(ticket.id),
            "target_table": plain("incident"),
            "type": Cell("sent", "Sent"),
            "recipients": plain(mail.to),
            "subject": plain(mail.rule),
        }
        for mail in ticket.mails
    ]

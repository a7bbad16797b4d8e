"""Time worked on the simulated instance: the rows of ``task_time_worked``, made by hand as a form does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from deskhand.simulators.base import SimPerson, SimTicket, TicketStore
from deskhand.simulators.base.state import SimLog
from deskhand.simulators.servicenow.wire import Cell, Row, moment, plain, refuse, sys_id_of

TABLE = "task_time_worked"


def log_rows(ticket: SimTicket, *, name_of: Callable[[SimPerson], str], zone: tzinfo) -> list[Row]:
    """What was worked on a record."""
    return [
        {
            "sys_id": plain(_id_of(log)),
            "task": Cell(ticket.id, ticket.display_id, "incident"),
            "time_in_seconds": plain(log.seconds),
            "comments": plain(log.text),
            "work_date": plain(log.started_at.date().isoformat()),
            "user": Cell(sys_id_of("sys_user", log.author.id), log.author.name, "sys_user"),
            "sys_created_by": plain(name_of(log.author)),
            "sys_created_on": moment(log.created_at, zone),
        }
        for log in ticket.work_logs
    ]


def log(store: TicketStore, body: Mapping[str, Any], ignored: frozenset[str], zone: tzinfo) -> str:
    """Make a row, and give its id; what an account may not write is dropped in silence."""
    taken = {name: plain(value).value for name, value in body.items() if name not in ignored}
    ticket = store.get(taken.get("task", ""))
    if ticket is None:
        raise refuse(400, "Invalid task")
    seconds = int(taken.get("time_in_seconds") or 0)
    day = taken.get("work_date") or store.clock().date().isoformat()
    started = datetime.fromisoformat(day).replace(tzinfo=zone)
    made = store.log_time(ticket, seconds=seconds, text=taken.get("comments", ""), started_at=started, is_save=False)
    return _id_of(made)


def unlog(store: TicketStore, sys_id: str) -> None:
    """Delete a row."""
    for ticket in store.tickets.values():
        for one in ticket.work_logs:
            if _id_of(one) == sys_id:
                store.unlog_time(ticket, one, is_save=False)
                return
    raise refuse(404)


def _id_of(log: SimLog) -> str:
    return sys_id_of(TABLE, log.id)

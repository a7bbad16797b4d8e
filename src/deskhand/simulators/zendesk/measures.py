"""What the simulated account counts and sends: metrics, targets, and the mails of its triggers."""

from __future__ import annotations

from typing import Any

from deskhand.simulators.base import SimTicket
from deskhand.simulators.base.rules import SimMail
from deskhand.simulators.zendesk.vocabulary import write_time
from deskhand.simulators.zendesk.wire import number

_WAITING = ("pending", "hold")
_DONE = ("solved", "closed")


def sideloaded(raw: dict[str, Any], ticket: SimTicket, include: str) -> dict[str, Any]:
    """A ticket with what a call asks to have beside it."""
    if "metric_sets" in include:
        raw["metric_set"] = metric_set(ticket)
    if "slas" in include:
        raw["slas"] = {"policy_metrics": _targets(ticket)}
    return raw


def metric_set(ticket: SimTicket) -> dict[str, Any]:
    """The times that tickets themselves do not carry."""
    solved = write_time(ticket.resolved_at) if ticket.resolved_at else None
    answered = ticket.responded_at
    minutes = None if answered is None else int((answered - ticket.created_at).total_seconds() // 60)
    times = {"reply_time_in_minutes": {"calendar": minutes, "business": minutes}}
    return {"ticket_id": int(ticket.id), "solved_at": solved, "created_at": write_time(ticket.created_at), **times}


def notification(ident: int, mail: SimMail, ticket: SimTicket) -> dict[str, Any]:
    """What the audit of a save says of a mail that a trigger sent because of it."""
    source = {"from": {"deleted": False, "id": 360_001, "title": mail.rule}, "to": {}, "rel": "trigger"}
    return {
        "id": ident,
        "type": "Notification",
        "via": {"channel": "rule", "source": source},
        "subject": f"[Request received] {ticket.subject}",
        "body": "Your request has been updated.",
        "recipients": [number(ticket.requester.id)],
    }


def _targets(ticket: SimTicket) -> list[dict[str, Any]]:
    work = "achieved" if ticket.status in _DONE else "paused" if ticket.status in _WAITING else "active"
    stages = {"first_reply_time": "achieved" if ticket.responded_at else "active", "agent_work_time": work}
    due = write_time(ticket.created_at)
    return [{"metric": name, "stage": stage, "breach_at": due} for name, stage in stages.items()]

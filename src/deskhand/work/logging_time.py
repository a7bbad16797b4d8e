"""Time on a ticket, written down as a work log under a grant of its own.

Minutes are measured, not said: the time in which this run was at work, without its waiting for people, up to the work
log. A model that names minutes guesses them. Where somebody approves each work log, that person may say the minutes of
somebody else's work, and that a client is charged for them; of no other work log is a client charged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from deskhand.engine.worked import worked
from deskhand.llm.loop import ToolInputError, call_key
from deskhand.plugins.contract import WorkLog, WriteReceipt
from deskhand.tools.desk import A_DAY, BY_PEOPLE, LOG_TIME
from deskhand.work.hands import DeskHands

_MINUTE = 60
_NOT_SAID = (
    "{told}: only a person who approves a work log says that. Leave it out, and the time that this run has taken is"
    " written down."
)


async def as_asked(hands: DeskHands, args: Mapping[str, Any]) -> dict[str, Any]:
    """A call as a person is asked about it: with what was measured where the model said nothing.

    Args:
        hands: The road to the desk.
        args: Arguments of the call, without its ticket.
    """
    if not hands.needs_approval(LOG_TIME):
        return dict(args)
    seconds, _ = await _measured(hands)
    charge = {"billable": False} if hands.desk.manifest.bills_time else {}
    return {"minutes": _minutes(seconds), **charge, **args}


async def log_time(hands: DeskHands, args: Mapping[str, Any], *, key: str) -> WriteReceipt:
    """Write a work log, once.

    Args:
        hands: The road to the desk.
        args: Arguments of the call, as they were approved where somebody approves them.
        key: Journal key.

    Raises:
        ToolInputError: Minutes or a charge, of which nobody has approved.
    """
    told = sorted(BY_PEOPLE & set(args))
    if told and not hands.needs_approval(LOG_TIME):
        raise ToolInputError(_NOT_SAID.format(told=" and ".join(told)))
    seconds, until = await _measured(hands)
    minutes = int(args.get("minutes") or _minutes(seconds))
    work = WorkLog(
        minutes=minutes,
        text=str(args["text"]),
        started_at=until - timedelta(minutes=minutes),
        billable=bool(args.get("billable", False)),
    )
    shown = {"text": work.text, "minutes": minutes, "billable": work.billable}
    desk = hands.desk

    async def make(ticket_id: str, mark: str) -> WriteReceipt:
        return await desk.log_time(ticket_id, replace(work, mark=mark))

    return await hands.write(LOG_TIME, args.get("ticket_id"), key=key, shown=shown, make=make, look_up=desk.find_time)


def _minutes(seconds: float) -> int:
    # Whole minutes are what every desk takes; a part of one counts as one, or a short run would be none.
    return min(A_DAY, max(1, math.ceil(seconds / _MINUTE)))


async def _measured(hands: DeskHands) -> tuple[float, datetime]:
    """Seconds at work until now; journaled, because a run that is taken up again must write the same minutes."""
    execution = hands.journal.execution

    async def measure() -> Any:
        async with hands.db.tenant_session(execution.tenant_id) as session:
            taken = await worked(session, execution)
        return {"seconds": round(taken.seconds, 3), "until": taken.until.isoformat()}

    raw = await hands.journal.step(
        name="measure_time", key=call_key("measure_time"), kind="compute", input={}, body=measure
    )
    return float(raw["seconds"]), datetime.fromisoformat(raw["until"])

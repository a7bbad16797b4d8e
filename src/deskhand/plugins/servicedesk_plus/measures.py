"""How a request stands beside its fields: first answer, due times, and notifications [K]. Pure but for the calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deskhand.plugins.calls import read_aside
from deskhand.plugins.contract import SentMail, Standing
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError, DeskValidationError
from deskhand.plugins.servicedesk_plus.desk import Requests, path_of
from deskhand.plugins.servicedesk_plus.mapping import read_time
from deskhand.plugins.standing import HALTED, RUNNING, STOPPED

_ON_HOLD = "onhold"


async def read_standing(desk: Requests, ticket_id: str) -> Standing:
    """What the desk shows of a request's times, and the list of its notifications where this build has one.

    Args:
        desk: The requests of the desk.
        ticket_id: Stable id.
    """
    raw = await desk.get(ticket_id)
    try:
        mails = (await desk.all(f"{path_of(ticket_id)}/notifications", "notifications")).rows
    except (DeskNotFoundError, DeskPermissionError, DeskValidationError):
        mails = None
    return await read_aside(_read, raw, mails)


def _read(raw: Mapping[str, Any], mails: Sequence[Mapping[str, Any]] | None) -> Standing:
    tells = "responded_time" in raw
    answered = read_time(raw.get("responded_time"))
    first = answered.isoformat(timespec="seconds") if answered else ""
    clocks = {}
    if raw.get("first_response_due_by_time"):
        clocks["First response"] = STOPPED if answered else RUNNING
    if raw.get("due_by_time"):
        clocks["Resolution"] = _solving(raw)
    return Standing(
        first_response=first if tells else None,
        clocks=clocks or None,
        mails=None if mails is None else tuple(map(_mail, mails)),
    )


def _solving(raw: Mapping[str, Any]) -> str:
    status = raw.get("status") or {}
    if read_time(raw.get("resolved_time")) or read_time(raw.get("completed_time")):
        return STOPPED
    word = str(status.get("internal_name") or status.get("name") or "").replace(" ", "").casefold()
    return HALTED if word == _ON_HOLD else RUNNING


def _mail(row: Mapping[str, Any]) -> SentMail:
    people = row.get("to") or ()
    to = (str(one.get("email_id") or one.get("name") or "") if isinstance(one, Mapping) else str(one) for one in people)
    return SentMail(id=str(row.get("id")), to=tuple(filter(None, to)), rule=str(row.get("subject") or ""))

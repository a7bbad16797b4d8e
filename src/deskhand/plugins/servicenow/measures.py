"""How a record stands beside its fields: its SLAs and its mails, two tables [K]. Pure but for the calls."""

from __future__ import annotations

from deskhand.plugins.contract import SentMail, Standing
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError, DeskValidationError
from deskhand.plugins.servicenow.client import ServiceNowClient
from deskhand.plugins.servicenow.query import Query, Row, Term, display_of, value_of, where
from deskhand.plugins.standing import HALTED, RUNNING, STOPPED

_STAGES = {"in_progress": RUNNING, "paused": HALTED, "completed": STOPPED, "achieved": STOPPED, "cancelled": STOPPED}
_TARGETS = ("sys_id", "task", "sla", "sla.target", "stage", "end_time")
_MAILS = ("sys_id", "instance", "type", "recipients", "subject")


async def read_standing(client: ServiceNowClient, sys_id: str) -> Standing:
    """What the instance lets this account see of a record's SLAs and mails.

    Args:
        client: The wire.
        sys_id: Of the record.
    """
    targets = await _rows(client, "task_sla", where(Term("task", "=", sys_id)), _TARGETS)
    mails = await _rows(client, "sys_email", where(Term("instance", "=", sys_id)), _MAILS)
    return Standing(
        first_response=None if targets is None else _first_response(targets),
        clocks=None if targets is None else {display_of(row, "sla"): _clock(row) for row in targets},
        mails=None if mails is None else tuple(_mail(row) for row in mails if value_of(row, "type").startswith("sen")),
    )


async def _rows(client: ServiceNowClient, table: str, query: Query, fields: tuple[str, ...]) -> list[Row] | None:
    try:
        rows = (await client.all(table, query, fields)).rows
        # Access control answers as an empty table does: an account that is shown no row at all tells nothing.
        if rows or (await client.page(table, Query(), ("sys_id",), limit=1)).rows:
            return list(rows)
    except (DeskPermissionError, DeskNotFoundError, DeskValidationError):
        return None
    return None


def _first_response(targets: list[Row]) -> str | None:
    row = next((row for row in targets if value_of(row, "sla.target") == "response"), None)
    if row is None:
        return None
    return (value_of(row, "end_time") or "yes") if _clock(row) == STOPPED else ""


def _clock(row: Row) -> str:
    stage = value_of(row, "stage")
    return _STAGES.get(stage, stage)


def _mail(row: Row) -> SentMail:
    to = (one.strip() for one in value_of(row, "recipients").split(","))
    return SentMail(id=value_of(row, "sys_id"), to=tuple(filter(None, to)), rule=value_of(row, "subject"))

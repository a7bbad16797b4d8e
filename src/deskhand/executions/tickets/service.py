"""Tickets: which ones were worked on, and everything that was done to one.

A ticket is asked for by its id or its number, which are two names of one thing (decision 16). Ids win: on a desk where
both are digits, one ticket's number may be another one's id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.approvals.schemas import ApprovalView
from deskhand.approvals.service import approvals_of_runs
from deskhand.engine.status import StepState
from deskhand.errors import NotFoundError
from deskhand.executions.records import without_credentials
from deskhand.executions.redaction import redact
from deskhand.executions.repository import list_by_id
from deskhand.executions.service import read_undo
from deskhand.executions.tickets import repository
from deskhand.executions.tickets.reading import read_notes, read_questions, read_writes
from deskhand.executions.tickets.schemas import (
    RUNS_SHOWN,
    LookUp,
    TicketCompany,
    TicketDelivery,
    TicketDetail,
    TicketFilters,
    TicketOutcome,
    TicketRun,
    TicketSummary,
)
from deskhand.intake.tickets import About, deliveries_about
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.knowledge.models import TicketHistory
from deskhand.knowledge.verdicts.schemas import VerdictView
from deskhand.knowledge.verdicts.service import of_notes
from deskhand.storms.service import storm_of

MOST_DELIVERIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketNames:
    """What one ticket is known by.

    Attributes:
        ticket_id: The desk's own id.
        number: What people call it, as far as anybody knows.
        subject: As it was imported.
        namesake: Id of another ticket that has this one's id as its number.
    """

    tool_type: str
    ticket_id: str
    number: str | None = None
    subject: str | None = None
    namesake: str | None = None

    @property
    def both(self) -> frozenset[str]:
        """The names under which what was done to it is kept."""
        has_one = self.number is None or _alike(self.ticket_id, self.number)
        return frozenset({self.ticket_id} if has_one else {self.ticket_id, self.number or ""})


async def list_tickets(
    session: AsyncSession, filters: TicketFilters, *, limit: int, cursor: str | None = None
) -> Page[TicketSummary]:
    """Tickets that runs were started for, those with the newest runs first.

    Args:
        session: A tenant session.
        filters: Which ones.
        limit: Rows on a page.
        cursor: ``next_cursor`` of the page before.

    Raises:
        NotFoundError: The cursor is not one of this list.
    """
    after = decode_cursor(cursor, datetime, UUID)
    position = None if after is None else (after[0], after[1])
    stripped = filters.model_copy(update={"q": (filters.q or "").strip().removeprefix("#") or None})
    rows = await repository.list_tickets(session, stripped, after=position, limit=limit + 1)
    return cut_page([_summary(row) for row in rows], limit, lambda one: (one.last_at, one.execution_id))


async def get_ticket(session: AsyncSession, tool_type: str, ref: str, *, cursor: str | None = None) -> TicketDetail:
    """Everything that the runs of one page did to a ticket, the newest runs first.

    Args:
        session: A tenant session.
        tool_type: Its desk.
        ref: Its id or its number.
        cursor: ``next_cursor`` of the page before.

    Raises:
        NotFoundError: Nothing was done to such a ticket, or it belongs to another tenant.
    """
    after = decode_cursor(cursor, datetime, UUID)
    position = None if after is None else (after[0], after[1])
    names = await _find_names(session, tool_type, ref)
    ids = await repository.list_runs(session, tool_type, names.both, after=position, limit=RUNS_SHOWN + 1)
    rows = await list_by_id(session, ids)
    page = cut_page(rows, RUNS_SHOWN, lambda row: (row["queued_at"], row["id"]))
    shown = [row["id"] for row in page.items]
    steps = await repository.list_writes(session, tool_type, names.both, shown)
    runs = await _runs(session, page.items, steps, names)
    about = About(
        tool_type=tool_type,
        names=names.both,
        runs=[run.id for run in runs if run.is_own],
        since=runs[-1].queued_at if runs and page.next_cursor else None,
        until=position[0] if position else None,
    )
    deliveries = await deliveries_about(session, about, limit=MOST_DELIVERIES)
    if not runs and not deliveries:
        raise NotFoundError(f"Nothing is known of a ticket '{ref}' of the desk '{tool_type}'.")
    said = await of_notes(session, shown)
    verdicts = {run: [VerdictView.model_validate(one) for one in given] for run, given in said.items()}
    return TicketDetail.model_validate(
        {
            **await _face(session, names, rows),
            "namesake": names.namesake,
            "storm": await storm_of(session, tool_type, names.both),
            "runs": runs,
            "next_cursor": page.next_cursor,
            "deliveries": [TicketDelivery(**one.model_dump(), agent_name=agent) for one, agent in deliveries],
            "notes": read_notes(steps, verdicts),
            "writes": read_writes(steps),
            "questions": read_questions(steps),
            "approvals": await _approvals(session, runs, names),
            "cost_usd": sum((run.cost_usd or Decimal(0) for run in runs), Decimal(0)),
            "unpriced": sum(run.cost_usd is None and bool(run.tokens) for run in runs),
        }
    )


async def _find_names(session: AsyncSession, tool_type: str, ref: str) -> TicketNames:
    imported = await repository.imported_as(session, tool_type, ref)
    numbered = next((one for one in imported if one.ticket_id == ref and one.desk_id not in (None, ref)), None)
    identified = next((one for one in imported if one.desk_id == ref or one.desk_id is None), None)
    if await repository.has_runs(session, tool_type, ref):
        return await _names_of_id(session, tool_type, ref, numbered=numbered, identified=identified)
    if numbered is not None and numbered.desk_id is not None:
        return TicketNames(tool_type=tool_type, ticket_id=numbered.desk_id, number=ref, subject=numbered.subject)
    found = await repository.find_by_number(session, tool_type, ref)
    return TicketNames(
        tool_type=tool_type,
        ticket_id=found or ref,
        number=ref if found else identified.ticket_id if identified else None,
        subject=identified.subject if identified else None,
    )


async def _names_of_id(
    session: AsyncSession,
    tool_type: str,
    ref: str,
    *,
    numbered: TicketHistory | None,
    identified: TicketHistory | None,
) -> TicketNames:
    """The names of a ticket that runs were started for under this one; it may be its number all the same."""
    read = await repository.read_face(session, tool_type, [ref])
    # A run that somebody started by a ticket's number has it where the others have the id.
    same = numbered if numbered and not _alike(numbered.desk_id, ref) else None
    ticket_id = str((read and read["read_id"]) or (same and same.desk_id) or ref)
    known = same or identified
    other = numbered.desk_id if numbered and same is None else None
    return TicketNames(
        tool_type=tool_type,
        ticket_id=ticket_id,
        number=(read and read["number"]) or (known.ticket_id if known else None),
        subject=known.subject if known else None,
        namesake=other if other != ticket_id else None,
    )


def _alike(ticket_id: str | None, number: str | None) -> bool:
    """Whether a desk's ids look like its numbers, so that what stands under the one says nothing of the other."""
    return ticket_id is not None and number is not None and ticket_id.isdigit() and number.isdigit()


async def _face(session: AsyncSession, names: TicketNames, rows: Sequence[RowMapping]) -> dict[str, Any]:
    """What the ticket is called: as a run read it, else as its event or an import has it."""
    read = await repository.read_face(session, names.tool_type, names.both)
    told = [row["subject"] for row in rows if row["subject"] and row["ticket_ref"] in names.both]
    subject = (read and read["read_subject"]) or next(iter(told), None) or names.subject
    url = read and read["url"]
    return {
        "tool_type": names.tool_type,
        "ticket_id": names.ticket_id,
        "number": (read and read["number"]) or names.number,
        "subject": redact(subject),
        "company": _company(read) if read else None,
        # A desk's address goes into a link, and a desk is not trusted with what a link may do.
        "url": url if url and url.startswith(("https://", "http://")) else None,
    }


async def _runs(
    session: AsyncSession, rows: Sequence[RowMapping], steps: Sequence[RowMapping], names: TicketNames
) -> list[TicketRun]:
    ids = [row["id"] for row in rows]
    results = {row["id"]: row for row in await repository.list_results(session, ids)}
    looked_up: dict[UUID, list[LookUp]] = defaultdict(list)
    for read in await repository.list_reads(session, ids):
        looked_up[read["execution_id"]].append(LookUp(name=read["name"], times=read["times"]))
    wrote = {step["execution_id"] for step in steps if step["kind"] == "write" and step["state"] == StepState.FINISHED}
    runs = []
    for row in rows:
        result: Mapping[str, Any] = redact(results[row["id"]]["output_result"]) or {}
        run = TicketRun.model_validate(
            {
                **without_credentials(row),
                "is_own": row["tool_type"] == names.tool_type and row["ticket_ref"] in names.both,
                "read": result.get("read") or [],
                "looked_up": looked_up[row["id"]],
                "why_nothing": _why_nothing(result),
                "undo": read_undo(results[row["id"]]),
                "can_undo": False,
            }
        )
        can_undo = run.status.is_final and run.mode == "live" and run.id in wrote
        runs.append(run.model_copy(update={"can_undo": can_undo}))
    return runs


def _why_nothing(result: Mapping[str, Any]) -> str | None:
    if result.get("same_as"):
        return "The ticket already had a note that says the same."
    refused = [f"{one['operation']}: {one['why']}" for one in result.get("not_approved") or []]
    return result.get("not_written") or "; ".join(refused) or None


async def _approvals(session: AsyncSession, runs: Sequence[TicketRun], names: TicketNames) -> list[ApprovalView]:
    """Calls about the ticket, and of its own runs those about none, such as a mail."""
    own = {run.id for run in runs if run.is_own}
    return [
        one
        for one in await approvals_of_runs(session, [run.id for run in runs])
        if (one.ticket.id in names.both if one.ticket else one.execution_id in own)
    ]


def _summary(row: RowMapping) -> TicketSummary:
    waits = row["outcome"] in (TicketOutcome.WAITING, TicketOutcome.FAILED)
    return TicketSummary.model_validate(
        {
            **dict(row),
            "subject": redact(row["read_subject"] or row["event_subject"]),
            "company": _company(row),
            "error_message": redact(row["error_message"]) if waits else None,
        }
    )


def _company(row: RowMapping) -> TicketCompany | None:
    if not row["company_id"]:
        return None
    return TicketCompany(id=row["company_id"], name=row["company_name"] or row["company_id"])

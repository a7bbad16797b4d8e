"""Imports: resolved tickets, articles and systems, from files or straight from a desk.

An import can be repeated and cut off: what is stored is only compared, and nothing is ever there twice (``batches``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import stamina

from deskhand.errors import NotFoundError
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import repository
from deskhand.knowledge.audience import is_hidden
from deskhand.knowledge.batches import BATCH_SIZE, Import, ImportStoppedError, Kind, OnError, Progress
from deskhand.knowledge.boundaries import boundaries_of, sift
from deskhand.knowledge.embedding import Embedder, article_text, ticket_text
from deskhand.knowledge.exports import ExportRow
from deskhand.knowledge.exports.articles import read_articles
from deskhand.knowledge.exports.columns import (
    ARTICLE_VOCABULARY,
    SYSTEM_VOCABULARY,
    TICKET_VOCABULARY,
)
from deskhand.knowledge.exports.dates import DateOrder
from deskhand.knowledge.exports.files import opened_rows
from deskhand.knowledge.exports.spool import spooled
from deskhand.knowledge.exports.survey import survey
from deskhand.knowledge.exports.tickets import TicketFields, ticket_fields
from deskhand.knowledge.identity import DESK_SOURCE
from deskhand.knowledge.listing import ListingWatch
from deskhand.knowledge.schemas import ArticleIn, DeskTicketRow, ImportReport, SystemRow, TicketRow
from deskhand.knowledge.solutions import is_solution
from deskhand.plugins.contract import Ticket, TicketingToolPlugin, TicketPage
from deskhand.plugins.errors import DeskError
from deskhand.tenants.boundaries import Effect

_DESK_ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class CompanyOf:
    """Whose the rows of a file are that do not say so themselves.

    Attributes:
        name: Id of a company, or its name.
        shared: They help tickets of every company.
    """

    company_id: str | None = None
    name: str | None = None
    shared: bool = False


NOBODYS = CompanyOf()


def of_company(row: Mapping[str, Any], company: CompanyOf, *, desk: str | None = None) -> dict[str, Any]:
    """A row with its company: its own word first, then what the caller says of the whole file.

    Args:
        row: Fields by our own names.
        company: Of rows that name none.
        desk: The desk whose company it is, where the row does not say.
    """
    fields = dict(row)
    if not any(fields.get(name) for name in ("company_id", "company_name", "shared", "client")):
        said = {"company_id": company.company_id, "company_name": company.name, "shared": company.shared or None}
        fields |= {name: value for name, value in said.items() if value is not None}
    if desk and any(fields.get(name) for name in ("company_id", "company_name", "client")):
        fields.setdefault("tool_type", desk)
    return fields


_TICKETS = Kind(
    model=TicketRow,
    values=lambda row: row.model_dump(),
    compared=repository.TICKET_FIELDS,
    keeps=True,
    text=lambda row: ticket_text(row["subject"], row["description"], row["resolution"]),
    settle=repository.settle_tickets,
    write=repository.write_tickets,
)
# A desk's own listing also says when the desk listed a ticket; the next import resumes from that instant.
DESK_TICKETS = replace(_TICKETS, model=DeskTicketRow, compared=(*repository.TICKET_FIELDS, "listed_at", "opened_at"))
ARTICLES = Kind(
    model=ArticleIn,
    values=lambda row: row.model_dump(),
    compared=repository.ARTICLE_FIELDS,
    keeps=False,
    text=lambda row: article_text(row["title"], row["body"]),
    settle=repository.settle_articles,
    write=repository.write_articles,
    hidden=is_hidden,
)
_SYSTEMS = Kind(
    model=SystemRow,
    values=lambda row: {
        **row.model_dump(include={"hostname", "ip_address", "role", "client", "location", *repository.OF_COMPANY}),
        "attributes": row.attributes(),
    },
    compared=repository.SYSTEM_FIELDS,
    keeps=False,
    text=None,
    settle=repository.settle_systems,
    write=repository.write_systems,
)


async def import_tickets(
    db: Database,
    tenant_id: str,
    path: Path,
    *,
    tool_type: str | None = None,
    source: str | None = None,
    columns: Mapping[str, str] | None = None,
    company: CompanyOf = NOBODYS,
    dates: DateOrder | None = None,
    on_error: OnError = "stop",
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import resolved tickets from a file of JSON or a table.

    The file is looked through first: what is wrong with it as a whole is said before anything is stored or a model
    is loaded.

    Args:
        db: As ``deskhand_app``; every batch is a transaction of its own.
        tenant_id: Whose history.
        path: The file; the four desks' own exports are understood.
        tool_type: Desk of rows that do not name one; None for the tenant's own.
        source: Origin of rows that do not name one; None for ``import``.
        columns: What the file calls a field, where it is none of the names that are known.
        company: Whose the rows are that name no company.
        dates: What ``03/04/2026`` means where the file's own dates do not tell.
        on_error: Stop at the first refused row, or leave it out, count it and go on.
        embedder: None for the installation's own.
        progress: Called after every batch with the report so far.

    Raises:
        NotFoundError: There is no such tenant.
        ImportStoppedError: A row was refused and ``on_error`` is ``stop``.
        UnreadableFileError: The file is not what its name says, is empty, or lacks a column.
    """
    vocabulary = TICKET_VOCABULARY.with_names(columns or {})
    defaults = {"tool_type": tool_type or await _default_desk(db, tenant_id)}
    if source is not None:
        defaults["source"] = source
    with opened_rows(path, vocabulary) as file:
        overview = survey(path.name, file.rows(), vocabulary)
        # The file as a whole shows the order of day and month: one date with a 13 in it settles all the others.
        order = dates or overview.order
        importing = Import(
            db, tenant_id, _TICKETS, on_error=on_error, embedder=embedder, progress=progress,
            prepare=lambda row: TicketFields(
                of_company(ticket_fields({**defaults, **row}, vocabulary=vocabulary, order=order), company)
            ),
            why_not=await _kept_out(db, tenant_id),
        )  # fmt: skip
        importing.report.ignored_columns = list(overview.ignored)
        importing.report.proposed_columns = dict(overview.proposed)
        importing.report.unread_sheets = list(file.unread_sheets)
        return await importing.run(file.rows())


async def import_articles(
    db: Database,
    tenant_id: str,
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    company: CompanyOf = NOBODYS,
    on_error: OnError = "stop",
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import articles from a file or a directory: Markdown, JSON, tables, and HTML, Word and PDF turned into Markdown.

    Args:
        db: As ``deskhand_app``.
        tenant_id: Whose articles.
        path: File or directory.
        columns: What tables call a field, where it is none of the names that are known.
        company: Whose the rows are that name no company.
        on_error: As ``import_tickets``.
        embedder: None for the installation's own.
        progress: Called after every batch.

    Raises:
        NotFoundError: There is no such tenant.
        ImportStoppedError: A row was refused and ``on_error`` is ``stop``.
        UnreadableFileError: A file is not what its name says, is empty, or lacks a column.
    """
    vocabulary = ARTICLE_VOCABULARY.with_names(columns or {})
    desk = await _default_desk(db, tenant_id)
    importing = Import(
        db, tenant_id, ARTICLES, on_error=on_error, embedder=embedder, progress=progress,
        prepare=lambda row: of_company(row, company, desk=desk), why_not=await _kept_out(db, tenant_id, Effect.SILENCE),
    )  # fmt: skip
    with spooled(read_articles(path, vocabulary)) as articles:
        survey(path.name, articles(), vocabulary)
        return await importing.run(articles())


async def import_systems(
    db: Database,
    tenant_id: str,
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    company: CompanyOf = NOBODYS,
    on_error: OnError = "stop",
    progress: Progress | None = None,
) -> ImportReport:
    """Import the system inventory from a file of JSON or a table; see ``schemas.SystemRow``.

    Args:
        db: As ``deskhand_app``.
        tenant_id: Whose systems.
        path: The file.
        columns: What the file calls a field, where it is none of the names that are known.
        company: Whose the rows are that name no company.
        on_error: As ``import_tickets``.
        progress: Called after every batch.

    Raises:
        NotFoundError: There is no such tenant.
        ImportStoppedError: A row was refused and ``on_error`` is ``stop``.
        UnreadableFileError: The file is not what its name says, is empty, or lacks a column.
    """
    vocabulary = SYSTEM_VOCABULARY.with_names(columns or {})
    desk = await _default_desk(db, tenant_id)
    importing = Import(
        db, tenant_id, _SYSTEMS, on_error=on_error, progress=progress,
        prepare=lambda row: of_company(vocabulary.under_own_names(row), company, desk=desk),
        why_not=await _kept_out(db, tenant_id, Effect.SILENCE),
    )  # fmt: skip
    with opened_rows(path, vocabulary) as file:
        overview = survey(path.name, file.rows(), vocabulary)
        importing.report.proposed_columns = dict(overview.proposed)
        importing.report.unread_sheets = list(file.unread_sheets)
        return await importing.run(file.rows())


async def _kept_out(db: Database, tenant_id: str, *effects: Effect) -> Callable[[dict[str, Any]], str | None]:
    """Why a row of a file is left out; what it does not say leaves a rule open, as nobody can be asked."""
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        boundaries = await boundaries_of(session)

    def why_not(row: dict[str, Any]) -> str | None:
        decision = boundaries.decide(boundaries.of_row(row), *effects, openly=True)
        return None if decision is None else f"left out: the tenant's rule '{decision.rule.name}' is about it"

    return why_not


async def _default_desk(db: Database, tenant_id: str) -> str:
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        tool_type = await repository.default_desk(session)
    if tool_type is None:
        raise NotFoundError(f"There is no tenant {tenant_id!r}.")
    return tool_type


async def import_from_desk(
    db: Database,
    tenant_id: str,
    desk: TicketingToolPlugin,
    *,
    since: datetime,
    solved_since: datetime | None = None,
    cursor: str | None = None,
    page_size: int = 100,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import resolved tickets straight from a desk, page by page, oldest first.

    A rate limit or an outage is waited out (``Retry-After`` obeyed, else backing off, six tries a page). A ticket that
    was deleted meanwhile, is forbidden or malformed is one refused ticket. A listing without an end is left, and
    ``report.ended_early`` says why.

    Args:
        db: As ``deskhand_app``.
        tenant_id: Whose history; the desk must be this tenant's.
        desk: An open connection.
        since: Where to begin on the desk's own clock. ``resume_point`` gives the one to go on from.
        solved_since: Leave out tickets that were solved before.
        cursor: ``report.cursor`` of an import that was cut off, where the desk's cursors outlive a session.
        page_size: Tickets per call.
        embedder: None for the installation's own.
        progress: Called after every page; ``report.cursor`` then says where to go on.

    Raises:
        DeskError: The desk refused, or was still failing at the last try; the pages before are stored.
    """
    # Never "stop": one malformed ticket among ten thousand must not keep the desk's history out for good.
    importing = Import(db, tenant_id, DESK_TICKETS, on_error="continue", embedder=embedder, progress=progress)
    report, watch = importing.report, ListingWatch()
    report.cursor = cursor
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        boundaries = await boundaries_of(session)
    while True:
        async for attempt in stamina.retry_context(on=_wait_for_desk, attempts=_DESK_ATTEMPTS, timeout=None):
            with attempt:
                page = await desk.list_history(since, cursor=report.cursor, page_size=page_size)
                kept = (await sift(boundaries, desk, page)).page
        # Set before the page is stored, and shown to the caller only afterwards (progress): a crash in between repeats
        # the page.
        report.cursor = page.next_cursor
        report.ended_early = watch.why_stop(page)
        await importing.run(rows_of(kept, solved_since))
        if page.next_cursor is None or report.ended_early:
            return report


async def resume_point(db: Database, tenant_id: str, tool_type: str) -> datetime | None:
    """The ``since`` to go on from: the latest place in this desk's listing that is stored; None before the first.

    A desk lists its history oldest first on one clock, so everything before that instant is stored.
    """
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        return await repository.newest_listing(session, tool_type)


async def count_tickets(db: Database, tenant_id: str) -> int:
    """How many resolved tickets the tenant's history has."""
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        return await repository.count_tickets(session)


def _wait_for_desk(error: Exception) -> bool | float:
    if not isinstance(error, DeskError) or not error.retryable:
        return False
    # stamina waits exactly as long as the desk asks for, where it says so, and backs off by itself otherwise.
    return True if error.retry_after is None else error.retry_after


def rows_of(page: TicketPage, solved_since: datetime | None = None) -> list[ExportRow]:
    """Rows of a page of a desk's history: its tickets, and those that could not be read."""
    wanted = [
        ticket
        for ticket in page.tickets
        # A ticket without the time of its solution is kept: the desk says that it is solved, only not when.
        if solved_since is None or ticket.resolved_at is None or ticket.resolved_at >= solved_since
    ]
    return [
        *(ExportRow(f"ticket {one.ref}", None, one.reason) for one in page.skipped),
        *(ExportRow(f"ticket {ticket.display_id}", _desk_fields(ticket)) for ticket in wanted),
    ]


def _desk_fields(ticket: Ticket) -> TicketFields:
    fields = {
        "tool_type": ticket.tool_type,
        "ticket_id": ticket.display_id,
        # One name is enough where both are the same; the columns must not say twice what identity.py then compares.
        "desk_id": ticket.id if ticket.id != ticket.display_id else None,
        "subject": ticket.subject,
        "description": ticket.description,
        # A word that says only that it is over answers nobody; the ticket still votes for its category.
        "resolution": ticket.resolution if is_solution(ticket.resolution) else None,
        "category": ticket.category,
        "priority": ticket.priority or ticket.vendor_priority,
        "url": ticket.url,
        "tags": list(ticket.tags),
        "resolved_date": ticket.resolved_at or ticket.updated_at,
        "listed_at": ticket.listed_at,
        "opened_at": ticket.created_at,
        "company_id": ticket.company.id if ticket.company else None,
        "company_name": ticket.company.name if ticket.company else None,
        "source": DESK_SOURCE,
    }
    # What the desk did not say is left out, so that it does not delete what an earlier import brought (Kind.keeps).
    return TicketFields({name: value for name, value in fields.items() if value is not None})


__all__ = [
    "BATCH_SIZE",
    "DESK_TICKETS",
    "NOBODYS",
    "CompanyOf",
    "ImportReport",
    "ImportStoppedError",
    "count_tickets",
    "import_articles",
    "import_from_desk",
    "import_systems",
    "import_tickets",
    "resume_point",
    "rows_of",
]

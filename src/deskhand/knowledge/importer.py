"""Imports: resolved tickets, articles and systems, from files or straight from a desk.

An import is an upsert in batches, each batch one transaction. Nothing else remembers how far it came: what is
stored is the checkpoint. Run again after a crash, a row that is stored unchanged is only compared (no model, no
write), so the import is soon where it was, and no row is ever there twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import stamina
from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.kit.db.session import Database
from deskhand.knowledge import repository
from deskhand.knowledge.embedding import Embedder, article_text, embed_texts, load_embedder, ticket_text
from deskhand.knowledge.readers import RawRow, read_articles, read_rows
from deskhand.knowledge.schemas import ArticleIn, ImportProblem, ImportReport, SystemRow, TicketRow
from deskhand.plugins.contract import Ticket, TicketingToolPlugin
from deskhand.plugins.errors import DeskError

Row = TypeVar("Row", bound=BaseModel)
Progress = Callable[[ImportReport], None]
OnError = Literal["stop", "continue"]

BATCH_SIZE = 50
KEPT_PROBLEMS = 100
DESK_SOURCE = "desk"
_DESK_ATTEMPTS = 6


class ImportStoppedError(InvalidInputError):
    """A row was refused and the import was not to go on; what came before it is stored.

    Args:
        problem: The refused row.
        report: What was done until then.
    """

    code = "import-stopped"
    title = "Import stopped"

    def __init__(self, problem: ImportProblem, report: ImportReport) -> None:
        super().__init__(
            f"{problem}. {report.done - report.failed} rows before it are stored; mend it and run the import again.",
            errors=[FieldProblem(pointer=f"/{problem.field}" if problem.field else "", detail=problem.detail)],
        )
        self.problem = problem
        self.report = report


@dataclass(frozen=True)
class _Kind(Generic[Row]):
    """How one kind of row is stored.

    Attributes:
        key: Identity of a row within the tenant.
        values: Columns of a row besides tenant and embedding.
        compared: Columns that make a stored row differ.
        text: What is embedded; None where nothing is.
        stored: Reads what is there under some keys.
        upsert: Writes rows.
    """

    model: type[Row]
    key: Callable[[Row], Any]
    values: Callable[[Row], dict[str, Any]]
    compared: Sequence[str]
    text: Callable[[dict[str, Any]], str] | None
    stored: Callable[[AsyncSession, Sequence[Any]], Awaitable[dict[Any, dict[str, Any]]]]
    upsert: Callable[[AsyncSession, Sequence[dict[str, Any]]], Awaitable[None]]


_TICKETS = _Kind(
    model=TicketRow,
    key=lambda row: (row.tool_type, row.ticket_id),
    values=lambda row: row.model_dump(),
    compared=repository.TICKET_FIELDS,
    text=lambda row: ticket_text(row["subject"], row["description"], row["resolution"]),
    stored=repository.stored_tickets,
    upsert=repository.upsert_tickets,
)
_ARTICLES = _Kind(
    model=ArticleIn,
    key=lambda row: row.article_id,
    values=lambda row: row.model_dump(),
    compared=repository.ARTICLE_FIELDS,
    text=lambda row: article_text(row["title"], row["body"]),
    stored=repository.stored_articles,
    upsert=repository.upsert_articles,
)
_SYSTEMS = _Kind(
    model=SystemRow,
    key=lambda row: row.hostname,
    values=lambda row: {
        **row.model_dump(include={"hostname", "ip_address", "role", "client", "location"}),
        "attributes": row.attributes(),
    },
    compared=repository.SYSTEM_FIELDS,
    text=None,
    stored=repository.stored_systems,
    upsert=repository.upsert_systems,
)


async def import_tickets(
    db: Database,
    tenant_id: str,
    path: Path,
    *,
    tool_type: str | None = None,
    source: str | None = None,
    on_error: OnError = "stop",
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import resolved tickets from a ``.json``, ``.jsonl`` or ``.csv`` file.

    Args:
        db: As ``deskhand_app``; every batch is a transaction of its own.
        tenant_id: Whose history.
        path: The file; ServiceNow's own field names are understood as well as ours.
        tool_type: Desk of rows that do not name one; None for ``servicedesk_plus``.
        source: Origin of rows that do not name one; None for ``import``.
        on_error: Stop at the first refused row, or leave it out, count it and go on.
        embedder: None for the installation's own.
        progress: Called after every batch with the report so far.

    Raises:
        ImportStoppedError: A row was refused and ``on_error`` is ``stop``.
        UnreadableFileError: The file is not what its name says.
    """
    given = {"tool_type": tool_type, "source": source}
    defaults = {key: value for key, value in given.items() if value is not None}
    importing = _Import(db, tenant_id, _TICKETS, on_error=on_error, embedder=embedder, progress=progress)
    return await importing.run(read_rows(path), defaults)


async def import_articles(
    db: Database,
    tenant_id: str,
    path: Path,
    *,
    on_error: OnError = "stop",
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import articles from a file or a directory: Markdown, HTML (turned into Markdown), JSON, JSON Lines, CSV.

    Args:
        db: As ``deskhand_app``.
        tenant_id: Whose articles.
        path: File or directory.
        on_error: As ``import_tickets``.
        embedder: None for the installation's own.
        progress: Called after every batch.

    Raises:
        ImportStoppedError: A row was refused and ``on_error`` is ``stop``.
        UnreadableFileError: A file is not what its name says.
    """
    importing = _Import(db, tenant_id, _ARTICLES, on_error=on_error, embedder=embedder, progress=progress)
    return await importing.run(read_articles(path), {})


async def import_systems(
    db: Database, tenant_id: str, path: Path, *, on_error: OnError = "stop", progress: Progress | None = None
) -> ImportReport:
    """Import the system inventory from ``.csv``, ``.json`` or ``.jsonl``; see ``schemas.SystemRow``.

    Raises:
        ImportStoppedError: A row was refused and ``on_error`` is ``stop``.
        UnreadableFileError: The file is not what its name says.
    """
    importing = _Import(db, tenant_id, _SYSTEMS, on_error=on_error, progress=progress)
    return await importing.run(read_rows(path), {})


async def import_from_desk(
    db: Database,
    tenant_id: str,
    desk: TicketingToolPlugin,
    *,
    since: datetime,
    cursor: str | None = None,
    page_size: int = 100,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import resolved tickets straight from a desk, page by page, oldest first.

    A rate limit or an outage is waited out (``Retry-After`` obeyed, else backing off, six tries a page).

    Args:
        db: As ``deskhand_app``.
        tenant_id: Whose history; the desk must be this tenant's.
        desk: An open connection.
        since: Tickets resolved at or after this instant. ``resume_point`` gives the one to go on from.
        cursor: ``report.cursor`` of an import that was cut off, where the desk's cursors outlive a session.
        page_size: Tickets per call.
        embedder: None for the installation's own.
        progress: Called after every page; ``report.cursor`` then says where to go on.

    Raises:
        DeskError: The desk refused, or was still failing at the last try; the pages before are stored.
    """
    importing = _Import(db, tenant_id, _TICKETS, on_error="continue", embedder=embedder, progress=progress)
    report = importing.report
    report.cursor = cursor
    while True:
        async for attempt in stamina.retry_context(on=_wait_for_desk, attempts=_DESK_ATTEMPTS, timeout=None):
            with attempt:
                page = await desk.list_history(since, cursor=report.cursor, page_size=page_size)
        report.cursor = page.next_cursor
        await importing.run([RawRow(f"ticket {one.display_id}", _desk_fields(one)) for one in page.tickets], {})
        if page.next_cursor is None:
            return report


async def resume_point(db: Database, tenant_id: str, tool_type: str) -> datetime | None:
    """When the newest ticket imported from this desk was resolved: the ``since`` to go on from; None before the first.

    A desk lists its history oldest first, so everything before that instant is stored.
    """
    async with db.tenant_session(tenant_id) as session:
        return await repository.newest_resolution(session, tool_type, DESK_SOURCE)


def _wait_for_desk(error: Exception) -> bool | float:
    if not isinstance(error, DeskError) or not error.retryable:
        return False
    return True if error.retry_after is None else error.retry_after


def _desk_fields(ticket: Ticket) -> dict[str, Any]:
    return {
        "tool_type": ticket.tool_type,
        "ticket_id": ticket.id,
        "subject": ticket.subject,
        "description": ticket.description,
        "resolution": ticket.resolution,
        "category": ticket.category,
        "priority": ticket.priority or ticket.vendor_priority,
        "url": ticket.url,
        "tags": list(ticket.tags),
        "resolved_date": ticket.resolved_at or ticket.updated_at,
        "source": DESK_SOURCE,
    }


class _Import(Generic[Row]):
    """One import under way."""

    def __init__(
        self,
        db: Database,
        tenant_id: str,
        kind: _Kind[Row],
        *,
        on_error: OnError,
        embedder: Embedder | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._db = db
        self._tenant_id = tenant_id
        self._kind = kind
        self._on_error = on_error
        self._embedder = embedder or load_embedder()
        self._progress = progress
        self.report = ImportReport()

    async def run(self, rows: Iterable[RawRow], defaults: dict[str, str]) -> ImportReport:
        """Validate and store all rows, a batch at a time."""
        batch: list[Row] = []
        for raw in rows:
            checked = self._check(raw, defaults)
            if isinstance(checked, ImportProblem):
                await self._refuse(checked, batch)
            else:
                batch.append(checked)
            if len(batch) >= BATCH_SIZE:
                await self._flush(batch, raw.fraction or None)
        await self._flush(batch, None if self.report.fraction is None else 1.0)
        return self.report

    def _check(self, raw: RawRow, defaults: dict[str, str]) -> Row | ImportProblem:
        if raw.data is None:
            return ImportProblem(raw.where, "", raw.error)
        try:
            return self._kind.model.model_validate({**defaults, **raw.data})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            return ImportProblem(raw.where, name, first["msg"].removeprefix("Value error, "))

    async def _refuse(self, problem: ImportProblem, batch: list[Row]) -> None:
        if self._on_error == "stop":
            await self._flush(batch, self.report.fraction)
            self.report.failed += 1
            self.report.problems.append(problem)
            raise ImportStoppedError(problem, self.report)
        self.report.failed += 1
        if len(self.report.problems) < KEPT_PROBLEMS:
            self.report.problems.append(problem)

    async def _flush(self, batch: list[Row], fraction: float | None) -> None:
        self.report.fraction = fraction
        if batch:
            await self._store(batch)
            batch.clear()
        if self._progress is not None:
            self._progress(self.report)

    async def _store(self, batch: Sequence[Row]) -> None:
        kind, report = self._kind, self.report
        # Of two rows with one key, the later counts; one statement may not touch a row twice.
        rows = {kind.key(row): kind.values(row) for row in batch}
        async with self._db.tenant_session(self._tenant_id) as session:
            stored = await kind.stored(session, list(rows))
        changed = {key: row for key, row in rows.items() if self._differs(row, stored.get(key))}
        restated = {key: row for key, row in changed.items() if self._needs_vector(row, stored.get(key))}
        # The model runs between the two transactions, so that none is held open for seconds.
        vectors = await self._vectors(list(restated.values()))
        kept = [self._owned(row) for key, row in changed.items() if key not in restated]
        async with self._db.tenant_session(self._tenant_id) as session:
            await kind.upsert(
                session, [{**self._owned(row), **v} for row, v in zip(restated.values(), vectors, strict=True)]
            )
            await kind.upsert(session, kept)
        report.created += sum(key not in stored for key in changed)
        report.updated += sum(key in stored for key in changed)
        report.unchanged += len(batch) - len(changed)

    def _owned(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"tenant_id": self._tenant_id, **row}

    def _differs(self, row: dict[str, Any], stored: dict[str, Any] | None) -> bool:
        if stored is None or any(row[name] != stored[name] for name in self._kind.compared):
            return True
        return self._kind.text is not None and stored["embedding_model"] != self._embedder.name

    def _needs_vector(self, row: dict[str, Any], stored: dict[str, Any] | None) -> bool:
        text = self._kind.text
        if stored is None or text is None:
            return True
        return stored["embedding_model"] != self._embedder.name or text(row) != text(stored)

    async def _vectors(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        text = self._kind.text
        if text is None:
            return [{} for _ in rows]
        made = await embed_texts(self._embedder, [text(row) for row in rows])
        return [{"embedding": vector, "embedding_model": self._embedder.name} for vector in made]


__all__ = [
    "BATCH_SIZE",
    "ImportReport",
    "ImportStoppedError",
    "import_articles",
    "import_from_desk",
    "import_systems",
    "import_tickets",
    "resume_point",
]

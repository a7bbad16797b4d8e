"""Rows into tables, a batch at a time: checked, compared with what is stored, embedded, written.

Each batch is one transaction. Nothing else remembers how far an import came: what is stored is the checkpoint. Run
again after a crash, a row that is stored unchanged is only compared (no model, no write).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.kit.pointer import fault_sentence
from deskhand.knowledge.embedding import Embedder, embed_texts, load_embedder
from deskhand.knowledge.exports import ExportRow
from deskhand.knowledge.identity import Settled
from deskhand.knowledge.repository import told_apart
from deskhand.knowledge.schemas import ImportProblem, ImportReport

Row = TypeVar("Row", bound=BaseModel)
Progress = Callable[[ImportReport], None]
OnError = Literal["stop", "continue"]
OnStored = Callable[[AsyncSession, ImportReport], Awaitable[None]]
"""Called inside the transaction that stores a batch, with what the batch adds to the report."""

BATCH_SIZE = 50
# All are counted, the first hundred are kept: a file of a million wrong rows must not fill the memory.
KEPT_PROBLEMS = 100
_WRITE_TRIES = 3
_UNIQUE_VIOLATION = "23505"
_FAULTS_OF_A_ROW = ("22", "23", "54")
"""SQLSTATE classes that say a value cannot be stored: data, integrity, program limits (a text of too many words)."""


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
class Kind(Generic[Row]):
    """How one kind of row is stored.

    Attributes:
        values: Columns of a row besides tenant and embedding.
        compared: Columns that make a stored row differ.
        keeps: A column that a row says nothing about stays as it is stored.
        text: What is embedded; None where nothing is.
        hidden: Rows that nobody finds, of whose text no vector is made.
        settle: Finds the stored rows of some columns.
        write: Writes settled rows, each with all its columns.
    """

    model: type[Row]
    values: Callable[[Row], dict[str, Any]]
    compared: Sequence[str]
    keeps: bool
    text: Callable[[dict[str, Any]], str] | None
    settle: Callable[[AsyncSession, Sequence[dict[str, Any]]], Awaitable[list[Settled]]]
    write: Callable[[AsyncSession, Sequence[Settled]], Awaitable[None]]
    hidden: Callable[[Mapping[str, Any]], bool] = lambda _row: False


@dataclass(frozen=True, slots=True)
class _Checked(Generic[Row]):
    where: str
    row: Row


class Import(Generic[Row]):
    """One import under way.

    Args:
        db: As ``deskhand_app``.
        tenant_id: Whose rows.
        kind: What is imported.
        on_error: Stop at the first refused row, or leave it out, count it and go on.
        embedder: None for the installation's own, which is loaded when the first text needs it.
        progress: Called after every batch.
        prepare: Turns a row as it was read into fields of the kind's model.
        on_stored: Keeps the place where an import goes on with what was stored until there.
        why_not: Why a row is to be left out although nothing is wrong with it; that never stops an import.
    """

    def __init__(
        self,
        db: Database,
        tenant_id: str,
        kind: Kind[Row],
        *,
        on_error: OnError,
        embedder: Embedder | None = None,
        progress: Progress | None = None,
        prepare: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: row,
        on_stored: OnStored | None = None,
        why_not: Callable[[dict[str, Any]], str | None] = lambda _row: None,
    ) -> None:
        self._db = db
        self._tenant_id = tenant_id
        self._kind = kind
        self._on_error = on_error
        self._given_embedder = embedder
        self._progress = progress
        self._prepare = prepare
        self._on_stored = on_stored
        self._why_not = why_not
        self.report = ImportReport()

    @property
    def _embedder(self) -> Embedder:
        # Loaded when the first text needs it: an import of systems, or of rows that are stored already, loads no model.
        return self._given_embedder or load_embedder()

    async def run(self, rows: Iterable[ExportRow]) -> ImportReport:
        """Validate and store all rows, a batch at a time."""
        batch: list[_Checked[Row]] = []
        for raw in rows:
            checked = self._check(raw)
            if isinstance(checked, ImportProblem):
                await self._refuse(checked, batch)
            elif why := self._why_not(self._kind.values(checked.row)):
                self._count_problem(ImportProblem(raw.where, "", why))
            else:
                batch.append(checked)
            if len(batch) >= BATCH_SIZE:
                await self._flush(batch, raw.fraction or None)
        await self._flush(batch, None if self.report.fraction is None else 1.0)
        return self.report

    def _check(self, raw: ExportRow) -> _Checked[Row] | ImportProblem:
        if raw.data is None:
            return ImportProblem(raw.where, "", raw.error)
        try:
            return _Checked(raw.where, self._kind.model.model_validate(self._prepare(raw.data)))
        except ValidationError as error:
            # One fault a row, without its value: the report goes to logs and terminals, and the row holds customers'
            # words.
            first = error.errors(include_url=False, include_input=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            return ImportProblem(raw.where, name, fault_sentence(first))

    async def _refuse(self, problem: ImportProblem, batch: list[_Checked[Row]]) -> None:
        if self._on_error == "stop":
            # What came before the refused row is stored first, because the error says so.
            await self._flush(batch, self.report.fraction)
        self._note_refused(problem)

    def _note_refused(self, problem: ImportProblem) -> None:
        self._count_problem(problem)
        if self._on_error == "stop":
            raise ImportStoppedError(problem, self.report)

    def _count_problem(self, problem: ImportProblem) -> None:
        self.report.failed += 1
        if len(self.report.problems) < KEPT_PROBLEMS:
            self.report.problems.append(problem)

    async def _flush(self, batch: list[_Checked[Row]], fraction: float | None) -> None:
        self.report.fraction = fraction
        if batch:
            await self._store(batch)
            batch.clear()
        if self._progress is not None:
            self._progress(self.report)

    async def _store(self, batch: Sequence[_Checked[Row]]) -> None:
        """Store a batch; where the database refuses it for a value, each row by itself."""
        try:
            await self._write(batch)
        except DBAPIError as error:
            if not _says_a_value_cannot_be_stored(error):
                raise
            if len(batch) == 1:
                self._note_refused(ImportProblem(batch[0].where, "", f"cannot be stored: {_words_of(error)}"))
                return
            # One row by itself, to find out which one the database refuses; the others are stored all the same.
            for one in batch:
                await self._store([one])

    async def _write(self, batch: Sequence[_Checked[Row]]) -> None:
        for attempt in range(1, _WRITE_TRIES + 1):
            try:
                await self._write_once(batch)
            except DBAPIError as error:
                # Another import gave a ticket its names between our look and our write: look again.
                if _sqlstate(error) != _UNIQUE_VIOLATION or attempt == _WRITE_TRIES:
                    raise
            else:
                return

    async def _write_once(self, batch: Sequence[_Checked[Row]]) -> None:
        kind, report = self._kind, self.report
        async with self._db.tenant_session(self._tenant_id, companies=EVERY_COMPANY) as session:
            values = await told_apart(session, [kind.values(one.row) for one in batch])
            settled = await kind.settle(session, values)
        completed = [self._completed(one, batch[one.place].row) for one in settled]
        changed = [one for one in completed if self._differs(one)]
        restated = [one for one in changed if self._needs_vector(one)]
        # The model runs between the two transactions, so that none is held open for seconds.
        vectors = await self._vectors([one.values for one in restated])
        created = sum(one.stored is None for one in changed)
        batch_report = ImportReport(
            created=created, updated=len(changed) - created, unchanged=len(batch) - len(changed)
        )
        async with self._db.tenant_session(self._tenant_id, companies=EVERY_COMPANY) as session:
            await kind.write(session, [self._owned(one, vector) for one, vector in zip(restated, vectors, strict=True)])
            # Two statements: rows whose text is as before keep their vector, and an upsert sets the same columns for
            # all its rows.
            embedded = {one.place for one in restated}
            await kind.write(session, [self._owned(one, {}) for one in changed if one.place not in embedded])
            if self._on_stored is not None:
                await self._on_stored(session, batch_report)
        report.created += batch_report.created
        report.updated += batch_report.updated
        report.unchanged += batch_report.unchanged

    def _completed(self, settled: Settled, row: Row) -> Settled:
        stored = settled.stored
        # Articles and systems are replaced whole: what their source leaves out is gone there, too.
        if stored is None or not self._kind.keeps:
            return settled
        # model_fields_set tells a field that the file lacks from one that it empties.
        silent = [name for name in self._kind.compared if name not in row.model_fields_set and name in stored]
        named = {name: settled.values[name] for name in ("ticket_id", "desk_id")}
        return Settled(
            {**settled.values, **{name: stored[name] for name in silent}, **named}, settled.place, settled.rows
        )

    def _owned(self, settled: Settled, vector: dict[str, Any]) -> Settled:
        return replace(settled, values={"tenant_id": self._tenant_id, **settled.values, **vector})

    def _differs(self, settled: Settled) -> bool:
        stored, values = settled.stored, settled.values
        if stored is None or len(settled.rows) > 1 or any(values[name] != stored[name] for name in self._kind.compared):
            return True
        # A row is also written again when the installation changed its model: vectors of two models cannot be compared.
        return self._kind.text is not None and self._has_other_vector(values, stored)

    def _has_other_vector(self, values: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
        wanted = None if self._kind.hidden(values) else self._embedder.name
        return bool(stored["embedding_model"] != wanted)

    def _needs_vector(self, settled: Settled) -> bool:
        text, stored = self._kind.text, settled.stored
        if stored is None or text is None:
            return True
        return self._has_other_vector(settled.values, stored) or text(settled.values) != text(stored)

    async def _vectors(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        text = self._kind.text
        if text is None:
            return [{} for _ in rows]
        shown = [row for row in rows if not self._kind.hidden(row)]
        made = iter(await embed_texts(self._embedder, [text(row) for row in shown]) if shown else ())
        return [
            {"embedding": None, "embedding_model": None}
            if self._kind.hidden(row)
            else {"embedding": next(made), "embedding_model": self._embedder.name}
            for row in rows
        ]


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _says_a_value_cannot_be_stored(error: DBAPIError) -> bool:
    state = _sqlstate(error)
    # The driver refuses some values itself, before the server sees them; such an error has no SQLSTATE.
    refused_by_driver = not state and not error.connection_invalidated and type(error).__name__ == "DBAPIError"
    return refused_by_driver or state[:2] in _FAULTS_OF_A_ROW


def _words_of(error: DBAPIError) -> str:
    return str(error.orig).partition(">: ")[2].partition("\n")[0][:200] or type(error.orig).__name__


__all__ = ["BATCH_SIZE", "Import", "ImportStoppedError", "Kind", "OnError", "OnStored", "Progress"]

"""Commands that bring content in: import-tickets, import-articles, import-systems."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import typer
from rich.markup import escape

from deskhand.access.service import COMMAND_LINE
from deskhand.audit import service as audit
from deskhand.cli.common import database, err, opened_installation, out, run
from deskhand.errors import InvalidInputError, NotFoundError
from deskhand.installation import Installation
from deskhand.kit.clock import utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.knowledge import importer
from deskhand.knowledge.exports.dates import DateOrder
from deskhand.knowledge.exports.proposals import as_options
from deskhand.knowledge.importer import CompanyOf
from deskhand.knowledge.schemas import ImportReport
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import desk_for
from deskhand.tenants.service import TenantService
from deskhand.ui.terminal import bars

Progress = Callable[[ImportReport], None]
Import = Callable[[Database, Progress], Awaitable[ImportReport]]
OnError = Literal["stop", "continue"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TENANT = typer.Option(..., "--tenant", help="The tenant's id.")
COMPANY = typer.Option(
    None, "--company", help="From a file: the client company of rows that name none, by the name the desk has for it."
)
COMPANY_ID = typer.Option(None, "--company-id", help="From a file: the same by the desk's own id.")
SHARED = typer.Option(False, "--shared", help="From a file: rows that name no company help every client company.")
COLUMN = typer.Option(
    [], "--column", help="From a file: what it calls a field, as NAME=FIELD; can be given several times."
)
ON_ERROR = typer.Option("stop", "--on-error", help="stop at the first bad row, or leave it out and continue.")


app = typer.Typer()


@app.callback()
def main() -> None:
    """Imports."""


@app.command("import-tickets")
def import_tickets(  # noqa: PLR0917 - options of a command
    source: str = typer.Argument(
        ..., help="A .json, .jsonl, .csv, .tsv, .txt, .xlsx, .xls or .ods file, or a connected desk's name."
    ),
    tenant: str = TENANT,
    since: datetime | None = typer.Option(
        None, help="From a desk: tickets resolved since (UTC). Left out: where the last import ended, else all."
    ),
    tool: str | None = typer.Option(None, "--tool", help="From a file: the desk it comes from; else the tenant's own."),
    column: list[str] = COLUMN,
    dates: str | None = typer.Option(
        None, "--dates", help="From a file: day-first or month-first, where its dates do not tell."
    ),
    company: str | None = COMPANY,
    company_id: str | None = COMPANY_ID,
    shared: bool = SHARED,
    on_error: str = ON_ERROR,
) -> None:
    """Import resolved tickets; running it again resumes and never doubles."""
    owner = CompanyOf(company_id, company, shared)
    path = Path(source)
    desks = [str(plugin["tool_type"]) for plugin in PluginManager.installed().list_registered_plugins()]
    if tool is not None and tool not in desks:
        raise InvalidInputError(f"There is no desk '{tool}'. There are: {', '.join(desks)}.")
    # A file first: somebody may have an export called "jira".
    if not path.exists() and source not in desks:
        raise InvalidInputError(
            f"'{source}' is neither a file that exists nor a desk this installation knows ({', '.join(desks)})."
        )
    columns = _columns(column)
    with opened_installation() as installation:
        if path.exists():
            _import(
                installation,
                tenant,
                f"tickets from {path.name}",
                lambda db, moved: importer.import_tickets(
                    db,
                    tenant,
                    path,
                    tool_type=tool,
                    columns=columns,
                    company=owner,
                    dates=_date_order(dates),
                    on_error=_choice(on_error),
                    progress=moved,
                ),
            )
        else:
            _import(
                installation,
                tenant,
                f"tickets from {source}",
                lambda db, moved: _from_desk(installation, db, tenant_id=tenant, tool=source, since=since, moved=moved),
            )


def _columns(options: list[str]) -> dict[str, str]:
    pairs = [option.rpartition("=") for option in options]
    if any(not name or not field for name, _, field in pairs):
        raise typer.BadParameter("--column takes NAME=FIELD, for example 'Kurzbeschreibung=subject'")
    return {name: field for name, _, field in pairs}


def _date_order(dates: str | None) -> DateOrder | None:
    if dates not in (None, "day-first", "month-first"):
        raise typer.BadParameter("--dates takes day-first or month-first")
    return None if dates is None else "day-first" if dates == "day-first" else "month-first"


def _since(option: datetime | None) -> datetime | None:
    """The option in UTC; no desk is older than its clock, and none has tickets of tomorrow.

    Raises:
        InvalidInputError: It lies in the future.
    """
    if option is None:
        return None
    # Desks refuse times before 1970, and there were no desks.
    since = max(option.replace(tzinfo=UTC), EPOCH)
    if since > utc_now():
        raise InvalidInputError(f"--since {since:%Y-%m-%d} lies in the future, so nothing was resolved since then.")
    return since


async def _from_desk(
    installation: Installation, db: Database, *, tenant_id: str, tool: str, since: datetime | None, moved: Progress
) -> ImportReport:
    secrets, plugins = SecretBox(installation.encryption_keys), PluginManager.installed()
    async with db.tenant_session(tenant_id) as session:
        tenant = await TenantService(session, secrets=secrets, plugins=plugins).get_tenant(tenant_id)
    http = HttpClientFactory(allow_private=installation.settings.allow_private_addresses)
    desk = desk_for(tenant, tool, secrets=secrets, plugins=plugins, http=http)
    solved_since = _since(since)
    # What was asked for, else where the last import ended: a cron job runs the same command each night.
    start = solved_since or await importer.resume_point(db, tenant_id, tool) or EPOCH
    try:
        return await importer.import_from_desk(
            db, tenant_id, desk, since=start, solved_since=solved_since, progress=moved
        )
    finally:
        await desk.aclose()


@app.command("import-articles")
def import_articles(  # noqa: PLR0917 - options of a command
    path: Path = typer.Argument(
        ..., exists=True, help="A file or a directory of Markdown, HTML, Word, PDF, JSON, CSV, Excel."
    ),
    tenant: str = TENANT,
    column: list[str] = COLUMN,
    company: str | None = COMPANY,
    company_id: str | None = COMPANY_ID,
    shared: bool = SHARED,
    on_error: str = ON_ERROR,
) -> None:
    """Import articles and procedures."""
    owner = CompanyOf(company_id, company, shared)
    columns = _columns(column)
    with opened_installation() as installation:
        _import(
            installation,
            tenant,
            f"articles from {path.name}",
            lambda db, moved: importer.import_articles(
                db, tenant, path, columns=columns, company=owner, on_error=_choice(on_error), progress=moved
            ),
        )


@app.command("import-systems")
def import_systems(  # noqa: PLR0917 - options of a command
    path: Path = typer.Argument(..., exists=True, help="A .csv, .xlsx, .json or .jsonl file."),
    tenant: str = TENANT,
    column: list[str] = COLUMN,
    company: str | None = COMPANY,
    company_id: str | None = COMPANY_ID,
    shared: bool = SHARED,
    on_error: str = ON_ERROR,
) -> None:
    """Import the system inventory."""
    owner = CompanyOf(company_id, company, shared)
    columns = _columns(column)
    with opened_installation() as installation:
        _import(
            installation,
            tenant,
            f"systems from {path.name}",
            lambda db, moved: importer.import_systems(
                db, tenant, path, columns=columns, company=owner, on_error=_choice(on_error), progress=moved
            ),
        )


def _choice(on_error: str) -> OnError:
    if on_error not in ("stop", "continue"):
        raise typer.BadParameter("--on-error takes stop or continue")
    return "continue" if on_error == "continue" else "stop"


def _import(installation: Installation, tenant_id: str, what: str, work: Import) -> None:
    async def go() -> ImportReport:
        async with database(installation, pool_size=2) as db:
            await _ensure_tenant(installation, db, tenant_id)
            with bars(out) as progress:
                task = progress.add_task(what, total=1.0)
                # Before and after: an import stores batch by batch, and one that dies half-way has changed something.
                await _record(db, tenant_id, "knowledge.import", {"source": what})
                report = await work(
                    db,
                    lambda report: progress.update(
                        task, completed=report.fraction or 0.0, description=_count(what, report)
                    ),
                )
            counts = {name: getattr(report, name) for name in ("created", "updated", "unchanged", "failed")}
            await _record(db, tenant_id, "knowledge.import_end", {"source": what, **counts})
            return report

    report = run(go())
    out.print(f"{report.created} new, {report.updated} changed, {report.unchanged} as before, {report.failed} refused")
    if report.ignored_columns:
        names = escape(", ".join(report.ignored_columns))
        out.print(f"Columns that were not used: {names}", highlight=False, soft_wrap=True)
    if report.proposed_columns:
        options = escape(as_options(report.proposed_columns))
        out.print(f"Some of them may be ours; import again with: {options}", highlight=False, soft_wrap=True)
    if report.unread_sheets:
        sheets = escape(", ".join(report.unread_sheets))
        out.print(f"Sheets that were not read: {sheets}", highlight=False, soft_wrap=True)
    for problem in report.problems[:20]:
        err.print(f"  {escape(str(problem))}", highlight=False, soft_wrap=True)
    if report.ended_early:
        err.print(f"{report.ended_early}. What was read is stored; run the import again to go on.", soft_wrap=True)
        raise typer.Exit(1)
    # An exit code of 0 would tell a script that the history is in.
    if report.failed and report.failed == report.done:
        raise InvalidInputError(f"Nothing was imported: all {report.failed} rows were refused.")


async def _record(db: Database, tenant_id: str, operation: str, after: dict[str, object]) -> None:
    async with db.tenant_session(tenant_id) as session:
        await audit.record(
            session,
            tenant_id=tenant_id,
            actor=COMMAND_LINE,
            operation=operation,
            resource_type="knowledge",
            resource_id=None,
            after=after,
        )


async def _ensure_tenant(installation: Installation, db: Database, tenant_id: str) -> None:
    """Say which tenants there are, where the one that was named is not among them."""
    secrets, plugins = SecretBox(installation.encryption_keys), PluginManager.installed()
    async with db.platform_session() as session:
        page = await TenantService(session, secrets=secrets, plugins=plugins).list_tenants(limit=100)
    names = [tenant.tenant_id for tenant in page.items]
    # Only where the page is the whole list: a tenant beyond it may be there.
    if tenant_id not in names and page.next_cursor is None:
        raise NotFoundError(f"There is no tenant '{tenant_id}'. There are: {', '.join(names) or 'none yet'}.")


def _count(what: str, report: ImportReport) -> str:
    return f"{what}: {report.done}"

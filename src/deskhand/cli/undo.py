"""Commands that take back what agents wrote: undo run, undo version."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import typer
from rich.markup import escape

from deskhand.access.principal import Principal
from deskhand.cli.administration import ACTOR
from deskhand.cli.common import checked, database, err, opened_installation, out, run
from deskhand.cli.configuration import TENANT
from deskhand.errors import ConflictError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.registry import PluginManager
from deskhand.work.undo.schemas import Effect, PreviewRun, PreviewVersion, UndoItem, UndoPreview
from deskhand.work.undo.service import OfRun, OfVersion, Undoing, Wanted

undo_app = typer.Typer(help="Take back what agents wrote.", no_args_is_help=True)

app = typer.Typer()
app.add_typer(undo_app, name="undo")

YES = typer.Option(False, "--yes", help="Undo it; left out, only show what would be done.")
_DONE = {
    Effect.RESTORE_FIELDS: "put back",
    Effect.WITHDRAW_NOTE: "delete the note",
    Effect.RESTORE_NOTE: "give the note its earlier text back",
    Effect.CORRECT_NOTE: "write a correcting note",
    Effect.UNLINK_TICKETS: "remove the link",
    Effect.LINK_TICKETS: "link again",
    Effect.CLOSE_CREATED: "close the ticket it filed",
    Effect.WITHDRAW_TIME: "delete the work log",
    Effect.NONE: "left as it is",
}


@app.callback()
def main() -> None:
    """Undo."""


@undo_app.command("run")
def undo_run(
    execution: UUID = typer.Argument(..., help="Whose writes: the id of a run that has ended."),
    tenant: str = TENANT,
    step: str | None = typer.Option(None, "--step", help="One write alone, by its key in the timeline."),
    yes: bool = YES,
) -> None:
    """Show what taking back a run's writes would do, and do it with --yes."""
    wanted = checked(PreviewRun, {"step_key": step})
    _undo(tenant, OfRun(execution_id=execution, step_key=wanted.step_key), yes=yes)


@undo_app.command("version")
def undo_version(
    agent: UUID = typer.Argument(..., help="The agent's id."),
    number: int = typer.Argument(..., min=1, help="Number of its version."),
    tenant: str = TENANT,
    since: str = typer.Option(..., "--since", help="What it wrote since, such as 2026-05-04T09:00:00Z."),
    yes: bool = YES,
) -> None:
    """Show what taking back everything a version wrote since a time would do, and do it with --yes."""
    wanted = checked(PreviewVersion, {"since": since})
    _undo(tenant, OfVersion(agent_id=agent, number=number, since=wanted.since), yes=yes)


def _undo(tenant: str, wanted: Wanted, *, yes: bool) -> None:
    with opened_installation() as installation:
        preview, started = run(_perform(installation, tenant, wanted, yes=yes))
    _show(preview)
    if started is not None:
        out.print(f"Execution {started} does it; a worker must be running.", highlight=False, soft_wrap=True)
    elif preview.possible:
        err.print("Nothing was changed. Run it again with --yes to undo this.", highlight=False, soft_wrap=True)
    else:
        err.print("Nothing of this can be put back.", highlight=False, soft_wrap=True)


async def _perform(
    installation: Installation, tenant: str, wanted: Wanted, *, yes: bool
) -> tuple[UndoPreview, UUID | None]:
    async with _undoing(installation, tenant) as undo:
        preview = await undo.preview(wanted)
        if yes and not preview.possible:
            _show(preview)
            raise ConflictError("Nothing of this can be put back.")
        # The digest binds what is done to what is printed, also where a ticket changes between the two calls.
        return preview, await undo.start(wanted, preview.digest) if yes else None


@asynccontextmanager
async def _undoing(installation: Installation, tenant: str) -> AsyncIterator[Undoing]:
    settings = installation.settings
    async with database(installation) as db:
        yield Undoing(
            db=db,
            secrets=SecretBox(installation.encryption_keys, reread=installation.reread_keys),
            plugins=PluginManager.installed(),
            http=HttpClientFactory(allow_private=settings.allow_private_addresses),
            principal=Principal(kind="platform", tenant_id=tenant, role="operator", actor=ACTOR),
        )


def _show(preview: UndoPreview) -> None:
    if not preview.items:
        out.print("Nothing was written.", highlight=False)
    for item in preview.items:
        _show_item(item)


def _show_item(item: UndoItem) -> None:
    ticket = f" on {item.tool_type} #{item.number or item.ticket_id}" if item.ticket_id else ""
    operations = ", ".join(one.operation for one in item.writes)
    out.print(f"[bold]{_DONE[item.effect]}[/]: {escape(operations + ticket)}", highlight=False, soft_wrap=True)
    lines = [f"  {one.field}: '{one.now}' back to '{one.back}'" for one in item.fields]
    lines += [
        f"  {one.field}: left at '{one.now}'; the agent set '{one.ours}'"
        + (f", changed by {one.changed_by}" if one.changed_by else "")
        for one in item.kept
    ]
    for line in [*lines, *([f"  {item.why}"] if item.why else [])]:
        out.print(line, highlight=False, markup=False, soft_wrap=True)

"""``deskhand tenant erase``: a tenant, or one requester of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import typer
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

import deskhand.models  # noqa: F401  (every table, or rows would be passed over)
from deskhand.access.service import COMMAND_LINE
from deskhand.cli.common import database, err, opened_installation, out, run
from deskhand.erasure.requester import Erased, erase_requester
from deskhand.erasure.tenant import Gone, erase_tenant
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox

T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[T]]


class _TrialError(Exception):
    """Ends the transaction of a trial, so that nothing of it stays."""


def erase(
    tenant: str = typer.Argument(..., help="The tenant's id."),
    requester: str = typer.Option("", "--requester", help="Only what speaks of this person: the address."),
    also: list[str] = typer.Option([], "--also", help="What else the person is called (name, login); repeat it."),
    ticket: list[str] = typer.Option([], "--ticket", help="A further ticket of the person; repeat it."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask before erasing."),
) -> None:
    """Erase a tenant, or one requester in it: shows what goes, asks, erases, and looks whether anything is left."""
    with opened_installation() as installation:
        box = SecretBox(installation.encryption_keys)
        if requester:
            words = [requester, *also]

            async def person(session: AsyncSession) -> Erased:
                return await erase_requester(
                    session, tenant_id=tenant, words=words, tickets=ticket, secrets=box, actor=COMMAND_LINE
                )

            found = run(_tried(installation, person))
            _show("would go", found.rows)
            _ask(f"Erase {sum(found.rows.values()):,} rows about this person in '{tenant}', for ever?", yes=yes)
            _tell_left(run(_done(installation, person)))
            return

        async def everything(session: AsyncSession) -> Gone:
            return await erase_tenant(session, tenant_id=tenant, secrets=box, actor=COMMAND_LINE)

        gone = run(_tried(installation, everything))
        _show("would go", gone.rows)
        _ask(f"Erase all of the tenant '{tenant}' and {gone.people} accounts of people, for ever?", yes=yes)
        _tell_gone(tenant, run(_done(installation, everything)))


async def _tried(installation: Installation, work: Work[T]) -> T:
    """What the work would come to; nothing of it stays."""
    outcome = []
    try:
        async with database(installation) as db, db.platform_session() as session:
            outcome.append(await work(session))
            raise _TrialError
    except _TrialError:
        return outcome[0]


async def _done(installation: Installation, work: Work[T]) -> T:
    async with database(installation) as db, db.platform_session() as session:
        return await work(session)


def _ask(question: str, *, yes: bool) -> None:
    if not yes and not typer.confirm(question):
        out.print("Nothing was changed.")
        raise typer.Exit(1)


def _tell_left(erased: Erased) -> None:
    out.print(f"{sum(erased.rows.values()):,} rows erased; tickets of the person: {len(erased.tickets)}.")
    kept = sum(erased.left.values()) - sum(erased.to_be_changed.values())
    if kept:
        out.print(f"{kept} entries of the audit log name the person and are kept until its retention ends.")
    if erased.to_be_changed:
        _show("still names the person", erased.to_be_changed)
        err.print("People wrote these (prompts, articles, the inventory); change them, then run this again.")
        raise typer.Exit(1)
    out.print("A scan of every column of every table of the tenant finds the person nowhere else.", soft_wrap=True)


def _tell_gone(tenant: str, gone: Gone) -> None:
    out.print(f"{sum(gone.rows.values()):,} rows and {gone.people} accounts erased.")
    if gone.left:
        _show("still there", gone.left)
        raise typer.Exit(1)
    out.print(
        f"A count of every table finds no row of '{tenant}' but its audit log, which goes when its retention ends, and"
        " its id, which nobody can take again. Backups still hold it, until they are deleted.",
        highlight=False,
        soft_wrap=True,
    )


def _show(words: str, rows: Mapping[str, int]) -> None:
    table = Table("table", box=None)
    table.add_column(words, justify="right")
    for name, count in sorted(rows.items()):
        table.add_row(name, f"{count:,}")
    out.print(table)

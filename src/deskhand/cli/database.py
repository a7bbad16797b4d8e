"""``deskhand db``: the schema, and how much history stays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import typer
from rich.table import Table

from deskhand.cli.common import database, opened_installation, out, run
from deskhand.engine.retention import KINDS, Housekeeper, count_expired
from deskhand.installation import Installation, migrate
from deskhand.kit.db import admin
from deskhand.kit.db.proofs import HOW_TO_MAKE_A_TENANT_KEY
from deskhand.kit.db.session import create_pool
from deskhand.ui.terminal import bars

app = typer.Typer()
db = typer.Typer(help="The database schema.", no_args_is_help=True)
app.add_typer(db, name="db")


@app.callback()
def main() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Bring the schema to the newest revision; makes the roles where it may, prints the SQL for a DBA where not."""
    with opened_installation(up_to_date=False) as installation:
        changed = migrate(installation)
        state = "upgraded to" if changed else "already at"
        out.print(f"Schema {state} {admin.current(installation.owner_url)}.")
        # After the upgrade and not before it: an old installation without a key must still be able to go on.
        if not installation.tenant_keys:
            out.print(
                "DESKHAND_TENANT_KEY is not set, so whoever has the password of deskhand_app reaches every tenant."
                f" {HOW_TO_MAKE_A_TENANT_KEY} Give it to API and workers, then run this again with it.",
                highlight=False,
                soft_wrap=True,
            )


@db.command()
def downgrade(revision: str = typer.Argument(..., help="Revision to go back to, or -1 for one step, or base.")) -> None:
    """Take the schema back."""
    with opened_installation(up_to_date=False) as installation:
        admin.downgrade(installation.owner_url, revision)
        out.print(f"Schema at {admin.current(installation.owner_url) or 'base'}.")


@db.command()
def current() -> None:
    """Show the schema's revision and the newest one."""
    with opened_installation(up_to_date=False) as installation:
        out.print(f"current {admin.current(installation.owner_url) or 'base'}, newest {admin.head()}")


@db.command()
def prune(
    dry_run: bool = typer.Option(False, "--dry-run", help="Say how much would go; delete nothing."),
) -> None:
    """Delete history that is older than the settings keep (DESKHAND_KEEP_..._DAYS) now; workers do it once an hour."""
    with opened_installation() as installation:
        run(_count(installation) if dry_run else _prune(installation))


async def _count(installation: Installation) -> None:
    async with database(installation) as db:
        _show(installation, {"would go": await count_expired(db, installation.retention)})


async def _prune(installation: Installation) -> None:
    async with (
        database(installation) as db,
        await create_pool(
            installation.database_url, min_size=1, max_size=1, process="worker", prover=installation.prover
        ) as pool,
    ):
        expired = await count_expired(db, installation.retention)
        with bars(out) as display:
            tasks = {kind: display.add_task(_words(kind), total=count) for kind, count in expired.items() if count}
            gone = await Housekeeper(pool, installation.retention).prune(
                lambda kind, rows: display.update(tasks[kind], advance=rows) if kind in tasks else None
            )
        left = await count_expired(db, installation.retention)
        _show(installation, {"gone": gone, "passed over": left} if any(left.values()) else {"gone": gone})
    if any(left.values()):
        out.print("What was passed over is in use, or a worker is pruning it at this moment; it goes in a later round.")


def _show(installation: Installation, columns: Mapping[str, Mapping[str, int]]) -> None:
    table = Table("history", "kept for", box=None)
    for column in columns:
        table.add_column(column, justify="right")
    periods = installation.retention.periods()
    for kind in KINDS:
        figures = [f"{column.get(kind, 0):,}" for column in columns.values()]
        table.add_row(_words(kind), _span(periods.get(kind)), *figures)
    out.print(table)


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _span(period: timedelta | None) -> str:
    if period is None:
        return "ever"
    return f"{period.days} days" if period.days > 1 else f"{period.total_seconds() / 3600:.0f} hours"

"""``deskhand db``: the schema."""

from __future__ import annotations

import typer

from deskhand.cli.common import installation, out
from deskhand.installation import migrate
from deskhand.kit.db import admin

app = typer.Typer()
db = typer.Typer(help="The database schema.", no_args_is_help=True)
app.add_typer(db, name="db")


@app.callback()
def main() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Bring the schema to the newest revision; makes the roles where it may, prints the SQL for a DBA where not."""
    with installation(up_to_date=False) as found:
        changed = migrate(found)
        state = "upgraded to" if changed else "already at"
        out.print(f"Schema {state} {admin.current(found.owner_url)}.")


@db.command()
def downgrade(revision: str = typer.Argument(..., help="Revision to go back to, or -1 for one step, or base.")) -> None:
    """Take the schema back."""
    with installation(up_to_date=False) as found:
        admin.downgrade(found.owner_url, revision)
        out.print(f"Schema at {admin.current(found.owner_url) or 'base'}.")


@db.command()
def current() -> None:
    """Show the schema's revision and the newest one."""
    with installation(up_to_date=False) as found:
        out.print(f"current {admin.current(found.owner_url) or 'base'}, newest {admin.head()}")

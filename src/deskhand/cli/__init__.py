"""The command line: ``deskhand --help``."""

from __future__ import annotations

import typer

from deskhand import __version__
from deskhand.cli import administration, content, database, models, processes
from deskhand.cli.common import guarded

app = typer.Typer(
    name="deskhand",
    help="AI hands for a service desk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deskhand {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),
) -> None:
    """AI hands for a service desk."""


processes.add_commands(app)
content.add_commands(app)
app.add_typer(database.app, name="db")
app.add_typer(models.app, name="models")
administration.add_commands(app)


def entry() -> None:
    """What the ``deskhand`` script runs."""
    guarded(app)


__all__ = ["app", "entry"]

"""The command line: ``deskhand --help``.

A command's module is imported when the command is used: the whole product takes seconds to import, and a
simulator or a ``db current`` needs little of it. (The pattern is Click's "Lazily Loading Subcommands".)
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import TracebackType
from typing import Any

import typer
from typer.core import TyperGroup

from deskhand import __version__

COMMANDS = {
    "demo": "demo",
    "up": "up",
    "serve": "serve",
    "worker": "work",
    "db": "database",
    "models": "models",
    "simulator": "simulate",
    "import-tickets": "content",
    "import-articles": "content",
    "import-systems": "content",
    "user": "people",
    "key": "people",
    "sso": "sso",
    "keys": "encryption",
    "tenant": "administration",
    "audit": "administration",
    "desk": "administration",
    "apply": "configuration",
    "export": "configuration",
    "templates": "templates",
    "agent": "templates",
    "undo": "undo",
    "tool": "sources",
    "doctor": "doctor",
}
"""Command to the module under ``deskhand.cli`` that has it; each module's ``app`` holds its commands by name."""


class LazyGroup(TyperGroup):
    """Finds a command by importing its module."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Click's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        group = typer.main.get_group(import_module(f"deskhand.cli.{module}").app)
        return group.get_command(ctx, cmd_name)


app = typer.Typer(
    name="deskhand",
    help="AI hands for a service desk.",
    no_args_is_help=True,
    cls=LazyGroup,
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


def entry() -> None:
    """What the ``deskhand`` script runs."""
    sys.excepthook = _explain
    typer.main.get_command(app)()  # calling the Typer object would put its own hook in place of ours


def _explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Our own failures become sentences; a bug keeps its traceback. Python ends with 1 either way."""
    if not (isinstance(error, Exception) and import_module("deskhand.cli.common").tell(error)):
        sys.__excepthook__(kind, error, trace)


__all__ = ["app", "entry"]

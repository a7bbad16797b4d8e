"""The command line: ``deskhand --help``.

A command's module is imported when the command is used: the whole product takes seconds to import, and a
simulator or a ``db current`` needs little of it. (The pattern is Click's "Lazily Loading Subcommands".)
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import TracebackType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from deskhand.version import version_line

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "File tickets in a simulated desk and read the notes the agent writes on them."),
    "up": ("up", "Run everything on this machine: PostgreSQL (if embedded), the embedded model, API, worker."),
    "serve": ("serve", "Run the API and the console."),
    "worker": ("work", "Run a worker; any number of them, on any number of machines."),
    "db": ("database", "The database schema."),
    "models": ("models", "The model that runs on this machine, and connections to others."),
    "simulator": (
        "simulate",
        "Run a simulated desk (or model gateway) with a web page, for demos, tests and training.",
    ),
    "import-tickets": ("content", "Import resolved tickets; running it again resumes and never doubles."),
    "import-articles": ("content", "Import articles and procedures."),
    "import-systems": ("content", "Import the system inventory."),
    "knowledge": ("upkeep", "Imports of a desk's past, and the vectors of the search."),
    "user": ("people", "People's accounts."),
    "key": ("people", "API keys of tenants and of platform administrators."),
    "sso": ("sso", "Identity providers with which people sign in."),
    "backup": ("recovery", "Write everything that this installation needs to live again into one encrypted file."),
    "restore": (
        "recovery",
        "Bring an installation back from a backup, into an empty place; with --verify prove that it could be.",
    ),
    "keys": ("encryption", "The encryption keys of stored secrets."),
    "tenant": ("administration", "Tenants."),
    "audit": ("administration", "The audit log."),
    "desk": ("administration", "Setting up a desk."),
    "apply": (
        "configuration",
        "Make agents, tools, articles what a folder says: shows what changes, asks, then changes all or nothing.",
    ),
    "export": (
        "configuration",
        "Write a tenant's agents, tools and articles into a folder, as ``apply`` reads them; secrets stay out.",
    ),
    "templates": ("templates", "Agents to begin from."),
    "agent": ("templates", "Agents."),
    "undo": ("undo", "Take back what agents wrote."),
    "tool": ("sources", "Programs of a tenant's own that its agents may call."),
    "doctor": (
        "doctor",
        "Check database, schema, roles, keys, exposure and model; exits with 1 if something needs fixing.",
    ),
}
"""Command to the module under ``deskhand.cli`` that has it (in its ``app``, by name), and what help says of it."""


@contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """Import without the garbage collector: what modules make stays for the life of the process.

    The collector's passes over it were a quarter of what the import of the whole product costs; and frozen afterwards,
    no later pass, for which an event loop waits, walks it again (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class LazyGroup(TyperGroup):
    """Finds a command by importing its module; lists them, and guesses at a mistyped one, without."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=words) for name, (_, words) in COMMANDS.items()}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        with _nothing_is_garbage():
            commands = import_module(f"deskhand.cli.{module}").app
        group = typer.main.get_group(commands)
        return group.get_command(ctx, cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        names = TyperGroup(name=self.name, commands=dict(self.commands), help=self.help, params=self.params)
        names.format_help(ctx, formatter)


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
        typer.echo(version_line())
        raise typer.Exit


@app.callback()
def main(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Show the version and its commit."
    ),
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

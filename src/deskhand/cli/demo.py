"""``deskhand demo``."""

from __future__ import annotations

import typer

from deskhand.cli.common import read_settings, run
from deskhand.demo.play import play

app = typer.Typer()


@app.callback()
def main() -> None:
    """The demonstration."""


@app.command()
def demo() -> None:
    """File tickets in a simulated desk and read the notes the agent writes on them."""
    raise typer.Exit(run(play(read_settings())))

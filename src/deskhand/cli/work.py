"""``deskhand worker``."""

from __future__ import annotations

import typer

from deskhand.cli.common import opened_installation, read_settings, run_service, start_logging
from deskhand.kit.parent import end_with_parent
from deskhand.worker import run_worker

app = typer.Typer()


@app.callback()
def main() -> None:
    """The worker process."""


@app.command()
def worker() -> None:
    """Run a worker; any number of them, on any number of machines."""
    end_with_parent()
    start_logging(read_settings())
    with opened_installation() as installation:
        run_service(run_worker(installation))

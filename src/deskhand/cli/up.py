"""``deskhand up``."""

from __future__ import annotations

import typer

from deskhand.cli.common import installation, out, run, settings, start_logging, stop_signal
from deskhand.errors import ConfigurationError
from deskhand.installation import Installation
from deskhand.supervisor import model_server, running, stack_parts, wait_until_ready

app = typer.Typer()


@app.callback()
def main() -> None:
    """Everything at once."""


@app.command()
def up() -> None:
    """Run everything on this machine: PostgreSQL (if embedded), the embedded model, API, worker."""
    start_logging(settings())
    with installation() as found, model_server(found):
        run(_until_stopped(found))


async def _until_stopped(found: Installation) -> None:
    given = found.settings
    if given.port == 0:
        raise ConfigurationError("`deskhand up` needs a fixed DESKHAND_PORT, so that its address can be told.")
    parts = stack_parts(found)
    async with running(parts):
        await wait_until_ready(f"http://{given.host}:{given.port}/readyz", parts)
        out.print(f"Deskhand is up: {found.public_url}")
        await stop_signal()

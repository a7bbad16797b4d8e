"""``deskhand up``."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import typer

from deskhand.access.people.administration import FIRST_ADMINISTRATOR, first_administrator
from deskhand.cli.administration import ACTOR, sign_in_link
from deskhand.cli.common import database, opened_installation, out, read_settings, run, start_logging
from deskhand.errors import ConfigurationError
from deskhand.installation import Installation
from deskhand.kit.clock import utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.kept import KeptProcess
from deskhand.plugins.registry import PluginManager
from deskhand.supervisor import (
    model_server,
    refuse_taken_port,
    running,
    sole_supervisor,
    stack_parts,
    wait_until_ready,
)
from deskhand.tenants.service import TenantService

app = typer.Typer()


@app.callback()
def main() -> None:
    """Everything at once."""


@app.command()
def up() -> None:
    """Run everything on this machine: PostgreSQL (if embedded), the embedded model, API, worker."""
    settings = read_settings()
    if settings.port == 0:
        raise ConfigurationError("`deskhand up` needs a fixed DESKHAND_PORT, so that people know its address.")
    start_logging(settings, log_format="console" if out.is_terminal else None)
    # Until the event loop takes the signals over, a stop unwinds what was begun instead of leaving it behind.
    for number in _stopping():
        signal.signal(number, _interrupt)
    try:
        refuse_taken_port(settings.host, settings.port)
        with sole_supervisor(settings.data_dir), opened_installation() as installation, model_server(installation):
            ready = run(_until_stopped(installation))
    except KeyboardInterrupt:
        ready = False
    if not ready:
        out.print("Stopped before it was ready.")
        raise typer.Exit(1)


def _stopping() -> list[signal.Signals]:
    """What stops everything, besides Ctrl-C: a terminal that closes does, unless `nohup` said that it shall not."""
    return [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is not signal.SIG_IGN]


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


async def _until_stopped(installation: Installation) -> bool:
    """Run API and worker until a signal; False if it came before they were ready."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, *_stopping()):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # A person reads sentences; the parts' lines go to files then, and to the same output otherwise.
    logs = _log_dir(installation) if out.is_terminal else None
    parts = stack_parts(installation, log_dir=logs)
    async with running(parts):
        if not await _ready(installation, parts, stop):
            return False
        out.print(f"Deskhand is up: {installation.public_url}", highlight=False, soft_wrap=True)
        await _introduce_administrator(installation)
        if logs is not None:
            await _welcome(installation, logs)
        await stop.wait()
    return True


async def _ready(installation: Installation, parts: Sequence[KeptProcess], stop: asyncio.Event) -> bool:
    address = f"http://{installation.settings.host}:{installation.settings.port}/readyz"
    waiting = asyncio.create_task(wait_until_ready(address, parts))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return False
        await waiting
        return True
    finally:
        waiting.cancel()
        stopped.cancel()
        await asyncio.gather(waiting, stopped, return_exceptions=True)


async def _introduce_administrator(installation: Installation) -> None:
    """On the first start, and until somebody has used it: the link that makes the first administrator."""
    async with database(installation) as db, db.platform_session() as session:
        link = await first_administrator(session, actor=ACTOR, now=utc_now())
    if link is not None:
        out.print(f"first administrator: {FIRST_ADMINISTRATOR}, who sets a password here, once, within a day:")
        out.print(link.url(installation.public_url), highlight=False, soft_wrap=True)


async def _welcome(installation: Installation, logs: Path) -> None:
    """Say to a person where things are and what to do next."""
    out.print(f"console  {await _console_link(installation)}", highlight=False, soft_wrap=True)
    out.print(f"API      {installation.public_url}/docs", highlight=False, soft_wrap=True)
    out.print(f"logs     {logs}", highlight=False, soft_wrap=True)
    out.print("Ctrl-C stops everything.")


async def _console_link(installation: Installation) -> str:
    async with database(installation) as db:
        async with db.platform_session() as session:
            plugins = PluginManager.installed()
            service = TenantService(session, secrets=SecretBox(installation.encryption_keys), plugins=plugins)
            tenants = (await service.list_tenants(limit=2, is_active=True)).items
        if not tenants:
            return f"{installation.public_url}/login  (next: sign in as an administrator and make a tenant)"
        # A link signs in to one tenant; which of several the person at the terminal means, nobody knows.
        if len(tenants) > 1:
            return f"{installation.public_url}/login  (`deskhand tenant sign-in TENANT` makes a link that signs in)"
        return f"{await sign_in_link(installation, db, tenants[0].tenant_id)}  (signs in once)"


def _log_dir(installation: Installation) -> Path:
    directory = installation.settings.data_dir / "logs"
    directory.mkdir(parents=True, exist_ok=True)
    return directory

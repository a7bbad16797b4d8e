"""Commands that run something: demo, up, serve, worker, simulator."""

from __future__ import annotations

import asyncio
import signal

import typer
import uvicorn

from deskhand.api import ApiConfig, create_app
from deskhand.cli.common import installation, out, run, settings, start_logging
from deskhand.demo import play
from deskhand.errors import ConfigurationError
from deskhand.installation import Installation
from deskhand.llm.simulator import LlmSimulator
from deskhand.plugins.simulators import SIMULATORS, build_simulator
from deskhand.plugins.simulators import serve as serve_simulator
from deskhand.settings import Settings
from deskhand.supervisor import model_server, running, stack_parts, wait_until_ready
from deskhand.worker import run_worker


def add_commands(app: typer.Typer) -> None:
    """Hang the commands into the main group."""
    app.command()(up)
    app.command()(serve)
    app.command()(worker)
    app.command()(simulator)
    app.command()(demo)


def serve() -> None:
    """Run the API and the console."""
    given = settings()
    start_logging(given)
    with installation() as found:
        uvicorn.run(
            create_app(api_config(found)),
            host=given.host,
            port=given.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
        )


def api_config(found: Installation) -> ApiConfig:
    """The API's part of the settings."""
    return ApiConfig(
        database_url=found.database_url,
        encryption_keys=found.encryption_keys,
        public_url=found.public_url,
        allow_private_addresses=found.settings.allow_private_addresses,
    )


def worker() -> None:
    """Run a worker; any number of them, on any number of machines."""
    given = settings()
    start_logging(given)
    with installation() as found:
        run(run_worker(found))


def up() -> None:
    """Run everything on this machine: PostgreSQL (if embedded), the embedded model, API, worker."""
    given = settings()
    start_logging(given)
    with installation() as found, model_server(found):
        run(_until_stopped(found, given))


async def _until_stopped(found: Installation, given: Settings) -> None:
    if given.port == 0:
        raise ConfigurationError("`deskhand up` needs a fixed DESKHAND_PORT, so that its address can be told.")
    async with running(stack_parts(found)):
        await wait_until_ready(f"http://{given.host}:{given.port}/readyz")
        out.print(f"Deskhand is up: {found.public_url}")
        await stop_signal()


async def stop_signal() -> None:
    """Wait for SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def simulator(
    tool: str = typer.Argument(..., help=f"One of: {', '.join((*SIMULATORS, 'llm'))}."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8090, help="Port to listen on; 0 picks one."),
    api_key: str = typer.Option(
        "", envvar="DESKHAND_SIMULATOR_KEY", help="Key the desk accepts; empty for its own default."
    ),
) -> None:
    """Run a simulated desk (or model gateway) with a web page, for demos, tests and training."""
    if tool == "llm":
        run(_serve_model_gateway(host, port))
        return
    serve_simulator(build_simulator(tool, **({"api_key": api_key} if api_key else {})), host, port)


async def _serve_model_gateway(host: str, port: int) -> None:
    async with LlmSimulator(host=host, port=port) as gateway:
        out.print(f"simulated model gateway (no language model): {gateway.base_url}")
        await stop_signal()


def demo() -> None:
    """File tickets in a simulated desk and read the notes the agent writes on them."""
    raise typer.Exit(run(play.play(settings())))

"""``deskhand simulator``."""

from __future__ import annotations

import secrets

import typer

from deskhand.cli.common import out
from deskhand.kit.parent import end_with_parent
from deskhand.simulators.models import LlmSimulator
from deskhand.simulators.outside import OutsideSimulator
from deskhand.simulators.registry import SIMULATORS, build_simulator, serve

app = typer.Typer()


@app.callback()
def main() -> None:
    """Simulated desks."""


@app.command()
def simulator(
    tool: str = typer.Argument(..., help=f"One of: {', '.join((*SIMULATORS, 'llm', 'outside'))}."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8090, help="Port to listen on; 0 picks one."),
    seed: int = typer.Option(0, help="Decides ids; 0 takes a new one at each start."),
    api_key: str = typer.Option(..., envvar="DESKHAND_SIMULATOR_KEY", help="Key that the simulated desk accepts."),
) -> None:
    """Run a simulated desk (or model gateway) with a web page, for demos, tests and training."""
    end_with_parent()
    if tool == "llm":
        out.print("simulated model gateway (no language model): the address below, followed by /v1")
        serve(LlmSimulator(api_key=api_key).app, host, port)
        return
    if tool == "outside":
        outside = OutsideSimulator(key=api_key, host=host, port=port)
        out.print("simulated chats, receiver of webhooks and API; as connection_extras of a tenant:")
        out.print_json(data=outside.settings())
        serve(outside.build(), host, port)
        return
    serve(build_simulator(tool, api_key=api_key, seed=seed or secrets.randbelow(2**31)), host, port)

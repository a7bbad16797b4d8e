"""``deskhand simulator``."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from email.message import EmailMessage

import typer

from deskhand.cli.common import out, say
from deskhand.kit.parent import end_with_parent
from deskhand.simulators.mail import MailSimulator, in_words
from deskhand.simulators.models import LlmSimulator
from deskhand.simulators.outside import OutsideSimulator
from deskhand.simulators.registry import SIMULATORS, build_simulator, serve

app = typer.Typer()


@app.callback()
def main() -> None:
    """Simulated desks."""


@app.command()
def simulator(
    tool: str = typer.Argument(..., help=f"One of: {', '.join((*SIMULATORS, 'llm', 'outside', 'mail'))}."),
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
    if tool == "mail":
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_take_mail(MailSimulator(host=host, port=port, key=api_key, show=_show_mail)))
        return
    serve(build_simulator(tool, api_key=api_key, seed=seed or secrets.randbelow(2**31)), host, port)


async def _take_mail(simulator: MailSimulator) -> None:
    async with simulator:
        out.print("simulated mail server, which delivers nothing and shows here what it takes; as connection_extras:")
        out.print_json(data={"email": simulator.settings("example.com")})
        await asyncio.Event().wait()


def _show_mail(mail: EmailMessage) -> None:
    # Words of a model, which must not steer the terminal.
    say(f"\n{in_words(mail)}")

"""``make demo``: the whole product on this machine, from a ticket to the note on it.

Everything is real but the desk's vendor: PostgreSQL, API, worker and model run as they would in
production; the desk is the simulator that the tests use. Texts and sources: ``data/README.md``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel

from deskhand.demo.content import load_content
from deskhand.demo.scene import TENANT, Scene, load_credentials, new_tickets, save_credentials
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import ConfigurationError, UnavailableError
from deskhand.installation import Installation, migrate, open_installation
from deskhand.kit.db.session import Database
from deskhand.kit.kept import KeptProcess
from deskhand.kit.log import configure_logging
from deskhand.llm.embedded.models import AUTO, EMBEDDED_MODELS, EmbeddedModel, choose_model
from deskhand.llm.embedded.pull import pull_with_progress
from deskhand.llm.embedded.server import EmbeddedModelServer, faster_than, memory_available
from deskhand.plugins.text import html_to_markdown
from deskhand.settings import Settings
from deskhand.supervisor import model_server, part, running, stack_parts, wait_until_ready

NOTE_SECONDS = 900.0
"""When the demo stops waiting; a run ends by itself long before, with its note or with a reason."""
DONE = tuple(status for status in ExecutionStatus if status.is_final or status is ExecutionStatus.WAITING)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo's parts listen."""

    installation: Installation
    desk_url: str
    log_dir: Path


async def play(settings: Settings) -> int:
    """Run the demo.

    Args:
        settings: The installation's settings; the demo keeps its own database under ``<data_dir>/demo``.

    Returns:
        The exit code: 0 if every ticket got its note.
    """
    console = Console(highlight=False)
    configure_logging(level="ERROR", log_format="console")
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("DEMO_EXIT") != "1"
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await _play(settings, console, interactive=interactive)
    except asyncio.CancelledError:
        console.print("\nStopped.")
        return 130 if not interactive else 0


async def _play(settings: Settings, console: Console, *, interactive: bool) -> int:
    began = time.monotonic()
    console.rule("[bold]Deskhand demo")
    demo = settings.model_copy(
        update={
            "data_dir": settings.data_dir / "demo",
            "port": _free_port(settings.port),
            # The simulated desk listens on loopback, which the product refuses to call otherwise.
            "allow_private_addresses": True,
            "database_url": None,
            "database_owner_url": None,
        }
    )
    models_dir = settings.data_dir / "models"
    await _fetch_model(settings, models_dir, console)
    with ExitStack() as opened:
        installation = await _open(demo, console, opened, began)
        stage = Stage(installation, f"http://127.0.0.1:{_free_port(8090)}", _log_dir(demo))
        model = opened.enter_context(model_server(installation, models_dir=models_dir))
        credentials = load_credentials(demo.data_dir / "credentials.json")
        save_credentials(demo.data_dir / "credentials.json", credentials)
        api, worker = _stack(stage)
        first = [_simulator(stage, credentials.simulator_key), api]
        async with running(first):
            with console.status("starting desk and API"):
                for url in (f"{stage.desk_url}/_sim/", f"{installation.public_url}/readyz"):
                    await wait_until_ready(url, first)
            console.print(f"[green]✓[/] simulated desk and API {_since(began)}")
            if model is not None:
                await _load(model, models_dir, console)
                console.print(f"[green]✓[/] model {model.endpoint().model}, running on this machine {_since(began)}")
            return await _act(stage, worker, console, began, interactive=interactive)


async def _open(demo: Settings, console: Console, opened: ExitStack, began: float) -> Installation:
    """Start PostgreSQL beside the event loop, so that Ctrl-C is heard meanwhile; ``opened`` stops it."""
    with console.status("starting PostgreSQL") as status:
        opening = open_installation(demo)
        start = asyncio.create_task(asyncio.to_thread(opening.__enter__), name="start-postgresql")
        try:
            installation = await asyncio.shield(start)
        finally:
            # Stopped while it starts: what a thread began is finished before it can be undone.
            await asyncio.wait({start})
            if start.exception() is None:
                opened.push(opening)
        console.print(f"[green]✓[/] PostgreSQL (embedded) {_since(began)}")
        status.update("preparing the database")
        console.print(
            f"[green]✓[/] schema {'created' if await asyncio.to_thread(migrate, installation) else 'up to date'}"
        )
    return installation


async def _act(stage: Stage, worker: KeptProcess, console: Console, began: float, *, interactive: bool) -> int:
    installation = stage.installation
    path = installation.settings.data_dir / "credentials.json"
    scene = Scene(installation.public_url, stage.desk_url)
    db = await Database.reach(
        installation.database_url, platform_url=installation.platform_url, prover=installation.prover
    )
    try:
        embedded = installation.settings.llm_base_url is None
        provider, model = ("embedded", AUTO) if embedded else ("litellm", os.environ.get("DEMO_MODEL", "gpt-4"))
        credentials = await scene.prepare(db, load_credentials(path), provider=provider, model=model)
        save_credentials(path, credentials)
        _addresses(console, stage, credentials.api_key, await scene.sign_in_link())
        # Before there is a worker: it would take them up, for tickets that a new desk does not have.
        if left := await scene.cancel_leftovers():
            console.print(f"[green]✓[/] cancelled {left} runs that the last demo left unfinished")
        await load_content(db, TENANT, console)
        async with running([worker]):
            console.print(f"[green]✓[/] worker started, ready {_since(began)}\n")
            failures = await _notes(scene, console)
            _farewell(console, stage, failures, interactive=interactive)
            if interactive:
                await asyncio.Event().wait()
        return 1 if failures else 0
    finally:
        await scene.aclose()
        await db.dispose()


async def _notes(scene: Scene, console: Console) -> int:
    """File the tickets, say how each run goes, print each note; returns how many tickets never got one."""
    filed = {}
    for ticket in new_tickets():
        ticket_id = await scene.file_ticket(ticket)
        filed[ticket_id] = (ticket, time.monotonic())
        console.print(f"filed [bold]{ticket_id}[/]: {ticket['short_description']}")
    failures = 0
    waiting, printed = dict(filed), dict.fromkeys(filed, "")
    with console.status("the agent is at work") as status:
        while waiting:
            await asyncio.sleep(0.5)
            for ticket_id, (ticket, since) in list(waiting.items()):
                execution, state = await look_up(scene, ticket_id)
                if state != printed[ticket_id]:
                    printed[ticket_id] = state
                    console.print(f"[dim]{ticket_id} {_since(since)}[/] {state}")
                verdict = await _verdict(scene, ticket_id, execution, state, since)
                if verdict is None:
                    continue
                del waiting[ticket_id]
                status.stop()
                failures += _show(console, ticket_id, ticket, verdict, time.monotonic() - since)
                status.start()
    return failures


async def look_up(scene: Scene, ticket_id: str) -> tuple[Mapping[str, Any] | None, str]:
    """A ticket's newest run, and how it stands in a line."""
    try:
        execution = await scene.execution_of(ticket_id)
    except UnavailableError:
        # The run may be there and at work: to say that there is none would be a guess. The supervisor starts both
        # again, and the demo asks twice a second.
        return None, "its state cannot be seen now: the API or its database is being started again"
    return execution, state_of(execution)


def state_of(execution: Mapping[str, Any] | None) -> str:
    """How a run stands, in a line; the reason with it where there is one."""
    if execution is None:
        return "no run yet: the desk's event has not been accepted"
    words = str(execution["status"])
    if execution["attempt"] > 1:
        words += f", attempt {execution['attempt']}"
    if execution["status"] == ExecutionStatus.RUNNING:
        words += f", {execution['step_count']} steps"
    if execution["degraded"]:
        words += ", without the model"
    return f"{words}: {execution['error_message']}" if execution["error_message"] else words


async def _verdict(
    scene: Scene, ticket_id: str, execution: Mapping[str, Any] | None, state: str, since: float
) -> Mapping[str, Any] | None:
    """The note if it is on the ticket, the reason if there will be none, None to go on waiting."""
    if execution is not None and execution["status"] in DONE:
        notes = await scene.read_notes(ticket_id)
        # Read back from the desk: the panel shows what a technician sees and not what the product believes it wrote.
        if execution["status"] == ExecutionStatus.COMPLETED and notes:
            return {"note": html_to_markdown(notes[-1]["html"])}
        return {"error": state}
    if time.monotonic() - since > NOTE_SECONDS:
        return {"error": f"not done after {NOTE_SECONDS:.0f} s; at last: {state}"}
    return None


def _show(
    console: Console, ticket_id: str, ticket: Mapping[str, str], verdict: Mapping[str, Any], seconds: float
) -> int:
    title = f"{ticket_id}  {ticket['short_description']}"
    console.print(Panel(f"{ticket['description']}\n[dim]{ticket['caller']}, {ticket['number']}[/]", title=title))
    if "error" in verdict:
        console.print(Panel(f"[red]{verdict['error']}[/]", title="no note", border_style="red"))
        return 1
    subtitle = f"internal note on the ticket, {seconds:.0f} s after it was filed"
    console.print(Panel(Markdown(verdict["note"]), title="the note, read back from the desk", subtitle=subtitle))
    return 0


def _addresses(console: Console, stage: Stage, api_key: str, link: str) -> None:
    console.print(f"\n[bold]console[/]    {link}", soft_wrap=True)
    console.print(f"[bold]desk[/]       {stage.desk_url}/")
    console.print(f"[bold]API[/]        {stage.installation.public_url}/docs")
    console.print(f"[bold]API key[/]    {api_key}   (tenant '{TENANT}', tenant_admin)", soft_wrap=True)
    console.print(f"[bold]logs[/]       {stage.log_dir}\n", soft_wrap=True)


def _farewell(console: Console, stage: Stage, failures: int, *, interactive: bool) -> None:
    if failures:
        console.print(
            f"\n[red]{failures} of {len(new_tickets())} tickets got no note.[/] The reasons stand above; the runs are"
            f" in the console, what the worker said in {stage.log_dir}/worker.log.",
            soft_wrap=True,
        )
    else:
        console.print("\nEvery ticket has its note.")
    if interactive:
        console.print("File a ticket in the desk and watch the console. Ctrl-C stops everything.")


def _simulator(stage: Stage, key: str) -> KeptProcess:
    environment = {**os.environ, "DESKHAND_SIMULATOR_KEY": key}
    port = stage.desk_url.rsplit(":", 1)[1]
    return part(
        "desk", ["simulator", "servicedesk_plus", "--port", port], environment, log_file=stage.log_dir / "desk.log"
    )


def _stack(stage: Stage) -> list[KeptProcess]:
    settings = stage.installation.settings
    extra = {
        "DESKHAND_PORT": str(settings.port),
        "DESKHAND_HOST": "127.0.0.1",
        "DESKHAND_PUBLIC_URL": stage.installation.public_url,
        "DESKHAND_ALLOW_PRIVATE_ADDRESSES": "true",
        # Three tickets at once share one model that answers one at a time.
        "DESKHAND_RUN_TIMEOUT": "240",
        "DESKHAND_LLM_TIMEOUT": "220",
    }
    return stack_parts(stage.installation, log_dir=stage.log_dir, extra=extra)


async def _fetch_model(settings: Settings, directory: Path, console: Console) -> None:
    """Pull the embedded model's file if it is needed and not here."""
    if settings.llm_base_url is not None or settings.model_path is not None:
        return
    if settings.embedded_model == AUTO:
        model = choose_model(memory_available=memory_available())
    elif settings.embedded_model in EMBEDDED_MODELS:
        model = EMBEDDED_MODELS[settings.embedded_model]
    else:
        raise ConfigurationError(f"DESKHAND_EMBEDDED_MODEL: there is no '{settings.embedded_model}'.")
    await _pull(model, directory, console)
    console.print(f"[green]✓[/] model file {model.name}")


async def _pull(model: EmbeddedModel, directory: Path, console: Console) -> None:
    if not (directory / model.filename).is_file():
        console.print(f"{model.name} ({model.size / 1e6:.0f} MB, {model.licence}) is fetched once:")
        await pull_with_progress(model, directory, console=console)


async def _load(server: EmbeddedModelServer, directory: Path, console: Console) -> None:
    """Wait for the model; where this machine is too slow for it, fetch the smaller one and wait for that."""
    with console.status(f"loading {server.model_name}"):
        endpoint = await asyncio.to_thread(server.wait_ready)
    faster = faster_than(endpoint)
    if faster is None:
        return
    console.print(f"{endpoint.model} would take about {endpoint.note_seconds} s for a note on this machine.")
    await _pull(faster, directory, console)
    with console.status(f"loading {faster.name}"):
        await asyncio.to_thread(server.stop)
        server.start()
        await asyncio.to_thread(server.wait_ready)


def _log_dir(settings: Settings) -> Path:
    path = settings.data_dir / "logs"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _free_port(preferred: int) -> int:
    # The usual port if it is free, so that addresses in the tutorial are right; any other rather than none.
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigurationError("No free port on 127.0.0.1.")


def _since(began: float) -> str:
    return f"[dim]{time.monotonic() - began:.1f} s[/]"

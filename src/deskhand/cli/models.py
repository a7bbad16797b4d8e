"""``deskhand models``: the model that runs on this machine, and whether those elsewhere answer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import typer
from rich.table import Table

from deskhand.cli.common import database, opened_installation, out, read_settings, run, say
from deskhand.errors import NotFoundError
from deskhand.gateways import reach, service
from deskhand.gateways.probe import probe
from deskhand.gateways.schemas import INSTALLATION, ConnectionReport
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.nearest import what_exists
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.models import AUTO, EMBEDDED_MODELS, choose_model
from deskhand.llm.embedded.pull import pull_with_progress
from deskhand.llm.embedded.server import memory_available, read_endpoint

app = typer.Typer()
models = typer.Typer(help="The model that runs on this machine, and connections to others.", no_args_is_help=True)
app.add_typer(models, name="models")


@app.callback()
def main() -> None:
    """Models."""


@models.command("list")
def list_models() -> None:
    """Show the embedded models and which are here."""
    directory = read_settings().data_dir / "models"
    chosen = choose_model(memory_available=memory_available()).name
    table = Table("model", "size", "licence", "here", "chosen by auto")
    for model in EMBEDDED_MODELS.values():
        here = (directory / model.filename).is_file()
        table.add_row(
            model.name,
            f"{model.size / 1e6:.0f} MB",
            model.licence,
            "yes" if here else "no",
            "yes" if model.name == chosen else "",
        )
    out.print(table)


@models.command()
def pull(
    name: str = typer.Argument(AUTO, help="Name of a model, or auto for what this machine's memory allows."),
    file: Path | None = typer.Option(None, "--file", exists=True, help="Take this copy instead of downloading one."),
) -> None:
    """Fetch a model; resumes where it stopped and checks the SHA-256."""
    model = choose_model(memory_available=memory_available()) if name == AUTO else EMBEDDED_MODELS.get(name)
    if model is None:
        raise typer.BadParameter(f"there is no model '{name}'; there are {', '.join(EMBEDDED_MODELS)}")
    path = run(pull_with_progress(model, read_settings().data_dir / "models", file=file, console=out))
    out.print(f"{model.name} is here: {path}")


@models.command("test")
def ask_connections(
    connection: str = typer.Argument("", help="Only this one, by its slug; `installation` is that of the settings."),
    *,
    tenant: str = typer.Option("", help="Those that agents of this tenant may use; left out, the platform's."),
    model: str = typer.Option("", help="Ask this model for one word too, which costs a few tokens."),
) -> None:
    """Ask each connection to models what it serves, and say exactly what is wrong; exits with 1 if something is."""
    with opened_installation() as installation:
        reports = run(_reports(installation, tenant, connection, model))
    for slug, report in reports.items():
        say(f"{slug}: {'answers' if report.ok else 'does not work'}")
        for one in report.checks:
            say(f"  {'ok' if one.ok else 'WRONG'} {one.name}: {one.detail}")
    if not all(report.ok for report in reports.values()):
        raise typer.Exit(1)


async def _reports(installation: Installation, tenant: str, slug: str, model: str) -> dict[str, ConnectionReport]:
    ways = await _ways(installation, tenant)
    if slug and slug not in ways:
        raise NotFoundError(f"There is no model connection '{slug}'; {what_exists(slug, ways)}.")
    http = HttpClientFactory(allow_private=installation.settings.allow_private_addresses)
    chosen = {slug: ways[slug]} if slug else ways
    return {name: await probe(way, http, model=model or None) for name, way in chosen.items()}


async def _ways(installation: Installation, tenant: str) -> dict[str, GatewaySettings]:
    """The connections by name, with their keys, read and let go of before any of them is asked."""
    settings, secrets = installation.settings, SecretBox(installation.encryption_keys)
    own = GatewaySettings(
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else None,
        timeout=settings.llm_timeout,
        embedded=partial(read_endpoint, installation.model_state_file),
    )
    async with database(installation) as db:
        if tenant:
            async with db.tenant_session(tenant) as session:
                rows = await service.visible(session, tenant)
        else:
            async with db.platform_session() as session:
                rows = await service.shared(session)
        ways = {row.slug: reach.way_of(row, own, secrets) for row in rows}
    return {INSTALLATION: own if own.base_url else replace(own, kind="embedded"), **ways}

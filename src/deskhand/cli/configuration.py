"""Commands about agents, tools and articles as files: apply, export."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.preflight import preflight
from deskhand.agents.service import AgentService
from deskhand.cli.administration import ACTOR
from deskhand.cli.common import database, err, opened_installation, out, run, say
from deskhand.configuration.articles import Articles
from deskhand.configuration.folder import read_folder, yaml_files
from deskhand.configuration.places import in_file
from deskhand.configuration.rules import Rules
from deskhand.configuration.service import Configuration
from deskhand.configuration.tools import Tools
from deskhand.configuration.values import Action, Export, Folder, Plan, Step
from deskhand.connectors import servers
from deskhand.connectors.errors import SourceError
from deskhand.connectors.values import Described
from deskhand.errors import ConflictError, InvalidInputError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings, list_models
from deskhand.llm.embedded.server import read_endpoint
from deskhand.llm.errors import ModelError
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.service import TenantService

FOLDER = typer.Option(..., "-f", "--folder", help="A folder of YAML files, one agent, tool or article each.")
TENANT = typer.Option(..., "--tenant", help="The tenant's id.")
GATEWAY_SECONDS = 10.0
SIGNS = {Action.CREATE: "+", Action.CHANGE: "~", Action.DELETE: "-", Action.LEFT: "!"}

app = typer.Typer()


class _TrialError(Exception):
    """Ends the transaction of a trial, so that nothing of it stays."""


@app.callback()
def main() -> None:
    """Agents, tools and articles as files."""


@app.command("apply")
def apply_folder(
    folder: Path = FOLDER,
    tenant: str = TENANT,
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would change, and change nothing."),
    prune: bool = typer.Option(False, "--prune", help="Delete what no file says, of the kinds the folder holds."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask before changing."),
) -> None:
    """Make agents, tools, articles what a folder says: shows what changes, asks, then changes all or nothing."""
    if not folder.is_dir():
        raise InvalidInputError(f"{folder} is no folder.")
    files = read_folder(folder)
    with opened_installation() as installation:
        described = run(_described(installation, tenant, files))
        plan = run(_applied(installation, tenant, files, described, prune=prune, trial=True))
        _show(plan)
        if plan.is_empty:
            out.print("Nothing to change.")
            return
        if dry_run:
            out.print("Nothing was changed: --dry-run.")
            return
        if not yes and not typer.confirm("Apply this?"):
            raise typer.Exit(1)
        done = run(_applied(installation, tenant, files, described, prune=prune, shown=plan))
        touched = {step.name for step in done.steps if step.action in (Action.CREATE, Action.CHANGE)}
        warnings = run(_warnings(installation, tenant, touched))
        public_url = installation.public_url
    out.print("Applied.")
    for warning in warnings:
        say(warning, err)
    for secret in done.secrets:
        err.print("A webhook secret was made; it is shown this once:")
        out.print(f"{secret.agent}: {public_url}{secret.webhook_url} {secret.secret}", markup=False, soft_wrap=True)


@app.command("export")
def export_folder(
    folder: Path = FOLDER,
    tenant: str = TENANT,
    overwrite: bool = typer.Option(False, "--overwrite", help="Write over files of the same name."),
) -> None:
    """Write a tenant's agents, tools and articles into a folder, as ``apply`` reads them; secrets stay out."""

    async def read(installation: Installation) -> Export:
        async with database(installation) as db, db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
            return await (await _configuration(installation, session, tenant)).export()

    with opened_installation() as installation:
        export = run(read(installation))
    folder.mkdir(parents=True, exist_ok=True)
    present = [path.name for path in yaml_files(folder)]
    if present and not overwrite:
        raise ConflictError(
            f"{folder} holds {len(present)} YAML files already, first {present[0]}. Export into an empty folder, or say"
            " --overwrite: references to secrets and comments in files of the same name are lost then."
        )
    for name, text in export.files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    out.print(f"{len(export.files)} files written to {folder}", highlight=False)
    for name in sorted(set(present) - export.files.keys()):
        out.print(f"! {name} is of nothing that was exported, and was left", highlight=False, markup=False)
    for name in export.without_credential:
        err.print(f"{name} says no credential: where the tool is not yet, say credential: there", highlight=False)


async def _described(installation: Installation, tenant: str, files: Folder) -> dict[str, Described]:
    """What MCP servers that are to be added say of themselves."""
    async with database(installation) as db, db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        unread = await _tools(installation, session, tenant, {}).unread(files.tools)
    http = _http(installation)
    # Behind the transaction: a server that is slow to answer must not hold rows that others want.
    described = {}
    for file, data in unread:
        try:
            described[file.document.tool_id] = await servers.read_new(data, http)
        except SourceError as error:
            raise in_file(file, error, place=("url",)) from error
    return described


async def _applied(
    installation: Installation,
    tenant: str,
    files: Folder,
    described: Mapping[str, Described],
    *,
    prune: bool,
    trial: bool = False,
    shown: Plan | None = None,
) -> Plan:
    """Apply in one transaction; a trial does the same and takes it back, so a plan that is shown can be done."""
    plan: Plan | None = None
    try:
        async with database(installation) as db, db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
            configuration = await _configuration(installation, session, tenant, described)
            plan = await configuration.apply(files, prune=prune)
            if shown is not None and plan.digest() != shown.digest():
                raise ConflictError(
                    "Somebody changed agents, tools or articles meanwhile, so nothing was changed. Apply again."
                )
            if trial:
                raise _TrialError
    except _TrialError:
        pass
    assert plan is not None  # whatever else ends the transaction is raised
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """What a preflight goes through, made of the settings of this command."""

    db: Database
    secrets: SecretBox
    plugins: PluginManager
    http: HttpClientFactory
    gateway: GatewaySettings


async def _warnings(installation: Installation, tenant: str, names: Collection[str]) -> list[str]:
    """What will fail when these agents run; asked after the commit, because others may be slow to answer."""
    async with database(installation) as db:
        async with db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
            agents = await (await _configuration(installation, session, tenant)).active(names)
        reach = _Reach(
            db=db,
            secrets=SecretBox(installation.encryption_keys),
            plugins=PluginManager.installed(),
            http=HttpClientFactory(allow_private=installation.settings.allow_private_addresses),
            gateway=_gateway(installation),
        )
        told = await asyncio.gather(*(preflight(agent, reach) for agent in agents))
    return [f"warning: {agent.name}: {sentence}" for agent, said in zip(agents, told, strict=True) for sentence in said]


def _http(installation: Installation) -> HttpClientFactory:
    settings = installation.settings
    return HttpClientFactory(allow_private=settings.allow_private_addresses, commands=settings.mcp_commands)


def _tools(installation: Installation, session: AsyncSession, tenant: str, described: Mapping[str, Described]) -> Tools:
    return Tools(
        session=session,
        tenant_id=tenant,
        actor=ACTOR,
        secrets=SecretBox(installation.encryption_keys),
        environment=os.environ,
        http=_http(installation),
        described=described,
    )


async def _configuration(
    installation: Installation,
    session: AsyncSession,
    tenant: str,
    described: Mapping[str, Described] | None = None,
) -> Configuration:
    secrets = SecretBox(installation.encryption_keys)
    return Configuration(
        session,
        tenant_id=tenant,
        actor=ACTOR,
        agents=await agent_service(installation, session, tenant),
        tools=_tools(installation, session, tenant, described or {}),
        articles=Articles(session=session, tenant_id=tenant, actor=ACTOR),
        rules=Rules(session=session, tenant_id=tenant, actor=ACTOR, secrets=secrets, plugins=PluginManager.installed()),
        secrets=secrets,
        environment=os.environ,
    )


async def agent_service(installation: Installation, session: AsyncSession, tenant: str) -> AgentService:
    """The agents of a tenant, as the API has them.

    Raises:
        NotFoundError: There is no such tenant.
    """
    secrets, plugins = SecretBox(installation.encryption_keys), PluginManager.installed()
    await TenantService(session, secrets=secrets, plugins=plugins).get_tenant(tenant)
    return AgentService(
        session,
        tenant_id=tenant,
        actor=ACTOR,
        secrets=secrets,
        plugins=plugins,
        listed_models=await _listed_models(installation),
    )


async def _listed_models(installation: Installation) -> list[str]:
    """What the gateway lists; without it agents still use the known models, as over the API."""
    try:
        return await list_models(_gateway(installation), HttpClientFactory(allow_private=True))
    except ModelError as error:
        err.print(f"The gateway does not list its models: {escape(error.detail)}", highlight=False)
        return []


def _gateway(installation: Installation) -> GatewaySettings:
    settings = installation.settings
    return GatewaySettings(
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else None,
        timeout=GATEWAY_SECONDS,
        embedded=partial(read_endpoint, installation.model_state_file),
    )


def _show(plan: Plan) -> None:
    for step in plan.steps:
        if step.action in SIGNS:
            say("\n".join(_lines(step)))
    counts = {action: sum(step.action is action for step in plan.steps) for action in Action}
    say(
        f"Plan: {counts[Action.CREATE]} to create, {counts[Action.CHANGE]} to change,"
        f" {counts[Action.DELETE]} to delete, {counts[Action.UNCHANGED]} unchanged."
    )


def _lines(step: Step) -> list[str]:
    said = step.note or step.file or ""
    lines = [f"{SIGNS[step.action]} {step.action.value} {step.name}" + (f" ({said})" if said else "")]
    lines += [f"    {change.pointer}: {_value(change.before)} → {_value(change.after)}" for change in step.changes]
    lines += [f"    {line}" for line in step.prompt_diff]
    for one in step.drift:
        fields = f": {', '.join(one.fields)}" if one.fields else ""
        lines.append(f"    drift: {one.actor}, {one.at:%Y-%m-%d %H:%M} UTC, {one.operation}{fields}")
    return lines


def _value(value: object) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)

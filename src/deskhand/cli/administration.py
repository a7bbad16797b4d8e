"""Commands for administrators: tenants, the audit log, desks' set-up pages, a check-up."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import typer

from deskhand.access import service as access
from deskhand.audit import service as audit
from deskhand.audit.export import Format
from deskhand.audit.filters import AuditFilters
from deskhand.cli.common import checked, database, err, opened_installation, out, read_json_file, run
from deskhand.cli.erasure import erase
from deskhand.cli.moving import export_tenant, import_tenant
from deskhand.errors import InvalidInputError
from deskhand.installation import Installation
from deskhand.kit.clock import utc_now
from deskhand.kit.crypto import SecretBox, new_webhook_secret
from deskhand.kit.db.session import Database
from deskhand.kit.secret_strength import is_strong
from deskhand.notifications.service import note_broken_chains
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.schemas import TenantConfigCreate
from deskhand.tenants.service import TenantService

ACTOR = access.COMMAND_LINE

tenants_app = typer.Typer(help="Tenants.", no_args_is_help=True)
audit_app = typer.Typer(help="The audit log.", no_args_is_help=True)
desk_app = typer.Typer(help="Setting up a desk.", no_args_is_help=True)


app = typer.Typer()
for _name, _group in (("tenant", tenants_app), ("audit", audit_app), ("desk", desk_app)):
    app.add_typer(_group, name=_name)


@app.callback()
def main() -> None:
    """Administration."""


@tenants_app.command("create")
def create_tenant(
    file: Path = typer.Argument(
        ..., exists=True, dir_okay=False, help="JSON as the API takes it (POST /api/v1/tenants)."
    ),
) -> None:
    """Create a tenant from a file."""
    data = checked(TenantConfigCreate, read_json_file(file))

    async def make(installation: Installation) -> str:
        async with database(installation) as db, db.platform_session() as session:
            plugins = PluginManager.installed()
            service = TenantService(session, secrets=SecretBox(installation.encryption_keys), plugins=plugins)
            return (await service.create_tenant(data, actor=ACTOR)).tenant_id

    with opened_installation() as installation:
        out.print(f"created tenant {run(make(installation))}")


@tenants_app.command("list")
def list_tenants() -> None:
    """Show the tenants."""

    async def read(installation: Installation) -> list[tuple[str, str, str, bool]]:
        async with database(installation) as db, db.platform_session() as session:
            plugins = PluginManager.installed()
            service = TenantService(session, secrets=SecretBox(installation.encryption_keys), plugins=plugins)
            page = await service.list_tenants(limit=200)
            return [(t.tenant_id, t.name, t.tool_type, t.is_active) for t in page.items]

    with opened_installation() as installation:
        for tenant_id, name, tool_type, active in run(read(installation)):
            out.print(f"{tenant_id}  {name}  {tool_type}  {'active' if active else 'inactive'}", highlight=False)


tenants_app.command("export")(export_tenant)
tenants_app.command("import")(import_tenant)
tenants_app.command("erase")(erase)


@tenants_app.command("sign-in")
def sign_in(tenant: str = typer.Argument(..., help="The tenant's id.")) -> None:
    """Print a link that signs one person in to the console as the tenant's administrator, once."""

    async def make(installation: Installation) -> str:
        async with database(installation) as db:
            return await sign_in_link(installation, db, tenant)

    with opened_installation() as installation:
        out.print(run(make(installation)), highlight=False, soft_wrap=True)


async def sign_in_link(installation: Installation, db: Database, tenant_id: str) -> str:
    """A link to the console that works once, within minutes.

    Raises:
        NotFoundError: No such tenant.
    """
    async with db.tenant_session(tenant_id) as session:
        plugins = PluginManager.installed()
        await TenantService(session, secrets=SecretBox(installation.encryption_keys), plugins=plugins).get_tenant(
            tenant_id
        )
        token, _ = await access.create_sign_in_token(
            session, tenant_id=tenant_id, actor=ACTOR, role="tenant_admin", now=utc_now()
        )
    return f"{installation.public_url}/login?token={token}"


@audit_app.command("verify")
def verify_audit() -> None:
    """Check every tenant's chain; exits with 1 if one is broken."""

    async def check(installation: Installation) -> list[audit.ChainReport]:
        async with database(installation) as db, db.platform_session() as session:
            reports = await audit.verify(session)
            await note_broken_chains(session, reports)
            return reports

    with opened_installation() as installation:
        reports = run(check(installation))
    for report in reports:
        verdict = "intact" if report.ok else f"BROKEN at entry {report.broken_at}: {report.reason}"
        name = report.tenant_id or "(platform)"
        out.print(f"{name}: {report.entries} entries, {verdict}, head {report.head[:16]}", highlight=False)
    # An exit code, because this is run by cron: somebody must hear of a broken chain.
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


@audit_app.command("export")
def export_audit(
    tenant: str = typer.Argument("", help="The tenant's id."),
    of_platform: bool = typer.Option(False, "--platform", help="What was done in no tenant, instead."),
    as_csv: bool = typer.Option(False, "--csv", help="CSV for spreadsheets instead of JSON Lines."),
    since: datetime | None = typer.Option(None, formats=["%Y-%m-%d"], help="Only from this day on (UTC)."),
) -> None:
    """Write a log to the standard output, oldest first, each entry with its hash."""
    if bool(tenant) == of_platform:
        raise InvalidInputError("Name the tenant whose log you want, or --platform.")
    filters = AuditFilters(since=since.replace(tzinfo=UTC) if since is not None else None)

    async def write(installation: Installation) -> None:
        form: Format = "csv" if as_csv else "jsonl"
        async with (
            database(installation) as db,
            db.platform_session() if of_platform else db.tenant_session(tenant) as session,
        ):
            async for part in audit.export(session, tenant_id=tenant, filters=filters, form=form):
                sys.stdout.write(part)

    with opened_installation() as installation:
        run(write(installation))


@desk_app.command("setup")
def setup_desk(
    tool: str = typer.Argument(..., help="Which desk, e.g. servicedesk_plus."),
    url: str = typer.Option(..., "--webhook-url", help="The agent's webhook URL, as the desk reaches it."),
    secret: str = typer.Option("", "--secret", help="The agent's webhook secret; left out, a new one is proposed."),
) -> None:
    """Print what to paste into the desk, filled in."""
    plugin = PluginManager.installed().get_plugin(tool)
    # A warning and no refusal: the desk may already send with this secret, and the page is needed to change it.
    if secret and not is_strong(secret):
        err.print("This secret can be guessed. Leave out --secret, and store the one that is proposed in Deskhand too.")
    out.print(plugin.setup_guide(webhook_url=url, secret=secret or new_webhook_secret()), markup=False, soft_wrap=True)

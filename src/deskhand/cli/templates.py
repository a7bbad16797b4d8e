"""Commands about agents to begin from: templates, agent new."""

from __future__ import annotations

import typer

from deskhand.agents.bodies import AgentPost
from deskhand.agents.models import Agent
from deskhand.agents.service import Made
from deskhand.agents.templates.catalogue import agent_from, find_template, templates
from deskhand.cli.common import checked, database, err, opened_installation, out, run
from deskhand.cli.configuration import TENANT, agent_service
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.service import TenantService

templates_app = typer.Typer(help="Agents to begin from.", no_args_is_help=True)
agents_app = typer.Typer(help="Agents.", no_args_is_help=True)

app = typer.Typer()
for _name, _group in (("templates", templates_app), ("agent", agents_app)):
    app.add_typer(_group, name=_name)


@app.callback()
def main() -> None:
    """Agents to begin from."""


@templates_app.command("list")
def list_templates() -> None:
    """Show the agents to begin from."""
    for template in templates().values():
        out.print(f"{template.slug}  {template.document.description}", highlight=False, markup=False, soft_wrap=True)


@templates_app.command("show")
def show_template(slug: str = typer.Argument(..., help="Which one, e.g. triage.")) -> None:
    """Print a template as a file that ``deskhand apply`` reads."""
    out.print(find_template(slug).text, end="", highlight=False, markup=False, soft_wrap=True)


@agents_app.command("new")
def new_agent(
    template: str = typer.Option(..., "--template", help="What to begin from: see `deskhand templates list`."),
    tenant: str = TENANT,
    name: str | None = typer.Option(None, "--name", help="Its name; left out, the template's."),
    model: str | None = typer.Option(None, "--model", help="Its model; left out, the template's."),
    desk: str | None = typer.Option(None, "--desk", help="For which desk; left out, the tenant's own."),
) -> None:
    """Make a draft from a template; change what is an example in it, and activate it."""
    chosen = find_template(template)

    async def make(installation: Installation) -> tuple[Agent, Made]:
        secrets, plugins = SecretBox(installation.encryption_keys), PluginManager.installed()
        async with database(installation) as db, db.tenant_session(tenant) as session:
            agents = await agent_service(installation, session, tenant)
            own_desk = (await TenantService(session, secrets=secrets, plugins=plugins).get_tenant(tenant)).tool_type
            body = agent_from(chosen, desk=desk or own_desk, plugins=plugins)
            body |= {"name": name} if name else {}
            body["llm_config"] |= {"model": model} if model else {}
            return await agents.create_agent(checked(AgentPost, body))

    with opened_installation() as installation:
        agent, made = run(make(installation))
        public_url = installation.public_url
    out.print(f"draft {agent.id}: {agent.name}", highlight=False, markup=False, soft_wrap=True)
    for secret in made.values():
        err.print("The secret of its webhook is shown this once:")
        out.print(f"{public_url}/agents/{agent.id}/webhook {secret}", highlight=False, markup=False, soft_wrap=True)

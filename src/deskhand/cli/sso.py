"""``deskhand sso``: the identity providers with which people sign in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.models import IdentityProvider
from deskhand.access.sso import providers
from deskhand.access.sso.schemas import (
    DEFAULT_SCOPES,
    InstallationProviderChange,
    InstallationProviderCreate,
    ProviderChange,
    ProviderCreate,
)
from deskhand.access.sso.signing_in import redirect_uri
from deskhand.cli.administration import ACTOR
from deskhand.cli.common import checked, database, err, opened_installation, out, read_settings, run
from deskhand.errors import InvalidInputError
from deskhand.installation import Installation
from deskhand.kit.clock import utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.oidc.client import OidcClient

T = TypeVar("T")
OF_INSTALLATION = "The tenant whose own provider it is; left out for one of the installation."
PROVIDER = "Its id, as `deskhand sso list` shows it."

sso = typer.Typer(help="Identity providers with which people sign in.", no_args_is_help=True)
app = typer.Typer()
app.add_typer(sso, name="sso")


@app.callback()
def main() -> None:
    """Single sign-on."""


@sso.command()
def add(
    name: str = typer.Argument(..., help="What the button says, after “Sign in with”."),
    *,
    issuer: str = typer.Option(..., help="Exactly as the provider writes it."),
    client_id: str = typer.Option(..., help="By which the provider knows this installation."),
    rule: list[str] = typer.Option(
        ...,
        help="GROUP=ROLE with --tenant; else GROUP=TENANT:ROLE, or GROUP=platform_admin. Several: the first that fits.",
    ),
    tenant: str = typer.Option("", help=OF_INSTALLATION),
    secret_file: Path | None = typer.Option(None, help="File with the client secret; left out, it is asked for."),
    groups_claim: str = typer.Option("groups", help="The claim that lists a person's groups."),
    scopes: str = typer.Option(DEFAULT_SCOPES, help="What is asked for, separated by spaces."),
    email_domain: list[str] = typer.Option(
        [], help="A domain whose verified addresses the provider may connect to accounts that exist."
    ),
) -> None:
    """Let people sign in with an identity provider, and print what to enter there."""
    values = {
        "name": name,
        "issuer": issuer,
        "client_id": client_id,
        "client_secret": _secret(secret_file),
        "role_rules": [_rule(one, of_tenant=bool(tenant)) for one in rule],
        "groups_claim": groups_claim,
        "scopes": scopes,
        "email_domains": email_domain,
    }
    data: ProviderCreate | InstallationProviderCreate
    data = checked(ProviderCreate, values) if tenant else checked(InstallationProviderCreate, values)

    async def make(session: AsyncSession, secrets: SecretBox, oidc: OidcClient) -> IdentityProvider:
        made = await providers.create_provider(
            session, tenant_id=tenant or None, data=data, secrets=secrets, oidc=oidc, actor=ACTOR
        )
        # Before it is stored: a provider that cannot be reached, or is another one, is a slip somebody is here to mend.
        await oidc.metadata(providers.relation_of(made, secrets), now=utc_now())
        return made

    made, installation = _on_platform(make)
    err.print("Enter at the provider, as where it may send people back to and where they come to after sign-out:")
    for address in (redirect_uri(installation.public_url, made.id), f"{installation.public_url}/login"):
        out.print(address, highlight=False, markup=False, soft_wrap=True)
    if tenant:
        err.print("The button is shown to whoever opens this address, and afterwards in the same browser:")
        out.print(f"{installation.public_url}/login?via={made.id}", highlight=False, markup=False, soft_wrap=True)


@sso.command("list")
def show(tenant: str = typer.Option("", help=OF_INSTALLATION)) -> None:
    """Show the identity providers of a tenant, or of the installation."""

    async def read(session: AsyncSession, _secrets: SecretBox, _oidc: OidcClient) -> list[str]:
        page = await providers.list_providers(session, tenant_id=tenant or None, limit=providers.MOST)
        return ["  ".join([str(one.id), one.name, one.issuer, *_states(one), _rules(one)]) for one in page.items]

    for line in _on_platform(read)[0]:
        out.print(line, highlight=False, markup=False, soft_wrap=True)


@sso.command("switch-off")
def switch_off(
    provider: UUID = typer.Argument(..., help=PROVIDER),
    tenant: str = typer.Option("", help=OF_INSTALLATION),
    undo: bool = typer.Option(False, "--undo", help="Let people sign in with it again."),
) -> None:
    """Let nobody sign in with a provider; the sessions that it opened end at once."""
    change = (ProviderChange if tenant else InstallationProviderChange)(is_active=undo)

    _change(provider, tenant, change)
    out.print(f"{provider} is switched {'on' if undo else 'off'}.", highlight=False, markup=False)


@sso.command()
def remove(
    provider: UUID = typer.Argument(..., help=PROVIDER), tenant: str = typer.Option("", help=OF_INSTALLATION)
) -> None:
    """Remove a provider; the sessions and roles that it gave go with it."""

    async def work(session: AsyncSession, _secrets: SecretBox, _oidc: OidcClient) -> None:
        await providers.remove_provider(session, tenant_id=tenant or None, provider_id=provider, actor=ACTOR)

    _on_platform(work)
    out.print(f"{provider} is removed.", highlight=False, markup=False)


@sso.command()
def trust(
    provider: UUID = typer.Argument(..., help=PROVIDER),
    tenant: str = typer.Option("", help="Refused: a tenant's own provider is not trusted with it."),
    undo: bool = typer.Option(False, "--undo", help="Ask for the second factor here again; open sessions at once."),
) -> None:
    """Ask for no second factor where a provider of the installation says that it did (`mfa` in the token's `amr`)."""
    values = {"vouches_for_second_factor": not undo}
    change = checked(ProviderChange, values) if tenant else checked(InstallationProviderChange, values)

    _change(provider, tenant, change)
    state = "not trusted" if undo else "trusted"
    out.print(f"{provider} is {state} with the second factor.", highlight=False, markup=False)


def _change(provider: UUID, tenant: str, change: ProviderChange | InstallationProviderChange) -> None:
    async def work(session: AsyncSession, secrets: SecretBox, _oidc: OidcClient) -> None:
        await providers.change_provider(
            session,
            tenant_id=tenant or None,
            provider_id=provider,
            data=change,
            secrets=secrets,
            actor=ACTOR,
            now=utc_now(),
        )

    _on_platform(work)


def _on_platform(
    work: Callable[[AsyncSession, SecretBox, OidcClient], Awaitable[T]],
) -> tuple[T, Installation]:
    """Run ``work`` in a transaction across tenants, with the keys and the door out that the installation has."""
    oidc = OidcClient(HttpClientFactory(allow_private=read_settings().allow_private_addresses))

    async def execute(installation: Installation) -> T:
        async with database(installation) as db, db.platform_session() as session:
            return await work(session, SecretBox(installation.encryption_keys), oidc)

    with opened_installation() as installation:
        return run(execute(installation)), installation


def _secret(file: Path | None) -> str:
    if file is None:
        # Not an option: it would stay in the shell's history and in the list of processes.
        return str(typer.prompt("Client secret", hide_input=True, err=True))
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{file} cannot be read: {error}.") from error


def _rule(text: str, *, of_tenant: bool) -> dict[str, str]:
    group, equals, right = text.rpartition("=")
    if not equals:
        raise InvalidInputError(f"--rule '{text}' must read GROUP={'ROLE' if of_tenant else 'TENANT:ROLE'}.")
    tenant, colon, role = right.rpartition(":")
    return {"group": group, "role": role, **({"tenant_id": tenant} if colon else {})}


def _states(provider: IdentityProvider) -> list[str]:
    trusted = ["trusted with the second factor"] if provider.vouches_for_second_factor else []
    return ["good" if provider.is_active else "switched off", *trusted]


def _rules(provider: IdentityProvider) -> str:
    return ", ".join(
        f"{rule['group']}={rule['tenant_id'] + ':' if rule.get('tenant_id') else ''}{rule['role']}"
        for rule in provider.role_rules
    )

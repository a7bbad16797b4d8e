"""``deskhand sso``: what a person types, and what is refused in words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select
from tests.conftest import DatabaseUrls, MakeTenant
from tests.support.identity import CLIENT_SECRET, Pretender, pretender
from tests.support.logins import TENANT_KEY
from typer.testing import CliRunner, Result

from deskhand.access.models import IdentityProvider
from deskhand.cli.sso import app
from deskhand.errors import DeskhandError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database

KEY = Fernet.generate_key().decode()
Deskhand = Callable[..., "asyncio.Future[Result]"]


@pytest.fixture
async def source() -> AsyncIterator[Pretender]:
    async with pretender() as made:
        yield made


@pytest.fixture
def deskhand(
    clean_db: Database, database_urls: DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Deskhand:
    settings = {
        "DATABASE_URL": database_urls.app_url,
        "DATABASE_PLATFORM_URL": database_urls.platform_url,
        "TENANT_KEY": TENANT_KEY,
        "ENCRYPTION_KEYS": KEY,
        "DATA_DIR": str(tmp_path),
        "PUBLIC_URL": "https://deskhand.example.com",
        "ALLOW_PRIVATE_ADDRESSES": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"DESKHAND_{name}", value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, typed: str = "") -> asyncio.Future[Result]:
        call = asyncio.to_thread(CliRunner().invoke, app, ["sso", *arguments], input=typed)
        return asyncio.ensure_future(call)

    return run


def refusal(result: Result) -> str:
    """What a command that refused would print."""
    assert isinstance(result.exception, DeskhandError), result.output
    return " ".join([result.exception.detail, *(fault.pointer for fault in result.exception.errors)])


async def test_a_provider_is_added_switched_off_and_removed(
    clean_db: Database, deskhand: Deskhand, make_tenant: MakeTenant, source: Pretender
) -> None:
    await make_tenant("acme")
    rules = ["--rule", "Service=desk=operator", "--rule", "All=viewer"]
    added = await deskhand(
        *("add", "Acme", "--tenant", "acme", "--issuer", source.url, "--client-id", "deskhand", *rules),
        typed=f"{CLIENT_SECRET}\n",
    )
    assert added.exit_code == 0, added.output
    (provider,) = set(re.findall(r"https://deskhand\.example\.com/login/sso/([0-9a-f-]+)/callback", added.output))
    assert f"https://deskhand.example.com/login?via={provider}" in added.output
    assert CLIENT_SECRET not in added.output
    async with clean_db.platform_session() as session:
        stored = (await session.scalars(select(IdentityProvider))).one()
    assert SecretBox([KEY]).decrypt(stored.client_secret_encrypted) == CLIENT_SECRET
    listed = await deskhand("list", "--tenant", "acme")
    assert f"{provider}  Acme  {source.url}  good  Service=desk=operator, All=viewer" in listed.output

    assert refusal(await deskhand("switch-off", provider)).startswith("There is no identity provider"), (
        "not everybody's"
    )
    assert (await deskhand("switch-off", provider, "--tenant", "acme")).exit_code == 0
    assert "switched off" in (await deskhand("list", "--tenant", "acme")).output
    assert (await deskhand("remove", provider, "--tenant", "acme")).exit_code == 0
    assert (await deskhand("list", "--tenant", "acme")).output == ""


async def test_a_slip_is_told_and_nothing_is_stored(deskhand: Deskhand, source: Pretender, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{CLIENT_SECRET}\n")
    good = {"--issuer": source.url, "--client-id": "d", "--rule": "A=platform_admin", "--secret-file": str(secret)}
    slips = {
        ("--rule", "A"): "must read GROUP=TENANT:ROLE",
        ("--rule", "A=viewer"): "/role_rules",
        ("--issuer", f"{source.url}/other"): "answers in a way",
        ("--issuer", "login.example.com"): "/issuer",
        ("--secret-file", str(tmp_path / "no")): "cannot be read",
        ("--email-domain", "@acme.example"): "/email_domains/0",
    }
    for (option, value), words in slips.items():
        options = [part for pair in {**good, option: value}.items() for part in pair]
        assert words in refusal(await deskhand("add", "Contoso", *options)), option
    assert (await deskhand("list")).output == ""
    added = await deskhand("add", "Contoso", *[part for pair in good.items() for part in pair])
    assert (added.exit_code, "via=" in added.output) == (0, False), added.output


async def test_a_provider_of_the_installation_is_trusted_with_the_second_factor_and_a_tenants_is_not(
    deskhand: Deskhand, make_tenant: MakeTenant, source: Pretender, tmp_path: Path
) -> None:
    await make_tenant("acme")
    secret = tmp_path / "secret"
    secret.write_text(CLIENT_SECRET)
    common = ["--issuer", source.url, "--client-id", "d", "--secret-file", str(secret)]
    added = await deskhand("add", "Contoso", *common, "--rule", "A=platform_admin")
    own = await deskhand("add", "Acme", *common, "--rule", "A=viewer", "--tenant", "acme")
    one, tenants = (re.findall(r"/login/sso/([0-9a-f-]+)/callback", made.output)[0] for made in (added, own))
    assert (await deskhand("trust", one)).exit_code == 0
    assert "good  trusted with the second factor  A=platform_admin" in (await deskhand("list")).output
    assert (await deskhand("trust", one, "--undo")).exit_code == 0
    assert "trusted" not in (await deskhand("list")).output
    assert "/vouches_for_second_factor" in refusal(await deskhand("trust", tenants, "--tenant", "acme"))
    assert "There is no identity provider" in refusal(await deskhand("trust", tenants))

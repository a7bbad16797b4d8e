"""``deskhand models test``: which connections are asked, what is said of each, and how it exits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from tests.conftest import DatabaseUrls, MakeTenant
from tests.support.logins import TENANT_KEY
from typer.testing import CliRunner, Result

from deskhand.cli.models import app
from deskhand.errors import NotFoundError
from deskhand.gateways.models import ModelConnection, SharedModelConnection
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.simulators.models import LlmSimulator

KEY, MODELS_KEY = Fernet.generate_key().decode(), "sk-of-the-gateway"
Deskhand = Callable[..., "asyncio.Future[Result]"]


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
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"DESKHAND_{name}", value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> asyncio.Future[Result]:
        return asyncio.ensure_future(asyncio.to_thread(CliRunner().invoke, app, ["models", "test", *arguments]))

    return run


async def test_each_connection_is_told_by_what_was_found(
    deskhand: Deskhand, clean_db: Database, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_tenant("acme")
    async with LlmSimulator(api_key=MODELS_KEY, models=("house-large",)) as gate:
        monkeypatch.setenv("DESKHAND_LLM_BASE_URL", gate.base_url)
        monkeypatch.setenv("DESKHAND_LLM_API_KEY", MODELS_KEY)
        values = {"kind": "litellm_proxy", "name": "House", "base_url": gate.base_url}
        good = SecretBox([KEY]).encrypt(MODELS_KEY)
        async with clean_db.platform_session() as session:
            session.add(SharedModelConnection(slug="shared", api_key_encrypted=good, **values))
            session.add(SharedModelConnection(slug="broken", tenants=["nobody"], **values))
        async with clean_db.tenant_session("acme") as session:
            session.add(ModelConnection(tenant_id="acme", slug="own", api_key_encrypted=good, **values))

        every = await deskhand()
        assert every.exit_code == 1, every.output
        assert "installation: answers" in every.output
        assert "shared: answers" in every.output
        assert "broken: does not work" in every.output
        assert "own" not in every.output
        assert MODELS_KEY not in every.output

        one = await deskhand("shared", "--tenant", "acme", "--model", "house-large")
        assert (one.exit_code, one.output.count("ok")) == (0, 2), one.output
        assert "'house-large' answered." in one.output
        # A tenant's own address passes the guard, and loopback is none that it may send us to.
        own = await deskhand("own", "--tenant", "acme")
        assert own.exit_code == 1
        assert "cannot be called" in " ".join(own.output.split())
        lost = await deskhand("broken", "--tenant", "acme")
        assert isinstance(lost.exception, NotFoundError)

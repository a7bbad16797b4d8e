from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from tests.conftest import DatabaseUrls
from tests.support.api import Api, running_api
from tests.support.logins import KEY, TENANT_KEY
from typer.testing import CliRunner

from deskhand.cli import app as command_line
from deskhand.cli.common import tell
from deskhand.kit.db.session import Database


@dataclass
class Commands:
    """The command line on the test's database."""

    api: Api
    tenant: str
    client: httpx2.AsyncClient

    async def run(self, *arguments: str, tenant: str | None = None, code: int = 0, answer: str = "") -> str:
        """What a command says; in a thread, because it has an event loop of its own."""

        def invoke() -> str:
            result = CliRunner().invoke(
                command_line, [*arguments, "--tenant", tenant or self.tenant], input=answer, env={"COLUMNS": "300"}
            )
            if isinstance(result.exception, Exception):
                error = result.exception
                faults = (
                    [f"{fault.pointer}: {fault.detail}" for fault in getattr(error, "errors", ())]
                    if tell(error)
                    else []
                )
                assert tell(error), result.exc_info
                assert result.exit_code == code, (error, faults)
                return "\n".join([getattr(error, "detail", ""), *faults])
            assert result.exit_code == code, result.output
            return result.output

        return await asyncio.to_thread(invoke)

    async def apply(self, folder: Path, *options: str, **how: object) -> str:
        return await self.run("apply", "-f", str(folder), "--yes", *options, **how)  # type: ignore[arg-type]

    async def export(self, folder: Path, *options: str, **how: object) -> dict[str, str]:
        await self.run("export", "-f", str(folder), *options, **how)  # type: ignore[arg-type]
        return {path.name: path.read_text() for path in sorted(folder.iterdir())}


@pytest.fixture
async def commands(
    clean_db: Database, database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Commands]:
    key = KEY
    monkeypatch.setenv("DESKHAND_DATABASE_URL", database_urls.app_url)
    monkeypatch.setenv("DESKHAND_DATABASE_PLATFORM_URL", database_urls.platform_url)
    monkeypatch.setenv("DESKHAND_TENANT_KEY", TENANT_KEY)
    monkeypatch.setenv("DESKHAND_ENCRYPTION_KEYS", key)
    monkeypatch.setenv("DESKHAND_DATA_DIR", str(tmp_path / "data"))
    async with running_api(database_urls.app_url, key=key) as api:
        yield Commands(api, "acme", await api.tenant("acme"))

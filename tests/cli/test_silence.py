"""API and worker that live and answer nobody any more are ended and started again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from tests.cli.test_up import free_port
from tests.conftest import DatabaseUrls
from tests.support.logins import TENANT_KEY
from tests.support.product import until

from deskhand.installation import Installation, open_installation
from deskhand.kit.kept import Patience
from deskhand.settings import load_settings
from deskhand.supervisor import running, stack_parts

PATIENCE = Patience(every=0.2, limit=5.0, misses=2, grace=0.1)


@pytest.fixture
def installation(
    database_urls: DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    values = {
        "DATABASE_URL": database_urls.app_url,
        "DATABASE_PLATFORM_URL": database_urls.platform_url,
        "TENANT_KEY": TENANT_KEY,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DATA_DIR": str(tmp_path),
        "PORT": str(free_port()),
        "LLM_BASE_URL": "http://127.0.0.1:9/v1",  # named, so that no model is needed; never called here
    }
    for name, value in values.items():
        monkeypatch.setenv(f"DESKHAND_{name}", value)
    with open_installation(load_settings()) as installation:
        yield installation


async def test_what_answers_nobody_any_more_is_started_again(installation: Installation, tmp_path: Path) -> None:
    parts = stack_parts(installation, log_dir=tmp_path, patience=PATIENCE)
    assert [part.name for part in parts] == ["serve", "worker"]

    async def heard() -> bool:
        return all(part.answered for part in parts)

    async with running(parts):
        await until(heard, patience=200)
        frozen = [part.pid for part in parts]
        for pid in frozen:
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)

        async def started_anew() -> bool:
            return all(part.restarts > 0 for part in parts) and await heard()

        await until(started_anew, patience=200)
        assert not set(frozen) & {part.pid for part in parts}

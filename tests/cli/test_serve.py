"""``deskhand serve`` refuses a login on which tenants would not be kept apart, before it listens and in a sentence."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from tests.conftest import DatabaseUrls
from tests.support.program import deskhand


def _serve(url: str, directory: Path, part: str = "serve") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESKHAND_")}
    environment |= {
        "DESKHAND_DATABASE_URL": url,
        "DESKHAND_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DESKHAND_DATA_DIR": str(directory),
        "DESKHAND_PORT": "0",
        "NO_COLOR": "1",
    }
    return deskhand(part, environment=environment, directory=directory)


@pytest.mark.parametrize(
    ("login", "fault"),
    [("superuser_url", "is a superuser"), ("owner_url", "owns tables"), ("platform_url", "may become")],
    ids=["superuser", "owner", "platform"],
)
async def test_a_login_that_is_too_strong(database_urls: DatabaseUrls, tmp_path: Path, login: str, fault: str) -> None:
    ended = await asyncio.to_thread(_serve, getattr(database_urls, login), tmp_path)
    assert ended.returncode == 1
    said = " ".join(ended.stderr.split())
    assert fault in said
    assert "deskhand_app" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("part", ["serve", "worker"])
async def test_a_key_that_the_database_does_not_know(database_urls: DatabaseUrls, tmp_path: Path, part: str) -> None:
    ended = await asyncio.to_thread(_serve, database_urls.app_url, tmp_path, part)
    assert ended.returncode == 1
    said = " ".join(ended.stderr.split())
    assert "Set DESKHAND_TENANT_KEY" in said
    assert "Traceback" not in said

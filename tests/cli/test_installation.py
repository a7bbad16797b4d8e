"""The embedded PostgreSQL is supervised: killed while an installation is open, it comes back at the same address."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.support.product import until

from deskhand.installation import open_installation
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.settings import Settings


@pytest.fixture
def data_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp())
    yield directory
    shutil.rmtree(directory)


def postmaster(directory: Path) -> int:
    server = EmbeddedPostgres(directory / "postgres")
    assert server.running
    return int((server.data / "postmaster.pid").read_text().split()[0])


async def test_a_killed_postgres_is_started_again(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESKHAND_DATABASE_URL", raising=False)
    with open_installation(Settings(data_dir=data_dir)) as found:
        killed = postmaster(data_dir)
        os.kill(killed, signal.SIGKILL)

        async def answers() -> bool:
            try:
                connection = await asyncpg.connect(found.database_url, timeout=2)
            except (OSError, asyncpg.PostgresError):
                return False
            await connection.close()
            return await asyncio.to_thread(postmaster, data_dir) != killed

        assert await until(answers)

"""How a test reaches the database: with the logins and the key of the test run's installation."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.fernet import Fernet
from sqlalchemy import make_url

from deskhand.kit.db.proofs import Process, Prover
from deskhand.kit.db.roles import PLATFORM_LOGIN
from deskhand.kit.db.session import Database, create_pool

DIRECTORY_VARIABLE = "DESKHAND_TEST_POSTGRES"
TENANT_KEY = hashlib.sha256(b"the tests' installation").hexdigest()
PROVER = Prover(TENANT_KEY)
KEY = Fernet.generate_key().decode()
"""What applications of this process encrypt with, unless the test is about keys."""


def platform_login(app_url: str) -> str:
    """The same database of the test run's server, as the login of platform administration."""
    password = (Path(os.environ[DIRECTORY_VARIABLE]) / "platform-password").read_text().strip()
    return make_url(app_url).set(username=PLATFORM_LOGIN, password=password).render_as_string(hide_password=False)


def open_database(app_url: str, **options: Any) -> Database:
    """Sessions of one process, platform administration included."""
    # Asked for where it is missing alone: a test with a server of its own may run before the shared one has started.
    platform_url = options.pop("platform_url", None) or platform_login(app_url)
    return Database(app_url, **{"platform_url": platform_url, "prover": PROVER, **options})


async def open_pool(app_url: str, *, process: Process = "worker", **options: Any) -> asyncpg.Pool[asyncpg.Record]:
    """A process's pool; a worker's may do what the door's may."""
    return await create_pool(app_url, process=process, prover=PROVER, **options)

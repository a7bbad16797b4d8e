"""What an installation consists of, resolved from its settings: database, keys, model.

In the embedded mode (no ``DESKHAND_DATABASE_URL``) everything missing is made here, under the data
directory: a PostgreSQL of our own, passwords, the keys. With a database URL nothing is made
up: what is missing is named.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
from cryptography.fernet import Fernet

from deskhand.engine.retention import Retention
from deskhand.errors import ConfigurationError, UnavailableError
from deskhand.kit.crypto import HOW_TO_MAKE_A_KEY
from deskhand.kit.db import admin
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.db.proofs import Prover
from deskhand.kit.loops import watched
from deskhand.settings import Settings

KEYS_FILE = "encryption.keys"
TENANT_KEY_FILE = "tenant.key"
MODEL_STATE = "embedded-model.json"
WATCH_SECONDS = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Addresses and keys, ready for use.

    Attributes:
        database_url: Login of ``deskhand_app``.
        platform_url: Login of ``deskhand_platform_login``; None where it was not given.
        owner_url: Login of ``deskhand_owner``.
        tenant_keys: What sessions prove their tenant with, the one in use first; empty where none was given.
        encryption_keys: Fernet keys, newest first.
        embedded: Whether PostgreSQL is the one we supervise.
    """

    settings: Settings
    database_url: str = field(repr=False)
    platform_url: str | None = field(repr=False)
    owner_url: str = field(repr=False)
    tenant_keys: tuple[str, ...] = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    embedded: bool

    @property
    def reread_keys(self) -> Callable[[], tuple[str, ...]] | None:
        """Reads the key ring anew where it is a file; None where it is in the environment, which stays as it is."""
        if self.settings.encryption_keys is not None:
            return None
        return partial(_read_keys, self.settings.data_dir / KEYS_FILE)

    @property
    def prover(self) -> Prover | None:
        """Makes the proofs of this installation's sessions.

        Raises:
            ConfigurationError: The key can be guessed.
        """
        return Prover(self.tenant_keys[0]) if self.tenant_keys else None

    @property
    def models_dir(self) -> Path:
        """Where pulled models lie."""
        return self.settings.data_dir / "models"

    @property
    def model_state_file(self) -> Path:
        """Where the embedded model's server writes its address."""
        return self.settings.data_dir / MODEL_STATE

    @property
    def retention(self) -> Retention:
        """How long history is kept."""
        return Retention(
            executions_days=self.settings.keep_executions_days,
            deliveries_days=self.settings.keep_deliveries_days,
            schedule_fires_days=self.settings.keep_schedule_fires_days,
            audit_days=self.settings.keep_audit_days,
        )

    @property
    def public_url(self) -> str:
        """Address that vendors and browsers use."""
        address = self.settings.public_url or f"http://{self.settings.host}:{self.settings.port}"
        return address.rstrip("/")

    def environment(self, *, platform: bool) -> dict[str, str]:
        """Variables that make a child part of this installation, without the owner's login, which could undo it.

        Args:
            platform: Whether the child administers the platform; one that does not gets no login for it.
        """
        logins = {"DESKHAND_DATABASE_URL": self.database_url}
        if platform and self.platform_url is not None:
            logins["DESKHAND_DATABASE_PLATFORM_URL"] = self.platform_url
        # API and workers run what strangers' words lead to; the owner's login could take the policies off.
        kept_back = {"DESKHAND_DATABASE_OWNER_URL", "DESKHAND_DATABASE_PLATFORM_URL"}
        inherited = {name: value for name, value in os.environ.items() if name not in kept_back}
        return {**inherited, **logins, "DESKHAND_DATA_DIR": str(self.settings.data_dir)}


@contextmanager
def open_installation(settings: Settings) -> Iterator[Installation]:
    """Resolve the settings; in the embedded mode PostgreSQL runs inside the block.

    A server that was running already is attached to and left running.

    Raises:
        ConfigurationError: Something is missing or malformed; the message says what and how to mend it.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        # Without an owner's address a migration is tried as the application, and its refusal names the setting.
        owner = settings.database_owner_url.get_secret_value() if settings.database_owner_url else url
        platform = settings.database_platform_url.get_secret_value() if settings.database_platform_url else None
        yield Installation(
            settings=settings,
            database_url=url,
            platform_url=platform,
            owner_url=owner,
            tenant_keys=_tenant_keys(settings),
            encryption_keys=_given_keys(settings),
            embedded=False,
        )
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    server = EmbeddedPostgres(settings.data_dir / "postgres", binaries=settings.pg_bin)
    # Asked before the start: a server that another process began is that one's to stop.
    ours = not server.running
    try:
        with server.stopped_without_us() if ours else nullcontext(), _started(server):
            yield Installation(
                settings=settings,
                database_url=server.app_url,
                platform_url=server.platform_url,
                owner_url=server.owner_url,
                tenant_keys=_tenant_keys(settings, make=True),
                encryption_keys=_own_keys(settings),
                embedded=True,
            )
    finally:
        if ours:
            server.stop()


@contextmanager
def _started(server: EmbeddedPostgres) -> Iterator[None]:
    """Start the server, and again if it dies inside the block: nobody else would, and a run waits 30 s for it."""

    def look() -> None:
        if not server.running:
            log.warning("postgres_died")
            server.start()

    server.start()
    passing = (UnavailableError, OSError, subprocess.SubprocessError)
    with watched(look, every=WATCH_SECONDS, passing=passing, event="postgres_not_restarted"):
        yield


def migrate(installation: Installation) -> bool:
    """Bring the schema up to date, and let sessions in with this installation's proofs alone, if it has a key for them.

    Returns:
        Whether anything had to be done to the schema.
    """
    is_old = admin.current(installation.owner_url) != admin.head()
    if is_old:
        admin.upgrade(installation.owner_url)
    if installation.prover is not None:
        admin.seal(installation.owner_url, installation.tenant_keys)
    return is_old


def _given_keys(settings: Settings) -> tuple[str, ...]:
    if settings.encryption_keys is None:
        path = settings.data_dir / KEYS_FILE
        if path.exists():
            return _read_keys(path)
        raise ConfigurationError(f"DESKHAND_ENCRYPTION_KEYS is not set. {HOW_TO_MAKE_A_KEY}")
    return split_keys(settings.encryption_keys.get_secret_value())


def _own_keys(settings: Settings) -> tuple[str, ...]:
    if settings.encryption_keys is not None:
        return split_keys(settings.encryption_keys.get_secret_value())
    path = settings.data_dir / KEYS_FILE
    _make_once(path, Fernet.generate_key().decode())
    return _read_keys(path)


def _tenant_keys(settings: Settings, *, make: bool = False) -> tuple[str, ...]:
    if settings.tenant_key is not None:
        return split_keys(settings.tenant_key.get_secret_value())
    path = settings.data_dir / TENANT_KEY_FILE
    if make:
        _make_once(path, secrets.token_urlsafe(32))
    return _read_keys(path) if path.exists() else ()


def _make_once(path: Path, secret: str) -> None:
    """Write a secret's file, unless it is there: of several who start at once, one makes it for all."""
    try:
        # O_EXCL makes one of several processes the author; the others read what it wrote.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret)
        file.flush()
        os.fsync(descriptor)


def _read_keys(path: Path) -> tuple[str, ...]:
    # A line or a comma ends a key, because people paste rings either way.
    return split_keys(path.read_text(encoding="ascii").replace("\n", ","))


def split_keys(keys: str) -> tuple[str, ...]:
    """Keys as people write them in a row, between commas."""
    return tuple(key.strip() for key in keys.split(",") if key.strip())

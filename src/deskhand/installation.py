"""What an installation consists of, resolved from its settings: database, keys, model.

In the embedded mode (no ``DESKHAND_DATABASE_URL``) everything missing is made here, under the data
directory: a PostgreSQL of our own, passwords, an encryption key. With a database URL nothing is made
up: what is missing is named.
"""

from __future__ import annotations

import os
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
from deskhand.kit.loops import watched
from deskhand.settings import Settings

KEYS_FILE = "encryption.keys"
MODEL_STATE = "embedded-model.json"
WATCH_SECONDS = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Addresses and keys, ready for use.

    Attributes:
        database_url: Login of ``deskhand_app``.
        owner_url: Login of ``deskhand_owner``.
        encryption_keys: Fernet keys, newest first.
        embedded: Whether PostgreSQL is the one we supervise.
    """

    settings: Settings
    database_url: str = field(repr=False)
    owner_url: str = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    embedded: bool

    @property
    def reread_keys(self) -> Callable[[], tuple[str, ...]] | None:
        """Reads the key ring anew where it is a file; None where it is in the environment, which stays as it is."""
        if self.settings.encryption_keys is not None:
            return None
        return partial(_read_keys, self.settings.data_dir / KEYS_FILE)

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
        )

    @property
    def public_url(self) -> str:
        """Address that vendors and browsers use."""
        given = self.settings.public_url or f"http://{self.settings.host}:{self.settings.port}"
        return given.rstrip("/")

    def environment(self) -> dict[str, str]:
        """Variables that make a child part of this installation, without the owner's login, which could undo it."""
        return {
            **{name: value for name, value in os.environ.items() if name != "DESKHAND_DATABASE_OWNER_URL"},
            "DESKHAND_DATABASE_URL": self.database_url,
            "DESKHAND_DATA_DIR": str(self.settings.data_dir),
        }


@contextmanager
def open_installation(settings: Settings) -> Iterator[Installation]:
    """Resolve the settings; in the embedded mode PostgreSQL runs inside the block.

    A server that was running already is attached to and left running.

    Raises:
        ConfigurationError: Something is missing or malformed; the message says what and how to mend it.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        owner = settings.database_owner_url.get_secret_value() if settings.database_owner_url else url
        yield Installation(
            settings=settings, database_url=url, owner_url=owner, encryption_keys=_given_keys(settings), embedded=False
        )
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    server = EmbeddedPostgres(settings.data_dir / "postgres", binaries=settings.pg_bin)
    ours = not server.running
    try:
        server.start()
        with server.stopped_without_us() if ours else nullcontext(), _kept_running(server):
            yield Installation(
                settings=settings,
                database_url=server.app_url,
                owner_url=server.owner_url,
                encryption_keys=_own_keys(settings),
                embedded=True,
            )
    finally:
        if ours:
            server.stop()


@contextmanager
def _kept_running(server: EmbeddedPostgres) -> Iterator[None]:
    """Start the server again if it dies inside the block: nobody else would, and a run waits 30 s for its database."""

    def look() -> None:
        if not server.running:
            log.warning("postgres_died")
            server.start()

    passing = (UnavailableError, OSError, subprocess.SubprocessError)
    with watched(look, every=WATCH_SECONDS, passing=passing, event="postgres_not_restarted"):
        yield


def migrate(installation: Installation) -> bool:
    """Bring the schema up to date.

    Returns:
        Whether anything had to be done.
    """
    if admin.current(installation.owner_url) == admin.head():
        return False
    admin.upgrade(installation.owner_url)
    return True


def _given_keys(settings: Settings) -> tuple[str, ...]:
    if settings.encryption_keys is None:
        path = settings.data_dir / KEYS_FILE
        if path.exists():
            return _read_keys(path)
        raise ConfigurationError(f"DESKHAND_ENCRYPTION_KEYS is not set. {HOW_TO_MAKE_A_KEY}")
    return _split(settings.encryption_keys.get_secret_value())


def _own_keys(settings: Settings) -> tuple[str, ...]:
    if settings.encryption_keys is not None:
        return _split(settings.encryption_keys.get_secret_value())
    path = settings.data_dir / KEYS_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_keys(path)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(Fernet.generate_key().decode())
    return _read_keys(path)


def _read_keys(path: Path) -> tuple[str, ...]:
    return _split(path.read_text(encoding="ascii").replace("\n", ","))


def _split(keys: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in keys.split(",") if key.strip())

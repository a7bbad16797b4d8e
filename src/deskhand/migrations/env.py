"""Alembic's entry: connects as the owner, takes a lock so that only one migrates, and runs the revisions.

The URL comes from the caller (``deskhand.kit.db.admin``) or, for the ``alembic`` command in the repository,
from ``DESKHAND_DATABASE_OWNER_URL``, else ``DESKHAND_DATABASE_URL``, else the embedded server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from sqlalchemy import Connection

from deskhand.errors import ConfigurationError
from deskhand.kit.db.admin import belongs_to_models, on_migration_connection
from deskhand.kit.db.blocking import run_blocking
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.models import Base
from deskhand.settings import load_settings

URL_OPTION = "deskhand_url"


@contextmanager
def owner_url() -> Iterator[str]:
    """Whom to migrate as; an embedded server that is not running yet runs for the duration."""
    given = context.config.get_main_option(URL_OPTION)
    if given:
        yield given
        return
    settings = load_settings()
    configured = settings.database_owner_url or settings.database_url
    if configured is not None:
        yield configured.get_secret_value()
        return
    with EmbeddedPostgres(settings.data_dir / "postgres", binaries=settings.pg_bin) as server:
        yield server.owner_url


def migrate(connection: Connection) -> None:
    """Run what Alembic was asked for, each revision in a transaction of its own."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
        include_object=belongs_to_models,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise ConfigurationError("Migrations read the server's version and roles, so they need a connection (no --sql).")
with owner_url() as url:
    run_blocking(lambda: on_migration_connection(url, migrate))

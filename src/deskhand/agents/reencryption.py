"""Re-encrypts stored secrets with the newest key, in small transactions, while the installation serves.

Each value is replaced only if it is still the one that was read, so a change made meanwhile wins; it was
encrypted with the newest key already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from deskhand.access.models import IdentityProvider, SecondFactor, UserSession
from deskhand.agents.models import AgentTrigger
from deskhand.connectors.models import ToolSource
from deskhand.gateways.models import ModelConnection, SharedModelConnection
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.tenants.models import TenantConfig

BATCH = 200

Table = (
    type[TenantConfig]
    | type[AgentTrigger]
    | type[SecondFactor]
    | type[IdentityProvider]
    | type[UserSession]
    | type[ToolSource]
    | type[ModelConnection]
    | type[SharedModelConnection]
)

SECRETS: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (
        TenantConfig,
        (
            "servicedesk_api_key_encrypted",
            "jira_api_token_encrypted",
            "zendesk_api_token_encrypted",
            "servicenow_api_key_encrypted",
            "connection_extras_encrypted",
            "webhook_signing_secret_encrypted",
        ),
    ),
    (AgentTrigger, ("hmac_secret", "previous_hmac_secret")),
    (SecondFactor, ("secret_encrypted",)),
    (IdentityProvider, ("client_secret_encrypted",)),
    (UserSession, ("id_token_encrypted",)),
    (ToolSource, ("credential_encrypted",)),
    (ModelConnection, ("api_key_encrypted",)),
    (SharedModelConnection, ("api_key_encrypted",)),
)
"""Every column that holds a Fernet token; a test compares it with the models."""


async def rotate_secrets(db: Database, secrets: SecretBox, *, progress: Callable[[float], None]) -> int:
    """Re-encrypt everything.

    Args:
        db: Sessions; works across tenants as the platform role.
        secrets: The key ring, newest key first.
        progress: Called after each batch with the share done, 0 to 1.

    Returns:
        How many secrets were re-encrypted.

    Raises:
        ConfigurationError: A secret fits none of the keys; what was rotated before stays rotated.
    """
    done = 0
    for number, (table, columns) in enumerate(SECRETS):
        after: UUID | None = None
        while True:
            # A transaction a batch: one over everything would hold its locks while the installation serves.
            async with db.platform_session() as session:
                ids, changed = await _rotate_batch(session, secrets, table, columns, after)
            done += changed
            if len(ids) < BATCH:
                break
            after = ids[-1]
            progress(number / len(SECRETS))
        progress((number + 1) / len(SECRETS))
    return done


async def _rotate_batch(
    session: AsyncSession, secrets: SecretBox, table: Table, columns: Sequence[str], after: UUID | None
) -> tuple[list[UUID], int]:
    fields = [_column(table, name) for name in columns]
    beyond: list[ColumnElement[bool]] = [] if after is None else [table.id > after]
    rows = (await session.execute(select(table.id, *fields).where(*beyond).order_by(table.id).limit(BATCH))).all()
    changed = 0
    for row in rows:
        for field, old in zip(fields, row[1:], strict=True):
            if old is None:
                continue
            new: str | bytes = secrets.rotate(old)
            if isinstance(old, bytes):
                new = str(new).encode()
            values: dict[Any, Any] = {field: new}
            if not issubclass(table, UserSession):
                values["updated_at"] = table.updated_at  # stays: nothing about the tenant has changed
            statement = update(table).where(table.id == row[0], field == old).values(values).returning(table.id)
            changed += (await session.scalar(statement)) is not None
    return [row[0] for row in rows], changed


def _column(table: Table, name: str) -> InstrumentedAttribute[str | bytes | None]:
    column: InstrumentedAttribute[str | bytes | None] = getattr(table, name)
    return column
